package plugin

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
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

// listener is a server before the real Vault that notes the tokens which it is shown.
type listener struct {
	address string
	mu      sync.Mutex
	tokens  []string
}

// listening has the scene's store name such a server, as whoever may write it could.
func listening(t *testing.T, sb *sandbox.Sandbox, namespace string) *listener {
	t.Helper()
	target, err := url.Parse(sb.VaultAddress(0))
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		l.tokens = append(l.tokens, r.Header.Get("X-Vault-Token"))
		l.mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	l.address = server.URL
	clients, err := kube.NewClients(sb.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	patch := []byte(`{"spec":{"provider":{"vault":{"server":"` + l.address + `"}}}}`)
	if _, err := clients.SecretStores(namespace).Patch(t.Context(), "vault", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	return l
}

// heard reports whether the server was shown a token since it was last asked.
func (l *listener) heard(token string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := slices.Contains(l.tokens, token)
	l.tokens = nil
	return found
}

// writers are the commands that write to Vault with the caller's own token.
func writers(t *testing.T, sb *sandbox.Sandbox, namespace string) [][]string {
	t.Helper()
	if _, err := sb.Client().CoreV1().Secrets(namespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "legacy"}, Data: map[string][]byte{"password": []byte("p")},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return [][]string{
		{"rotate", "api-db", "--key=password", "--generate=16"},
		{"rollback", "api-db", "--to-version=1"},
		{"mapping", "import", "legacy", "--store=vault", "--path=app/legacy"},
		{"setup", "--store=SecretStore/vault", "--audit-file=none"},
	}
}

// A server that only a SecretStore names gets the caller's token from none of the
// commands that write, whatever --yes says: the caller names the server, or an
// administrator's ClusterSecretStore does.
func TestNeverSendsTheCallersTokenWhereOnlyATenantSays(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, _ := scene(t, sb)
	l := listening(t, sb, namespace)
	lines := writers(t, sb, namespace)
	t.Setenv("VAULT_TOKEN", sb.RootToken)
	t.Setenv("VAULT_ADDR", "")
	for _, line := range lines {
		for _, more := range [][]string{{"--yes"}, {"--yes", "--dry-run=client"}, {"--yes", "--dry-run=server"}, {"--yes", "--trust-server=http://127.0.0.1:1"}, {"--yes", "--trust-server=" + l.address + "/other"}} {
			output := says(t, sb, strings.Join(slices.Concat(line, more, []string{"-n", namespace}), " "), ExitFailed,
				"error: your Vault token is not sent: only SecretStore vault in namespace "+namespace+" names the server "+l.address,
				"nothing was written", "hint: if that server is your Vault, say so: --trust-server="+l.address)
			if l.heard(sb.RootToken) {
				t.Errorf("%v %v: the token was sent all the same:\n%s", line, more, output)
			}
		}
	}
	as := viewer(t, sb, namespace)
	may(t, sb, namespace, as, "", "secrets", "get")
	says(t, sb, "setup --store=SecretStore/vault --audit-file=none --yes -n "+namespace+" --as="+as, ExitFailed, "your Vault token is not sent", "as far as is known (listing ClusterSecretStores: ")
	if l.heard(sb.RootToken) {
		t.Error("the token was sent although it is not known what ClusterSecretStores name")
	}
	says(t, sb, "rotate api-db --key=password --generate=16 --trust-server=vault:8200 -n "+namespace, ExitFailed, "error: --trust-server=vault:8200: want the address of a server", "See '")
	versions, err := sb.RootVault(t).KVv2(mountOf(t, sb, namespace)).GetMetadata(t.Context(), "app/db")
	if err != nil || versions.CurrentVersion != 1 {
		t.Errorf("it was written: %v, %v", versions, err)
	}

	for _, line := range lines {
		output := says(t, sb, strings.Join(slices.Concat(line, []string{"--dry-run=server", "--trust-server=" + l.address + "/", "-n", namespace}), " "), ExitOK)
		if !l.heard(sb.RootToken) {
			t.Errorf("%v: the server that the caller named was not asked:\n%s", line, output)
		}
	}
	named := &eso.ClusterSecretStore{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	named.Spec.Provider.Vault = &eso.VaultProvider{Server: l.address, Version: "v2", Auth: &eso.VaultAuth{TokenSecretRef: &eso.SecretKeySelector{Name: "vault-token", Key: "token"}}}
	clients, err := kube.NewClients(sb.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := clients.ClusterSecretStores().Create(t.Context(), named, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := clients.ClusterSecretStores().Delete(context.Background(), namespace, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	for _, line := range lines {
		output := says(t, sb, strings.Join(slices.Concat(line, []string{"--dry-run=server", "-n", namespace}), " "), ExitOK)
		if !l.heard(sb.RootToken) {
			t.Errorf("%v: the server that a ClusterSecretStore names was not asked:\n%s", line, output)
		}
	}
}
