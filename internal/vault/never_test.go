package vault_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

const canary = "hvs.canary7f3acanary7f3acanary"

// N6: whatever a hostile Vault answers, neither the token nor a credential shows in an
// error, and no struct prints one.
func TestNeverShowsASecret(t *testing.T) {
	var out bytes.Buffer
	show := func(values ...any) {
		for _, v := range values {
			fmt.Fprintf(&out, "%v %+v %#v %s\n", v, v, v, v)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		}
	}
	for _, status := range []int{200, 301, 400, 403, 404, 418, 429, 500, 501, 503} {
		for _, body := range []string{
			`{"errors":["you sent TOKEN and SECRET"]}`, `TOKEN SECRET`, `{"data":{"keys":"TOKEN"},"errors":["1 error occurred:\n\t* SECRET\n\n"]}`,
			`{"auth":{"client_token":""},"data":{"data":"SECRET"}}`,
		} {
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				sent, _ := io.ReadAll(r.Body)
				text := strings.ReplaceAll(body, "TOKEN", r.Header.Get("X-Vault-Token"))
				if bytes.Contains(sent, []byte("canary-secret")) {
					text = strings.ReplaceAll(text, "SECRET", "canary-secret")
				}
				w.WriteHeader(status)
				_, _ = io.WriteString(w, text)
			})
			client := connect(t, server.URL, canary)
			ctx := t.Context()
			_, err := client.Read(ctx, "secret", 2, kv.Ref{Key: "x"})
			show(err)
			_, err = client.ListAll(ctx, "secret", 2, "")
			show(err)
			login := vault.Login{Path: "auth/approle/login", Body: map[string]redact.Bytes{"secret_id": redact.Bytes("canary-secret")}}
			token, err := client.Login(ctx, login)
			show(err, token, login, client)
			_, err = client.LookupSelf(ctx)
			show(err)
			_, err = client.RenewSelf(ctx)
			show(err, client.RevokeSelf(ctx))
			_, err = client.Unseal(ctx, redact.Bytes("canary-secret"), false)
			show(err)
			answer, err := client.Init(ctx, vault.InitRequest{Shares: 1, Threshold: 1})
			show(answer, err)
		}
	}
	config := vault.Config{Address: "https://v", Headers: map[string]string{"Authorization": "canary-secret"}, Key: redact.Bytes("canary-secret")}
	show(config, &config, vault.Token{ID: redact.Bytes("canary-secret")}, vault.InitAnswer{RootToken: redact.Bytes("canary-secret"), Shares: []redact.Bytes{redact.Bytes("canary-secret")}})
	_, err := vault.New(vault.Config{Address: "https://user:canary-secret@v"})
	show(err)
	_, err = vault.New(vault.Config{Address: "https://v", Certificate: []byte("canary-secret"), Key: redact.Bytes("canary-secret")})
	show(err)
	_, err = connect(t, "http://127.0.0.1:1", "canary-secret\nX: y").Read(t.Context(), "secret", 2, kv.Ref{Key: "x"})
	show(err)
	for _, secret := range []string{canary, "canary7f3a", "canary-secret"} {
		if strings.Contains(out.String(), secret) {
			at := strings.Index(out.String(), secret)
			t.Fatalf("%q shows: …%s…", secret, out.String()[max(0, at-300):at+60])
		}
	}
	if !strings.Contains(out.String(), "you sent") {
		t.Error("the test showed nothing")
	}
}

