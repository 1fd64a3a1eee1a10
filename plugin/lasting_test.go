package plugin

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// gate stands before the API server. What hold takes goes no further; after sees an
// answer before the client does.
type gate struct {
	URL   string
	hold  func(http.ResponseWriter, *http.Request) bool
	after func(*http.Request)
}

func gateBefore(t *testing.T, sb *sandbox.Sandbox, g *gate) *gate {
	t.Helper()
	target, err := url.Parse(sb.RESTConfig().Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(sb.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport, proxy.FlushInterval = transport, -1
	proxy.ModifyResponse = func(r *http.Response) error {
		if g.after != nil {
			g.after(r.Request)
		}
		return nil
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.hold == nil || !g.hold(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	g.URL = server.URL
	return g
}

// watches reports whether a request opens a watch of a resource in a namespace.
func watches(r *http.Request, resource, namespace string) bool {
	return r.URL.Query().Get("watch") != "" && strings.HasSuffix(r.URL.Path, "/namespaces/"+namespace+"/"+resource)
}

// refusals ends or refuses the watches of a resource, until it is told to stop. It keeps
// when they came.
type refusals struct {
	mu    sync.Mutex
	times []time.Time
	over  bool
}

func (f *refusals) take() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.over {
		f.times = append(f.times, time.Now())
	}
	return !f.over
}

func (f *refusals) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
}

func (f *refusals) atLeast(t *testing.T, n int) []time.Time {
	t.Helper()
	var seen []time.Time
	sandbox.Eventually(t, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if seen = f.times; len(seen) < n {
			return fmt.Errorf("%d watches, want %d", len(seen), n)
		}
		return nil
	})
	return seen
}

// Watches that end as soon as they begin (a proxy that allows none, say) are opened
// again, each after a longer pause; what changes meanwhile is printed in the end.
func TestStatusWatchPausesBeforeItIsOpenedAgain(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, clients := idle(t, sb)
	var ended refusals
	g := gateBefore(t, sb, &gate{hold: func(w http.ResponseWriter, r *http.Request) bool {
		if !watches(r, eso.ExternalSecrets, namespace) || !ended.take() {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		return true // an answer that has nothing in it and is over
	}})
	r := launch(t, sb, "status", "-w", "-n", namespace, "--server="+g.URL)
	times := ended.atLeast(t, 3)
	for i, pause := range []time.Duration{firstPause, 2 * firstPause} {
		if between := times[i+1].Sub(times[i]); between < pause {
			t.Errorf("watch %d came %s after the one before, want %s at least", i+2, between, pause)
		}
	}
	answerAs(t, clients, namespace, kube.Manager, metav1.ConditionFalse, "Meanwhile", "m")
	ended.stop()
	r.shows(&r.out, "Meanwhile")
	if code := r.stop(); code != ExitOK {
		t.Errorf("exit code %d", code)
	}
	if n := strings.Count(r.out.String(), "\n"); n != 3 { // header, list, change
		t.Errorf("printed:\n%s", r.out.String())
	}
}

// What changes while the list is on its way is printed, and nothing else is twice.
func TestStatusWatchGoesOnFromTheList(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, clients := idle(t, sb)
	other := &eso.ExternalSecret{ObjectMeta: metav1.ObjectMeta{Name: "other"}}
	other.Spec = eso.ExternalSecretSpec{SecretStoreRef: &eso.StoreRef{Name: "vault"}, Data: []eso.Data{{SecretKey: "k", RemoteRef: eso.RemoteRef{Key: "k"}}}}
	if _, err := clients.ExternalSecrets(namespace).Create(t.Context(), other, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	g := gateBefore(t, sb, &gate{after: func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/"+namespace+"/"+eso.ExternalSecrets) && r.URL.Query().Get("watch") == "" {
			once.Do(func() {
				answerAs(t, clients, namespace, kube.Manager, metav1.ConditionFalse, "Underway", "m")
			})
		}
	}})
	r := launch(t, sb, "status", "-w", "-n", namespace, "--server="+g.URL)
	r.shows(&r.out, "Underway")
	answerAs(t, clients, namespace, kube.Manager, metav1.ConditionFalse, "Afterwards", "m")
	r.shows(&r.out, "Afterwards")
	if err := clients.ExternalSecrets(namespace).Delete(t.Context(), "other", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	r.shows(&r.err, namespace+"/other is gone.")
	if code := r.stop(); code != ExitOK {
		t.Errorf("exit code %d", code)
	}
	lines := strings.Split(strings.TrimSpace(r.out.String()), "\n")
	if len(lines) != 5 { // header, list of two, two changes
		t.Fatalf("printed:\n%s", r.out.String())
	}
	for _, line := range lines[1:] {
		if strings.Index(line, "SecretStore/vault") != strings.Index(lines[0], "STORE") || strings.Index(line, "kv-") < strings.Index(lines[0], "KV") {
			t.Errorf("a row does not stand below its header:\n%s", r.out.String())
		}
	}
}

// The watch of one namespace that fails is told of once, and is tried until it works.
func TestEventsWatchTellsOfANamespaceThatFails(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, clients := idle(t, sb)
	store := &eso.ClusterSecretStore{ObjectMeta: metav1.ObjectMeta{Name: "css-" + namespace}}
	store.Spec.Controller = "nobody"
	store.Spec.Provider.Vault = &eso.VaultProvider{Server: sb.VaultAddress(0), Auth: &eso.VaultAuth{TokenSecretRef: &eso.SecretKeySelector{Name: "vault-token", Key: "token"}}}
	if _, err := clients.ClusterSecretStores().Create(t.Context(), store, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = clients.ClusterSecretStores().Delete(context.Background(), store.Name, metav1.DeleteOptions{})
	})
	es, err := clients.ExternalSecrets(namespace).Get(t.Context(), "api-db", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	es.Spec.SecretStoreRef = &eso.StoreRef{Kind: eso.KindClusterSecretStore, Name: store.Name}
	if _, err := clients.ExternalSecrets(namespace).Update(t.Context(), es, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	var failed refusals
	g := gateBefore(t, sb, &gate{hold: func(w http.ResponseWriter, r *http.Request) bool {
		if !watches(r, "events", metav1.NamespaceDefault) || !failed.take() {
			return false
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "try later")
		return true
	}})
	r := launch(t, sb, "events", "-w", "-n", namespace, "--server="+g.URL)
	failed.atLeast(t, 3)
	failed.stop()
	if _, err := sb.Client().CoreV1().Events(metav1.NamespaceDefault).Create(t.Context(), &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{GenerateName: store.Name + "."},
		InvolvedObject: corev1.ObjectReference{Kind: eso.KindClusterSecretStore, Name: store.Name, Namespace: metav1.NamespaceDefault},
		Type:           corev1.EventTypeNormal, Reason: "Told", Message: "of the cluster's store", LastTimestamp: metav1.Now(), Count: 1,
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	r.shows(&r.out, "of the cluster's store")
	r.shows(&r.err, "warning: the watch of events in default works again")
	if code := r.stop(); code != ExitOK {
		t.Errorf("exit code %d", code)
	}
	if n := strings.Count(r.err.String(), "warning: the watch of events in default fails, and is tried again: "); n != 1 {
		t.Errorf("told %d times:\n%s", n, r.err.String())
	}
}

// A namespace that may not be watched is told of, and the rest goes on.
func TestEventsWatchWithoutTheRightToOneNamespace(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, clients := idle(t, sb)
	es, err := clients.ExternalSecrets(namespace).Get(t.Context(), "api-db", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	es.Spec.SecretStoreRef = &eso.StoreRef{Kind: eso.KindClusterSecretStore, Name: "nowhere"}
	if _, err := clients.ExternalSecrets(namespace).Update(t.Context(), es, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	user := viewer(t, sb, namespace, "events")
	r := launch(t, sb, "events", "-w", "-n", namespace, "--as="+user)
	r.shows(&r.err, "warning: events are missing here: watching events in default: ")
	r.shows(&r.out, "evil")
	if code := r.stop(); code != ExitOK {
		t.Errorf("exit code %d", code)
	}
}
