package kube_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// asked are the requests that clients make.
type asked struct {
	mu   sync.Mutex
	urls []string
	next http.RoundTripper
}

func (s *asked) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.urls = append(s.urls, r.URL.String())
	s.mu.Unlock()
	return s.next.RoundTrip(r)
}

// Names asks once for each chunk, for tables without objects, and finds each name of
// the namespace, of our kinds and of Kubernetes' own.
func TestNamesAsksOncePerChunk(t *testing.T) {
	sb := shared.Sandbox(t)
	var s asked
	config := rest.CopyConfig(sb.RESTConfig())
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { s.next = next; return &s })
	clients, err := kube.NewClients(config)
	if err != nil {
		t.Fatal(err)
	}
	created, err := clients.Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "names-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	namespace := created.Name
	want := []string{"a", "b", "c", "d", "e"}
	for _, name := range want {
		meta := metav1.ObjectMeta{Name: name}
		es := &eso.ExternalSecret{ObjectMeta: meta, Spec: eso.ExternalSecretSpec{SecretStoreRef: &eso.StoreRef{Name: "vault"}}}
		if _, err := clients.ExternalSecrets(namespace).Create(t.Context(), es, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := clients.Secrets(namespace).Create(t.Context(), &corev1.Secret{ObjectMeta: meta}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, resource := range []schema.GroupVersionResource{eso.Resource(eso.ExternalSecrets), corev1.SchemeGroupVersion.WithResource("secrets")} {
		for atOnce, requests := range map[int]int{2: 3, 5: 1, 10_000: 1} {
			s.urls = nil
			var names []string
			if err := clients.Names(t.Context(), resource, namespace, atOnce, func(chunk []string) { names = append(names, chunk...) }); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(names, want) || len(s.urls) != requests {
				t.Errorf("%s, %d at once: %v by %v", resource.Resource, atOnce, names, s.urls)
			}
		}
	}
}