// N9: the process's environment and files never reach a store's Vault.
func TestNeverTakesTheEnvironment(t *testing.T) {
	var seen http.Header
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Clone()
		_, _ = io.WriteString(w, `{"data":{"data":{"a":"1"}},"auth":{"client_token":"t"}}`)
	})
	for name, value := range map[string]string{
		"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_AGENT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "canary-env", "VAULT_NAMESPACE": "canary-env",
		"VAULT_HEADERS": "no json", "VAULT_CACERT": "/does/not/exist", "VAULT_CAPATH": "/does/not/exist", "VAULT_CLIENT_CERT": "/x", "VAULT_CLIENT_KEY": "/x",
		"VAULT_SKIP_VERIFY": "perhaps", "VAULT_MAX_RETRIES": "many", "VAULT_CLIENT_TIMEOUT": "never", "VAULT_RATE_LIMIT": "x:y:z", "VAULT_WRAP_TTL": "60s",
		"VAULT_TLS_SERVER_NAME": "canary-env", "VAULT_HTTP_PROXY": "http://127.0.0.1:1", "VAULT_PROXY_ADDR": "http://127.0.0.1:1", "VAULT_SRV_LOOKUP": "true",
		"VAULT_DISABLE_REDIRECTS": "true", "VAULT_CACERT_BYTES": "no pem",
	} {
		t.Setenv(name, value)
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	if err := os.WriteFile(filepath.Join(home, ".vault-token"), []byte("canary-env"), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := vault.New(vault.Config{Address: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	check := func(act string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", act, err)
		}
		for name, values := range seen {
			for _, value := range values {
				if strings.Contains(value, "canary-env") || strings.Contains(name, "Wrap") || strings.Contains(name, "Namespace") || strings.Contains(name, "Token") {
					t.Errorf("%s: header %s: %s", act, name, value)
				}
			}
		}
	}
	_, err = client.Read(t.Context(), "secret", 2, kv.Ref{Key: "x"})
	check("read", err)
	_, err = client.Login(t.Context(), vault.Login{Path: "auth/x/login"})
	check("login", err)
}

func TestNeverDialsASocketOrFile(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for _, address := range []string{"unix://" + socket, "unix:" + socket, socket, "file:///etc/passwd", "/etc/passwd", "", "vault:8200", "ftp://v", "https://", "https://v?x=y", "https://v#f"} {
		_, err := vault.New(vault.Config{Address: address})
		var e *kv.Error
		if kv.KindOf(err) != kv.BadConfig || !asKV(err, &e) || e.Field != "spec.provider.vault.server" {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func asKV(err error, e **kv.Error) bool {
	found, ok := err.(*kv.Error)
	*e = found
	return ok
}

// A login path or key never climbs out of where it belongs.
func TestNeverTraverses(t *testing.T) {
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was sent", r.Method, r.URL) })
	client := connect(t, server.URL, "t")
	for _, key := range []string{"..", "../sys/mounts", "a/../../sys", "/../x", "secret/../../x"} {
		if _, err := client.Read(t.Context(), "secret", 2, kv.Ref{Key: key}); kv.KindOf(err) != kv.BadRequest {
			t.Errorf("read %q: %v", key, err)
		}
		if _, err := client.ListAll(t.Context(), "secret", 2, key); kv.KindOf(err) != kv.BadRequest {
			t.Errorf("list %q: %v", key, err)
		}
		if _, err := client.Login(t.Context(), vault.Login{Path: "auth/ldap/login/" + key}); kv.KindOf(err) != kv.BadConfig {
			t.Errorf("login %q: %v", key, err)
		}
	}
}

// N14: the same fault gives the same text.
func TestNeverVaries(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.Addr().String()
	closed.Close()
	reset := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}
	})
	ids := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(500)
		_, _ = fmt.Fprintf(w, `{"errors":["request 0b5d2e1c-7c4f-4a53-9e0a-%012d at 2026-11-25T08:00:%02dZ: read tcp %s->10.0.0.1:5432: broken"]}`, os.Getpid()+len(r.RemoteAddr), len(r.RemoteAddr), r.RemoteAddr)
	})
	secure := secureServer(t)
	for name, tt := range map[string]struct{ address, says string }{
		"refused":           {"http://" + address, "connection refused"},
		"no such host":      {"http://vault.invalid:8200", "no such host vault.invalid"},
		"reset":             {reset.URL, ""},
		"ids":               {ids.URL, "request <id> at <time>: read tcp 10.0.0.1:5432: broken"},
		"unknown authority": {secure, "certificate signed by unknown authority"},
		"http to https":     {"https" + strings.TrimPrefix(ids.URL, "http"), "it answers http, the address says https"},
	} {
		t.Run(name, func(t *testing.T) {
			texts := map[string]bool{}
			for range 3 {
				client := connect(t, tt.address, canary)
				_, err := client.Read(t.Context(), "secret", 2, kv.Ref{Key: "x"})
				if kv.KindOf(err) != kv.Unreachable || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("%s: %v, want %q", kv.KindOf(err), err, tt.says)
				}
				texts[fmt.Sprint(err)] = true
				client.Close()
			}
			if len(texts) != 1 {
				t.Errorf("the text varies: %v", texts)
			}
		})
	}
}

// N15: escape sequences and lines of a foreign text do not pass.
func TestNeverPassesControlCharacters(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(400)
		_, _ = io.WriteString(w, `{"errors":["\u001b[31mred\u001b]0;title\u0007\nnext\u202e\u009b1m `+strings.Repeat("x", 5000)+`"]}`)
	})
	_, err := connect(t, server.URL, "t").Read(t.Context(), "secret", 2, kv.Ref{Key: "x\x1b[2J"})
	if strings.ContainsAny(err.Error(), "\x1b\x07\n\u202e\u009b") || len(err.Error()) > 1000 {
		t.Errorf("%q", err)
	}
}

func FuzzRefusal(f *testing.F) {
	f.Add(403, []byte(`{"errors":["permission denied"]}`))
	f.Add(404, []byte(`{"errors":[]}`))
	f.Add(200, []byte(`{"data":{"data":{"a":1},"metadata":{"version":3}}}`))
	f.Add(404, []byte(`{"data":{"data":null,"metadata":{"deletion_time":"x","destroyed":false}}}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			return
		}
		transport := func(r *http.Request) (int, []byte) { return status, body }
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			status, body := transport(r)
			w.WriteHeader(status)
			_, _ = w.Write(body)
		})
		payload, err := connect(t, server.URL, canary).Read(t.Context(), "secret", 2, kv.Ref{Key: "x"})
		if err == nil && payload.Fields() == nil {
			t.Error("neither payload nor error")
		}
		if err != nil && (kv.KindOf(err) == "" || strings.Contains(err.Error(), canary) || strings.ContainsAny(err.Error(), "\x1b\n")) {
			t.Errorf("%q", err)
		}
		if kv.KindOf(err) == kv.Absent && !bytes.Contains(body, []byte("deletion_time")) && !bytes.Contains(body, []byte("destroyed")) && !bytes.Contains(body, []byte("errors")) {
			t.Errorf("absent by %q", body)
		}
	})
}
