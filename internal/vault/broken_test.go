package vault_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// What no real Vault does. These are the only tests of this package without one.

func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func TestNeverReadsWithoutBound(t *testing.T) {
	chunk := bytes.Repeat([]byte("a"), 1<<20)
	for name, status := range map[string]int{"answer": 200, "refusal": 500} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				_, _ = io.WriteString(w, `{"data":{"data":{"a":"`)
				for range 100 {
					if _, err := w.Write(chunk); err != nil {
						return
					}
				}
				_, _ = io.WriteString(w, `"}}}`)
			})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := connect(t, server.URL, "t").Read(t.Context(), "secret", 2, kv.Ref{Key: "x"})
			runtime.ReadMemStats(&after)
			want := kv.BadAnswer
			if status == 500 {
				want = kv.Unreachable
			}
			if kv.KindOf(err) != want || len(err.Error()) > 1000 {
				t.Errorf("%s: %.200s", kv.KindOf(err), err)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 300<<20 {
				t.Errorf("%d MiB were allocated for an answer that is refused", grown>>20)
			}
		})
	}
}

func TestAnswersThatAreNotVaults(t *testing.T) {
	tests := []struct {
		name    string
		status  int
		body    string
		version int
		kind    kv.Kind
	}{
		{"no JSON", 200, "<html>login</html>", 2, kv.BadAnswer},
		{"cut JSON", 200, `{"data":{"data":{"a":`, 2, kv.BadAnswer},
		{"nothing", 200, "", 2, kv.BadAnswer},
		{"a list", 200, `[1]`, 2, kv.BadAnswer},
		{"no data", 200, `{}`, 2, kv.BadAnswer},
		{"no data, v1", 200, `{}`, 1, kv.BadAnswer},
		{"data is text", 200, `{"data":{"data":"x"}}`, 2, kv.BadAnswer},
		{"a gateway's 404", 404, "<html>not found</html>", 2, kv.BadAnswer},
		{"a gateway's 404 in JSON", 404, `{"message":"no Route matched"}`, 2, kv.BadAnswer},
		{"a gateway's 404 in JSON, v1", 404, `{"data":{"message":"no Route matched"}}`, 1, kv.BadAnswer},
		{"an empty 404", 404, "", 2, kv.BadAnswer},
		{"404 with other errors", 404, `{"errors":["something else"]}`, 2, kv.BadAnswer},
		{"a gateway's 502", 502, "<html>bad gateway</html>", 2, kv.Unreachable},
		{"standby without leader", 503, `{"errors":["local node not active but active cluster node not found"]}`, 2, kv.Unreachable},
		{"quota", 429, `{"errors":["request path kv: rate limit quota exceeded"]}`, 2, kv.Unreachable},
		{"not initialised", 501, `{"errors":["Vault is not initialized"]}`, 2, kv.Uninitialized},
		{"teapot", 418, `{"errors":[]}`, 2, kv.BadRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, "/sys/internal/ui/mounts/") {
					_, _ = fmt.Fprintf(w, `{"data":{"type":"kv","path":"secret/","options":{"version":"%d"}}}`, tt.version)
					return
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})
			_, err := connect(t, server.URL, "t").Read(t.Context(), "secret", tt.version, kv.Ref{Key: "x"})
			if kv.KindOf(err) != tt.kind {
				t.Errorf("%s: %v, want %s", kv.KindOf(err), err, tt.kind)
			}
			if err != nil && strings.Contains(err.Error(), "html") {
				t.Errorf("a foreign body is quoted: %v", err)
			}
		})
	}
}

// A 404 with an empty error list proves nothing while the mount cannot be confirmed.
func TestNeverAbsentWithoutAConfirmedMount(t *testing.T) {
	for name, mount := range map[string]struct {
		status int
		body   string
	}{
		"denied":        {403, `{"errors":["preflight capability check returned 403"]}`},
		"sealed since":  {503, `{"errors":["Vault is sealed"]}`},
		"no such route": {404, `{"errors":["no handler for route \"x\". route entry not found."]}`},
		"an empty 404":  {404, `{"errors":[]}`},
		"no JSON":       {200, `x`},
		"an empty 200":  {200, `{}`},
		"another mount": {200, `{"data":{"type":"kv","path":"other/","options":{"version":"2"}}}`},
		"another type":  {200, `{"data":{"type":"pki","path":"secret/"}}`},
		"other version": {200, `{"data":{"type":"kv","path":"secret/","options":{"version":"1"}}}`},
		"no version":    {200, `{"data":{"type":"kv","path":"secret/","options":null}}`},
		"gone":          {500, ``},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, "/sys/internal/ui/mounts/") {
					w.WriteHeader(mount.status)
					_, _ = io.WriteString(w, mount.body)
					return
				}
				w.WriteHeader(404)
				_, _ = io.WriteString(w, `{"errors":[]}`)
			})
			client := connect(t, server.URL, "t")
			if _, err := client.Read(t.Context(), "secret", 2, kv.Ref{Key: "x"}); kv.KindOf(err) == kv.Absent || kv.KindOf(err) == "" {
				t.Errorf("read: %s: %v", kv.KindOf(err), err)
			}
			if _, err := client.ListAll(t.Context(), "secret", 2, "x"); kv.KindOf(err) == kv.Absent || kv.KindOf(err) == "" {
				t.Errorf("list: %s: %v", kv.KindOf(err), err)
			}
		})
	}
}

