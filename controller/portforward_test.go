package controller_test

import (
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/controller"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// Outside a cluster, a store's Service name that does not resolve here is reached through
// its Pod; with --port-forward=never it stays unreachable. The rights to forward are the
// kubeconfig's: those of manifests/ do not hold them.
func TestPortForward(t *testing.T) {
	for mode, want := range map[string]struct{ status, reason, part string }{
		"auto":  {"True", eso.ReasonSynced, ""},
		"never": {"False", eso.ReasonSyncError, "vault.vault.svc"},
	} {
		t.Run(mode, func(t *testing.T) {
			s := newStage(t)
			s.sb.Put(s, s.mount, "app/db", map[string]any{"password": "s3cr3t"})
			s.token("vault-token", s.readToken())
			s.store(func(store *eso.SecretStore) { store.Spec.Provider.Vault.Server = "http://vault.vault.svc:8200" })
			s.run(func(c *controller.Config) { c.Kubeconfig, c.PortForward = s.sb.Kubeconfig(), mode })
			s.mapping("db")
			s.wait("db", want.status, want.reason, want.part)
			if synced := s.secret("db") != nil; synced != (mode == "auto") {
				t.Errorf("the Secret exists: %t", synced)
			}
		})
	}
}
