package kube_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// tripper is a transport in a bubble of its own time, where no real connection lives.
type tripper func(*http.Request) (*http.Response, error)

func (t tripper) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

func impatient(next tripper) http.RoundTripper {
	var config rest.Config
	kube.LimitPatience(&config, 30*time.Second)
	return config.WrapTransport(next)
}

// speaks answers at once, and writes a piece of the body every so often until it falls
// silent for ever.
func speaks(pieces int, every time.Duration) tripper {
	return func(r *http.Request) (*http.Response, error) {
		body, out := io.Pipe()
		go func() {
			for range pieces {
				time.Sleep(every)
				_, _ = out.Write([]byte("x"))
			}
			<-r.Context().Done()
			_ = out.CloseWithError(r.Context().Err())
		}()
		return &http.Response{StatusCode: http.StatusOK, Body: body}, nil
	}
}

func get(t *testing.T, method, path string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "https://kubernetes.example"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

func silence(t *testing.T, err error) {
	t.Helper()
	var silent *kube.SilentError
	if !errors.As(err, &silent) || silent.Server != "https://kubernetes.example" || silent.For != 30*time.Second {
		t.Fatalf("error %v", err)
	}
}

// A body of which a piece comes now and then may take any time; thirty seconds without
// one end it.
func TestPatienceIsOfEachPiece(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		answer, err := impatient(speaks(10, 29*time.Second)).RoundTrip(get(t, http.MethodGet, "/api/v1/namespaces?limit=500"))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		silence(t, err)
		if took := time.Since(start); string(text) != strings.Repeat("x", 10) || took != 320*time.Second {
			t.Errorf("%q in %s", text, took)
		}
		_ = answer.Body.Close()
	})
}

// Whoever never begins to answer a read is given up after thirty seconds.
func TestPatienceEndsBeforeTheHead(t *testing.T) {
	never := tripper(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := impatient(never).RoundTrip(get(t, http.MethodGet, "/version"))
		silence(t, err)
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// Watches, connections to a Pod and writes are not given up.
func TestPatienceIsForReadsAlone(t *testing.T) {
	for _, request := range []struct{ method, path string }{
		{http.MethodGet, "/api/v1/secrets?watch=true"},
		{http.MethodGet, "/api/v1/secrets?watch=1"},
		{http.MethodGet, "/api/v1/namespaces/vault/pods/vault-0/portforward"},
		{http.MethodPatch, "/api/v1/namespaces/apps/secrets/db"},
	} {
		synctest.Test(t, func(t *testing.T) {
			answer, err := impatient(speaks(1, time.Hour)).RoundTrip(get(t, request.method, request.path))
			if err != nil {
				t.Fatal(err)
			}
			piece := make([]byte, 1)
			if _, err := io.ReadFull(answer.Body, piece); err != nil {
				t.Errorf("%s %s: %v", request.method, request.path, err)
			}
		})
	}
}

// A real client says which server was silent.
func TestSilentServerIsNamed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	config := &rest.Config{Host: "http://" + listener.Addr().String()}
	kube.LimitPatience(config, 50*time.Millisecond)
	clients, err := kube.NewClients(config)
	if err != nil {
		t.Fatal(err)
	}
	_, err = clients.ExternalSecrets("apps").Get(t.Context(), "db", metav1.GetOptions{})
	var silent *kube.SilentError
	if !errors.As(err, &silent) || silent.Server != config.Host {
		t.Errorf("error %v", err)
	}
}

// Against the real API server a watch is not cut, whatever the patience.
func TestPatienceLeavesAWatchAlone(t *testing.T) {
	sb := shared.Sandbox(t)
	config := rest.CopyConfig(sb.RESTConfig())
	kube.LimitPatience(config, time.Nanosecond)
	clients, err := kube.NewClients(config)
	if err != nil {
		t.Fatal(err)
	}
	w, err := clients.Namespaces().Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	sandbox.Eventually(t, func() error {
		select {
		case _, open := <-w.ResultChan():
			if !open {
				t.Fatal("the watch was cut")
			}
			return nil
		default:
			return errors.New("nothing has happened")
		}
	})
}
