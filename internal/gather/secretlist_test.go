package gather_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// counter counts the requests for Secrets.
type counter struct {
	http.RoundTripper
	mu    sync.Mutex
	count int
}

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.URL.Path, "/secrets") {
		c.mu.Lock()
		c.count++
		c.mu.Unlock()
	}
	return c.RoundTripper.RoundTrip(r)
}

// The Secrets of a namespace are listed as far as mappings ask for them, and nothing
// twice: the first row of a long list waits for one page. What lies in a page, or would,
// is known to exist or not.
func TestSecretsAreListedAsFarAsAskedFor(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace := sb.Namespace(t)
	var c counter
	config := rest.CopyConfig(sb.RESTConfig())
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { c.RoundTripper = next; return &c })
	clients, err := kube.NewClients(config)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i := range 520 { // a page is 500
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("app-%03d", i)}}
			if _, err := clients.Secrets(namespace).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	g := gather.New(gather.Config{Clients: clients, NoLogin: true})
	defer g.Close(context.Background())
	c.count = 0
	for _, step := range []struct {
		name     string
		exists   bool
		requests int // so far
	}{
		{"app-007", true, 1},
		{"app-0075", false, 1},
		{"app-400", true, 1},
		{"app-519", true, 2},
		{"app-008", true, 2},
		{"zzz", false, 2},
	} {
		es := &eso.ExternalSecret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: step.name}}
		secret := g.Overview(t.Context(), es, gather.OverviewOptions{}).Secret
		if !secret.Known || secret.Value.Exists != step.exists || c.count != step.requests {
			t.Errorf("%s: %+v after %d requests, want %v after %d", step.name, secret, c.count, step.exists, step.requests)
		}
	}
}
