package kube_test

import (
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

var shared = sandbox.Shared{Config: sandbox.Config{CRDs: true}}

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// requests notes what a client sends, as "GET /api/v1/…".
type requests struct {
	mu   sync.Mutex
	sent []string
}

func (r *requests) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		r.mu.Lock()
		r.sent = append(r.sent, request.Method+" "+request.URL.Path)
		r.mu.Unlock()
		return next.RoundTrip(request)
	})
}

// count is how many requests of a method went to a path with the suffix.
func (r *requests) count(method, suffix string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, s := range r.sent {
		if strings.HasPrefix(s, method+" ") && strings.HasSuffix(s, suffix) {
			n++
		}
	}
	return n
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func connect(t *testing.T, config *rest.Config) *kube.Clients {
	t.Helper()
	clients, err := kube.NewClients(config)
	if err != nil {
		t.Fatal(err)
	}
	return clients
}

// stack gives a namespace of its own, clients of an admin, and what they send.
func stack(t *testing.T) (*kube.Clients, string, *requests) {
	t.Helper()
	sb := shared.Sandbox(t)
	config, sent := sb.RESTConfig(), &requests{}
	config.Wrap(sent.wrap)
	return connect(t, config), sb.Namespace(t), sent
}

// stranger is somebody without any right.
func stranger(t *testing.T) *kube.Clients {
	t.Helper()
	config := shared.Sandbox(t).RESTConfig()
	config.Impersonate = rest.ImpersonationConfig{UserName: "stranger"}
	return connect(t, config)
}

func mapping1(t *testing.T, c *kube.Clients, namespace, name string, change func(*eso.ExternalSecret)) *eso.ExternalSecret {
	t.Helper()
	es := &eso.ExternalSecret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
	es.Spec.SecretStoreRef = &eso.StoreRef{Name: "vault", Kind: eso.KindClusterSecretStore}
	es.Spec.Data = []eso.Data{{SecretKey: "password", RemoteRef: eso.RemoteRef{Key: "app/db", Property: "password"}}}
	if change != nil {
		change(es)
	}
	made, err := c.ExternalSecrets(namespace).Create(t.Context(), es, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}
