package diagnose

import "strings"

// explain is the fix for what an event of ESO or of our controller says, for the
// case that the cause itself could not be looked at.
func explain(f *Facts, message string) string {
	store := "the store"
	if es := f.Mapping.Value; es != nil && es.Spec.SecretStoreRef != nil {
		ref := es.Spec.SecretStoreRef.Effective()
		store = strings.ToLower(ref.Kind) + " " + ref.Name
		if ref.Kind == "SecretStore" {
			store = "-n " + f.Namespace + " " + store
		}
	}
	again := "kubectl vaultsecret sync-now -n " + f.Namespace + " " + f.Name
	lower := strings.ToLower(message)
	for _, e := range []struct{ text, fix string }{
		{"sealed", "kubectl vaultsecret unseal"},
		{"not initialized", "kubectl vaultsecret init"},
		{"is not ready", "kubectl describe " + store},
		{"invalid token", "kubectl describe " + store + "   # replace the token in the Secret that it names"},
		{"code: 403", "vault token capabilities PATH   # with the store's token; its policy must allow read on the path"},
		{"permission denied", "vault token capabilities PATH   # with the store's token; its policy must allow read on the path"},
		{"secret does not exist", "vault kv list MOUNT   # correct remoteRef.key: " + f.edit()},
		{"cannot find secret data for key", "correct remoteRef.property: " + f.edit()},
		{"owned by another externalsecret", "give spec.target.name another name: " + f.edit()},
		{"immutable", "delete the Secret, the controller makes it anew"},
		{"denied by spec.condition", "add namespace " + f.Namespace + " to spec.conditions: kubectl edit " + store},
		{"not found", "kubectl describe " + store},
		{"no such host", "kubectl get " + store + " -o jsonpath='{.spec.provider.vault.server}'"},
		{"connection refused", "kubectl get pods -A -l app.kubernetes.io/name=vault"},
		{"certificate", "kubectl get " + store + " -o jsonpath='{.spec.provider.vault.caProvider}'"},
		{"template", "correct spec.target.template: " + f.edit()},
	} {
		if strings.Contains(lower, e.text) {
			return e.fix
		}
	}
	return again
}
