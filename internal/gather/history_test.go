package gather_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// history asks for the history of the stack's mapping, by store and path.
func (s *stack) history(change func(*gather.Config)) []string {
	s.t.Helper()
	clients, err := kube.NewClients(s.RESTConfig())
	if err != nil {
		s.t.Fatal(err)
	}
	es, err := clients.ExternalSecrets(s.namespace).Get(s.t.Context(), "api-db", metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	var all []string
	for _, h := range s.gatherer(change).History(s.t.Context(), es) {
		text := h.Store.Name + " " + h.Path
		if !h.Versions.Known {
			text += ": " + h.Versions.Why
		}
		all = append(all, text)
	}
	return all
}

// madeOf makes the Secret as if of paths and versions.
func (s *stack) madeOf(sources ...string) {
	s.t.Helper()
	if _, err := s.Client().CoreV1().Secrets(s.namespace).Create(s.t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Name: "api-db", Annotations: map[string]string{eso.AnnotationSource: strings.Join(sources, ",")},
	}}, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// Each find's paths are asked of its own store, and of no other.
func TestHistoryAsksEachStoreForItsOwnPaths(t *testing.T) {
	s := newStack(t)
	other := s.KVMount(t, 2)
	for _, mount := range []string{s.mount, other} {
		for _, key := range []string{"app/web", "ops/db", "app/named"} {
			s.Put(t, mount, key, map[string]any{"k": canary})
		}
	}
	s.credential(s.RootToken)
	s.apply(s.store())
	s.apply(strings.Replace(strings.Replace(s.store(), "name: vault}", "name: second}", 1), s.mount, other, 1))
	s.apply(`
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: api-db}
spec:
  secretStoreRef: {name: vault, kind: SecretStore}
  data:
  - {secretKey: k, remoteRef: {key: app/named, property: k}}
  dataFrom:
  - find: {path: app, name: {regexp: "^app/"}}
  - find: {name: {regexp: "db$"}}
    sourceRef: {storeRef: {name: second, kind: SecretStore}}
  - find: {path: lost}
    sourceRef: {storeRef: {name: nowhere, kind: SecretStore}}
`)
	s.madeOf(s.mount+"/data/app/db@1", s.mount+"/data/app/named@1", s.mount+"/data/app/web@1", other+"/data/ops/db@1")
	want := []string{
		"vault " + s.mount + "/data/app/named", "vault " + s.mount + "/data/app/db", "vault " + s.mount + "/data/app/web",
		"second " + other + "/data/ops/db", "nowhere lost: SecretStore/nowhere does not exist",
	}
	if got := s.history(nil); !slices.Equal(got, want) {
		t.Errorf("history:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// counted counts the requests for a namespace by itself.
type counted struct {
	http.RoundTripper
	namespace string
	n         atomic.Int32
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/api/v1/namespaces/"+c.namespace {
		c.n.Add(1)
	}
	return c.RoundTripper.RoundTrip(r)
}

// Whether a store admits the namespace is asked once, however many paths are read.
func TestHistoryAsksOnceWhetherTheNamespaceIsAdmitted(t *testing.T) {
	s := newStack(t)
	name := "css-" + s.namespace
	s.Put(t, s.mount, "app/web", map[string]any{"k": canary})
	s.credential(s.RootToken)
	s.apply(fmt.Sprintf(`
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: %s}
spec:
  conditions: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %s}}}]
  provider:
    vault: {server: %s, path: %s, version: v2, auth: {tokenSecretRef: {name: vault-token, key: token}}}
`, name, s.namespace, s.VaultAddress(0), s.mount))
	s.apply(strings.Replace(mappingDoc, "{name: vault, kind: SecretStore}", "{name: "+name+", kind: ClusterSecretStore}", 1) +
		"  - {secretKey: k, remoteRef: {key: app/web, property: k}}\n")
	asked := &counted{namespace: s.namespace}
	got := s.history(func(c *gather.Config) {
		config := rest.CopyConfig(s.RESTConfig())
		config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			asked.RoundTripper = next
			return asked
		})
		clients, err := kube.NewClients(config)
		if err != nil {
			t.Fatal(err)
		}
		c.Clients = clients
	})
	if want := []string{name + " " + s.mount + "/data/app/db", name + " " + s.mount + "/data/app/web"}; !slices.Equal(got, want) {
		t.Errorf("history %q, want %q", got, want)
	}
	if n := asked.n.Load(); n != 1 {
		t.Errorf("the namespace was asked for %d times", n)
	}
}
