package plugin

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// rooted is a scene whose store reads with the root token, with the controller running.
type rooted struct {
	*testing.T
	sb        *sandbox.Sandbox
	clients   *kube.Clients
	namespace string
	tokenFile string
}

func newRooted(t *testing.T) *rooted {
	t.Helper()
	sb := withController(t)
	namespace, _ := scene(t, sb)
	clients, err := kube.NewClients(sb.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	r := &rooted{T: t, sb: sb, clients: clients, namespace: namespace, tokenFile: filepath.Join(t.TempDir(), "token")}
	if err := os.WriteFile(r.tokenFile, []byte(sb.RootToken), 0o600); err != nil {
		t.Fatal(err)
	}
	secret, err := clients.Secrets(namespace).Get(t.Context(), "vault-token", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	secret.Data["token"] = []byte(sb.RootToken)
	if _, err := clients.Secrets(namespace).Update(t.Context(), secret, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	r.synced()
	return r
}

// setup runs the command on the scene's store and returns all that it printed.
func (r *rooted) setup(args ...string) string {
	r.Helper()
	output, code := invoke(r.T, r.sb, append([]string{
		"setup", "-n", r.namespace, "--store=SecretStore/vault", "--audit-file=none", "--vault-token-file=" + r.tokenFile, "--trust-server=" + r.sb.VaultAddress(0),
	}, args...)...)
	if code != ExitOK {
		r.Fatalf("setup %v ends with %d:\n%s", args, code, output)
	}
	return output
}

func (r *rooted) synced() {
	r.Helper()
	sandbox.Eventually(r.T, func() error {
		output, code := invoke(r.T, r.sb, "sync-now", "api-db", "-n", r.namespace)
		if code != ExitOK {
			return fmt.Errorf("sync-now ends with %d: %s", code, output)
		}
		return nil
	})
}

// readiness follows the mapping's Ready condition until stop, and returns each state
// that it was in.
func (r *rooted) readiness() (stop func() []string) {
	r.Helper()
	watch, err := r.clients.ExternalSecrets(r.namespace).Watch(r.Context(), metav1.ListOptions{})
	if err != nil {
		r.Fatal(err)
	}
	seen := make(chan []string, 1)
	go func() {
		var states []string
		for event := range watch.ResultChan() {
			if es, ok := event.Object.(*eso.ExternalSecret); ok {
				for _, c := range es.Status.Conditions {
					states = append(states, fmt.Sprintf("%s %s %s", c.Type, c.Status, c.Message))
				}
			}
		}
		seen <- states
	}()
	return func() []string { watch.Stop(); return <-seen }
}

// From the root token through every kind of login and back, and with each credential
// replaced: at no time does a sync fail.
func TestSetupWithNoFailedSync(t *testing.T) {
	r := newRooted(t)
	if err := r.sb.AddVaultAuth(t.Context(), "kubernetes"); err != nil {
		t.Fatal(err)
	}
	stop := r.readiness()
	host := "--kubernetes-host=" + r.sb.RESTConfig().Host
	path := "--auth-path=kubernetes-" + r.namespace
	for _, step := range []struct {
		args  []string
		field string
	}{
		{[]string{"--auth=approle"}, "appRole"},
		{[]string{"--rotate-secret-id"}, "appRole"},
		{[]string{"--auth=kubernetes", host, path}, "kubernetes"},
		{[]string{"--auth=token"}, "tokenSecretRef"},
		{[]string{"--rotate-secret-id"}, "tokenSecretRef"},
		{[]string{"--auth=kubernetes", path}, "kubernetes"},
		{[]string{"--auth=approle"}, "appRole"},
	} {
		r.setup(append(step.args, "--yes")...)
		r.synced()
		store, err := r.clients.SecretStores(r.namespace).Get(t.Context(), "vault", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if methods := store.Spec.Provider.Vault.Auth.Methods(); len(methods) != 1 || methods[0] != step.field {
			t.Errorf("after %v the store logs in by %v, want %s alone", step.args, methods, step.field)
		}
		if output := r.setup(); !strings.Contains(output, "Nothing to do.") {
			t.Errorf("after %v a second run has something to do:\n%s", step.args, output)
		}
	}
	states := stop()
	if len(states) == 0 {
		t.Error("no state of the mapping was seen at all")
	}
	for _, state := range states {
		if !strings.HasPrefix(state, "Ready True ") {
			t.Errorf("the mapping was %s", state)
		}
	}
	r.noWarnings()
	for _, method := range []string{"kubernetes", "token"} {
		args := []string{"--auth=" + method, "--remove", "--yes"}
		if method == "kubernetes" {
			args = append(args, path)
		}
		r.setup(args...)
	}
	r.synced()
	if methods, err := r.sb.RootVault(t).Sys().ListAuthWithContext(t.Context()); err != nil || methods["kubernetes-"+r.namespace+"/"] != nil {
		t.Errorf("the auth method is left: %v, %v", methods, err)
	}
	if _, err := r.clients.ClusterRoleBinding(t.Context(), "vaultsecret-token-review-"+r.namespace+"-vaultsecret-"+r.namespace+"-vault"); err == nil {
		t.Error("the ClusterRoleBinding is left")
	}
}

func (r *rooted) noWarnings() {
	r.Helper()
	events, err := r.clients.Events(r.namespace).List(r.Context(), metav1.ListOptions{})
	if err != nil {
		r.Fatal(err)
	}
	for _, e := range events.Items {
		if e.Type == corev1.EventTypeWarning && !strings.HasPrefix(e.Message, "evil ") {
			r.Errorf("a warning: %s %s", e.Reason, e.Message)
		}
	}
}

// N6, N11: neither a credential that setup makes nor the token that it is given is in
// any output, at any verbosity, in any form.
func TestNeverShowsACredentialOfSetup(t *testing.T) {
	r := newRooted(t)
	secrets := []string{r.sb.RootToken}
	var outputs []string
	for _, args := range [][]string{
		{"--auth=approle", "--yes", "-v=9"},
		{"--export"},
		{"-o", "yaml"},
		{"--rotate-secret-id", "--yes", "-o", "json", "-v=9"},
		{"--rotate-secret-id", "--dry-run=server", "-v=9"},
		{"--auth=token", "--yes", "-v=9"},
		{"--rotate-secret-id", "--yes", "--export"},
		{"--auth=approle", "--remove", "--yes", "-v=9"},
	} {
		outputs = append(outputs, r.setup(args...))
		made, err := r.clients.Secrets(r.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/managed-by=kubectl-vaultsecret"})
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range made.Items {
			for _, value := range secret.Data {
				secrets = append(secrets, string(value))
			}
		}
	}
	if len(secrets) < 4 {
		t.Fatalf("only %d credentials were seen", len(secrets))
	}
	for i, output := range outputs {
		for _, secret := range secrets {
			encoded := base64.StdEncoding.EncodeToString([]byte(secret))
			for _, form := range []string{secret, encoded[:len(encoded)-4], fmt.Sprintf("%x", secret)} {
				if strings.Contains(output, form) {
					t.Errorf("run %d shows a credential:\n%s", i, strings.ReplaceAll(output, form, "<HERE>"))
				}
			}
		}
	}
}

// Where the answer to the first step is lost, it is not said that nothing was changed.
func TestSetupSaysWhatWasLeft(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, _ := scene(t, sb)
	target, err := url.Parse(sb.VaultAddress(0))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error {
			if r.Request.Method != http.MethodGet && strings.Contains(r.Request.URL.Path, "/sys/policies/acl/") {
				panic(http.ErrAbortHandler)
			}
			return nil
		},
	})
	defer server.Close()
	t.Setenv("VAULT_TOKEN", sb.RootToken)
	line := "setup --store=SecretStore/vault --audit-file=none --yes -n " + namespace
	says(t, sb, line+" --vault-addr="+server.URL, ExitFailed, "error: policy vaultsecret-"+namespace+"-vault: ", "; whether this step was done is not known; nothing else was changed\n", "hint: ")
	t.Setenv("VAULT_ADDR", sb.VaultAddress(0))
	says(t, sb, line, ExitOK, "is ready")
	says(t, sb, line, ExitOK, "Nothing to do.")
}
