package plugin

import (
	"maps"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// A deletion that keeps the Secret, and breaks off when the ExternalSecret is gone and the
// Secret not yet let go, is completed by the next run; the Secret is there all the time.
func TestDeleteThatKeepsTheSecretGoesOn(t *testing.T) {
	sb := withController(t)
	namespace, _ := scene(t, sb)
	clients, err := kube.NewClients(sb.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	in := " -n " + namespace
	says(t, sb, "mapping create web --store=vault --from=app/db#user=user --target=of-web"+in, ExitOK, "created")
	look := func() *metav1.ObjectMeta {
		t.Helper()
		secret, err := clients.Secrets(namespace).Get(t.Context(), "of-web", metav1.GetOptions{})
		if err != nil || string(secret.Data["user"]) != "app" {
			t.Fatalf("the Secret is lost: %v, %v", secret.ObjectMeta, err)
		}
		return &secret.ObjectMeta
	}
	sandbox.Eventually(t, func() error {
		_, err := clients.Secrets(namespace).Get(t.Context(), "of-web", metav1.GetOptions{})
		return err
	})
	before := look()
	if len(before.OwnerReferences) != 1 || before.Labels[eso.LabelCreatedBy] == "" {
		t.Fatalf("the Secret is not the mapping's own: %v", before)
	}

	const user = "may-not-patch-secrets"
	may(t, sb, namespace, user, "", "secrets", "get")
	may(t, sb, namespace, user, eso.Group, eso.ExternalSecrets, "get", "delete")
	delete := "mapping delete web --keep-secret --yes" + in
	says(t, sb, delete+" --as="+user, ExitFailed, "error: the ExternalSecret is gone and Secret "+namespace+"/of-web stays, with its labels: ", "hint: run the same command again")
	if _, err := clients.ExternalSecrets(namespace).Get(t.Context(), "web", metav1.GetOptions{}); err == nil {
		t.Fatal("it did not break off in between")
	}
	broken := look()
	if len(broken.OwnerReferences) > 0 || broken.Labels[eso.LabelCreatedBy] == "" {
		t.Fatalf("it did not break off in between: %v", broken)
	}
	says(t, sb, delete+" --as="+user, ExitFailed, "there is no ExternalSecret web", "whether it left a Secret that still bears its label is not known")
	for _, dry := range []string{" --dry-run=client", " --dry-run=server"} {
		says(t, sb, delete+dry, ExitOK, "ExternalSecret "+namespace+"/web is gone; Secret "+namespace+"/of-web, which it left, stays and still bears its label.", "deleted (")
		if now := look(); !maps.Equal(now.Labels, broken.Labels) {
			t.Errorf("%s wrote: %v", dry, now)
		}
	}
	says(t, sb, "mapping delete web --yes"+in, ExitFailed, "there is no ExternalSecret web")
	says(t, sb, "mapping delete web --keep-secret"+in, ExitFailed, "say yes beforehand with --yes")
	says(t, sb, delete, ExitOK, "Secret "+namespace+"/of-web stays; no mapping keeps it up to date any more.", "externalsecret.external-secrets.io/web deleted")
	after := look()
	if after.UID != before.UID || len(after.Labels) > 0 || after.Annotations[eso.AnnotationDataHash] != "" {
		t.Errorf("it was not let go: %v", after)
	}
	says(t, sb, delete, ExitFailed, "error: there is no ExternalSecret web in namespace "+namespace)
}
