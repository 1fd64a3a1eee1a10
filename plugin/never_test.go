package plugin

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// pathCanary is a value that looks like a path in Vault with its version.
const pathCanary = "../secret/data/canary-77b0/path@7"

// scene is a mapping whose Secret and Vault hold canaries, in a namespace of its own.
func scene(t *testing.T, sb *sandbox.Sandbox) (namespace, token string) {
	t.Helper()
	return sceneOf(t, sb, "")
}

// sceneOf is the scene with a store of a controller class.
func sceneOf(t *testing.T, sb *sandbox.Sandbox, class string) (namespace, token string) {
	t.Helper()
	namespace, mount := sb.Namespace(t), sb.KVMount(t, 2)
	sb.Put(t, mount, "app/db", map[string]any{"user": "app", "password": canary, "link": pathCanary})
	token = sb.VaultToken(t, fmt.Sprintf(`path "%s/*" { capabilities = ["read", "list"] }`, mount))
	for name, data := range map[string]map[string][]byte{
		"vault-token": {"token": []byte(token)}, "api-db": {"password": []byte(canary + "-old"), "user": []byte("app"), "link": []byte(pathCanary)},
	} {
		if _, err := sb.Client().CoreV1().Secrets(namespace).Create(t.Context(), &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Data: data,
		}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	clients, err := kube.NewClients(sb.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	store := &eso.SecretStore{ObjectMeta: metav1.ObjectMeta{Name: "vault"}}
	store.Spec.Controller = class
	store.Spec.Provider.Vault = &eso.VaultProvider{
		Server: sb.VaultAddress(0), Path: &mount, Version: "v2",
		Auth: &eso.VaultAuth{TokenSecretRef: &eso.SecretKeySelector{Name: "vault-token", Key: "token"}},
	}
	if _, err := clients.SecretStores(namespace).Create(t.Context(), store, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	es := &eso.ExternalSecret{ObjectMeta: metav1.ObjectMeta{Name: "api-db"}}
	es.Spec = eso.ExternalSecretSpec{
		SecretStoreRef: &eso.StoreRef{Name: "vault"}, RefreshInterval: eso.DurationText("1h"),
		Data: []eso.Data{
			{SecretKey: "password", RemoteRef: eso.RemoteRef{Key: "app/db", Property: "password"}},
			{SecretKey: "user", RemoteRef: eso.RemoteRef{Key: "app/db", Property: "user"}},
			{SecretKey: "link", RemoteRef: eso.RemoteRef{Key: "app/db", Property: "link"}},
		},
	}
	if _, err := clients.ExternalSecrets(namespace).Create(t.Context(), es, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := sb.Client().CoreV1().Events(namespace).Create(t.Context(), &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{GenerateName: "api-db."},
		InvolvedObject: corev1.ObjectReference{Kind: eso.KindExternalSecret, Namespace: namespace, Name: "api-db", APIVersion: eso.Group + "/v1"},
		Type:           corev1.EventTypeWarning, Reason: eso.EventUpdateFailed, LastTimestamp: metav1.Now(), Count: 1,
		Message: "evil \x1b]0;title\x07 \x1b[31mred\x1b[0m \u202etxet", Source: corev1.EventSource{Component: "external-secrets"},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return namespace, token
}

// invoke runs one command line as the sandbox's administrator and returns all that
// it printed.
func invoke(t *testing.T, sb *sandbox.Sandbox, args ...string) (output string, code int) {
	t.Helper()
	var out, errOut bytes.Buffer
	args = append(args, "--kubeconfig="+sb.Kubeconfig())
	code = Run(context.WithoutCancel(t.Context()), args, genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errOut})
	return out.String() + errOut.String(), code
}

// commands are all ways to look at, and act on, the scene.
func commands(namespace string) [][]string {
	var lines [][]string
	for _, base := range [][]string{
		{"status"},
		{"status", "-o", "wide", "--drift"},
		{"status", "-o", "json"},
		{"status", "-o", "yaml"},
		{"status", "-o", "jsonpath={.items[*]}"},
		{"diagnose", "api-db"},
		{"diagnose", "api-db", "--short"},
		{"diagnose", "--all", "-o", "json"},
		{"diagnose", "api-db", "-o", "yaml"},
		{"diagnose", "api-db", "-o", "junit"},
		{"diagnose", "api-db", "--no-login"},
		{"diagnose", "api-db", "-o", "go-template={{.items}}"},
		{"diff", "api-db"},
		{"diff", "api-db", "-o", "json"},
		{"history", "api-db", "-o", "wide"},
		{"history", "api-db", "-o", "yaml"},
		{"tree", "api-db"},
		{"tree", "api-db", "-o", "json"},
		{"events", "api-db", "-o", "wide"},
		{"events", "api-db", "-o", "json"},
		{"sync-now", "api-db", "--local"},
		{"sync-now", "api-db", "--timeout=1s"},
		{"sync-now", "api-db", "--wait=false"},
	} {
		lines = append(lines, append(base, "-n", namespace), append(base, "-n", namespace, "-v=9"), append(base, "-n", namespace, "--color=always"))
	}
	return lines
}

// N6: no value, in no form, in no output.
func TestNeverShowsAValue(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, token := scene(t, sb)
	logged := false
	for _, line := range commands(namespace) {
		output, _ := invoke(t, sb, line...)
		logged = logged || strings.Contains(output, "/namespaces/"+namespace+"/externalsecrets")
		for _, secret := range []string{canary, pathCanary, token} {
			encoded := base64.StdEncoding.EncodeToString([]byte(secret))
			for _, form := range []string{secret, encoded[:len(encoded)-4], fmt.Sprintf("%x", secret)} {
				if strings.Contains(output, form) {
					t.Errorf("%v shows a value as %q", line, form)
				}
			}
		}
	}
	if !logged {
		t.Error("-v=9 logged no request at all")
	}
}

// N15: no terminal escape of anybody else's; --color=always brings our own only.
func TestNeverLetsAnEscapeThrough(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, _ := scene(t, sb)
	ours := strings.NewReplacer("\x1b[31m", "", "\x1b[32m", "", "\x1b[33m", "", "\x1b[0m", "")
	seen := false
	for _, line := range commands(namespace) {
		output, _ := invoke(t, sb, line...)
		seen = seen || strings.Contains(output, "evil")
		for _, bad := range []string{"\x1b]", "\x07", "\u202e", "\x1b[31mred"} {
			if strings.Contains(output, bad) {
				t.Errorf("%v lets %q through", line, bad)
			}
		}
		if strings.ContainsRune(ours.Replace(output), '\x1b') {
			t.Errorf("%v prints an escape that is not ours", line)
		}
	}
	if !seen {
		t.Error("no command showed the hostile event at all")
	}
}