func TestNeverFollowsARedirectToAnotherHost(t *testing.T) {
	var reached atomic.Bool
	other := serve(t, func(http.ResponseWriter, *http.Request) { reached.Store(true) })
	for _, status := range []int{301, 302, 307, 308} {
		server := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL+r.URL.Path, status) })
		client := connect(t, server.URL, "hvs.canary-token-canary-token")
		_, err := client.Read(t.Context(), "secret", 2, kv.Ref{Key: "x"})
		if kv.KindOf(err) != kv.BadAnswer || !strings.Contains(err.Error(), "redirects to "+other.URL) {
			t.Errorf("%d: %v", status, err)
		}
		if _, err := client.Login(t.Context(), vault.Login{Path: "auth/approle/login"}); kv.KindOf(err) != kv.BadAnswer {
			t.Errorf("%d: login: %v", status, err)
		}
	}
	if reached.Load() {
		t.Error("the other host was asked")
	}
	loop := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
	})
	if _, err := connect(t, loop.URL, "t").Read(t.Context(), "secret", 2, kv.Ref{Key: "x"}); kv.KindOf(err) != kv.BadAnswer {
		t.Errorf("a loop: %v", err)
	}
	same := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/secret/data/x" {
			http.Redirect(w, r, "/v1/secret/data/y", http.StatusTemporaryRedirect)
			return
		}
		_, _ = io.WriteString(w, `{"data":{"data":{"a":"1"}}}`)
	})
	if _, err := connect(t, same.URL, "t").Read(t.Context(), "secret", 2, kv.Ref{Key: "x"}); err != nil {
		t.Errorf("a redirect on the same host: %v", err)
	}
}

func TestRepeatsWhatMayPass(t *testing.T) {
	two := 2
	for status, want := range map[int]int64{500: 3, 502: 3, 429: 3, 412: 3, 501: 1, 400: 1, 403: 1} {
		var asked atomic.Int64
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "lookup-self") {
				_, _ = io.WriteString(w, `{"data":{"ttl":0}}`)
				return
			}
			if asked.Add(1) < 3 {
				w.WriteHeader(status)
				return
			}
			_, _ = io.WriteString(w, `{"data":{"data":{"a":"1"}}}`)
		})
		client, err := vault.New(vault.Config{Address: server.URL, MaxRetries: &two, RetryInterval: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Read(t.Context(), "secret", 2, kv.Ref{Key: "x"})
		if asked.Load() != want || (err == nil) != (want == 3) {
			t.Errorf("%d: asked %d times, %v", status, asked.Load(), err)
		}
	}
}

// init must not be sent twice: only the first answer holds the keys.
func TestNeverInitialisesTwice(t *testing.T) {
	var asked atomic.Int64
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(500)
	})
	client, err := vault.New(vault.Config{Address: server.URL, RetryInterval: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Init(t.Context(), vault.InitRequest{Shares: 1, Threshold: 1}); err == nil || asked.Load() != 1 {
		t.Errorf("asked %d times, %v", asked.Load(), err)
	}
}

func TestHangingServerEndsByTheClientsTimeout(t *testing.T) {
	release := make(chan struct{})
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	client, err := vault.New(vault.Config{Address: server.URL, Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.WithToken(redact.Bytes("t")).Read(t.Context(), "secret", 2, kv.Ref{Key: "x"})
	if kv.KindOf(err) != kv.Unreachable || !strings.HasSuffix(err.Error(), "no answer in time") {
		t.Errorf("%s: %v", kv.KindOf(err), err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Read(canceled, "secret", 2, kv.Ref{Key: "x"}); !strings.HasSuffix(fmt.Sprint(err), "interrupted") {
		t.Error(err)
	}
}

// Folders without end must end.
func TestNeverListsWithoutBound(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"data":{"keys":["deeper/"]}}`)
	})
	if _, err := connect(t, server.URL, "t").ListAll(t.Context(), "secret", 2, ""); kv.KindOf(err) != kv.BadAnswer {
		t.Errorf("%v", err)
	}
	up := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"data":{"keys":["../"]}}`) })
	if _, err := connect(t, up.URL, "t").ListAll(t.Context(), "secret", 2, ""); kv.KindOf(err) != kv.BadAnswer {
		t.Errorf("%v", err)
	}
}

// readYourWrites replays states; forwardInconsistent with it asks to be forwarded.
func TestReplicationStates(t *testing.T) {
	var seen []http.Header
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Clone())
		w.Header().Set("X-Vault-Index", "djE6YzE6MTow") // v1:c1:1:0
		_, _ = io.WriteString(w, `{"data":{"data":{"a":"1"}}}`)
	})
	for _, tt := range []struct{ ryw, forward, replays, forwards bool }{{false, false, false, false}, {true, false, true, false}, {false, true, true, false}, {true, true, true, true}} {
		seen = nil
		client, err := vault.New(vault.Config{Address: server.URL, ReadYourWrites: tt.ryw, ForwardInconsistent: tt.forward})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := client.Read(t.Context(), "secret", 2, kv.Ref{Key: "x"}); err != nil {
				t.Fatal(err)
			}
		}
		if got := seen[1].Get("X-Vault-Index") != ""; got != tt.replays {
			t.Errorf("%+v: replays %v", tt, got)
		}
		if got := seen[1].Get("X-Vault-Inconsistent") != ""; got != tt.forwards {
			t.Errorf("%+v: forwards %v", tt, got)
		}
	}
}
