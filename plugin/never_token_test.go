package plugin

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// Whoever may write a SecretStore could name a server of theirs in it: an audit of all
// mappings must not bring it the token of the person who runs the audit.
func TestNeverShowsTheCallersTokenToATenantsServer(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, _ := scene(t, sb)
	var mu sync.Mutex
	var seen []string
	hostile := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.Header.Get("X-Vault-Token"))
		http.Error(w, `{"errors":["permission denied"]}`, http.StatusForbidden)
	}))
	defer hostile.Close()
	clients, err := kube.NewClients(sb.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	patch := []byte(`{"spec":{"provider":{"vault":{"server":"` + hostile.URL + `"}}}}`)
	if _, err := clients.SecretStores(namespace).Patch(t.Context(), "vault", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	const own = "hvs.the-callers-own-token"
	t.Setenv("VAULT_TOKEN", own)
	t.Setenv("VAULT_ADDR", "")
	output, _ := invoke(t, sb, "audit", "--all", "-n", namespace)
	mu.Lock()
	defer mu.Unlock()
	if len(seen) == 0 {
		t.Fatalf("the server was not asked at all:\n%s", output)
	}
	if strings.Contains(strings.Join(seen, "\n"), own) {
		t.Error("a SecretStore's server was shown the caller's own token")
	}
}
