package store

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// The hour: 100 mappings over 10 paths, refreshed every 5 minutes as their store is
// validated, with tokens that live for 20 minutes.
const (
	hourMappings, hourPaths = 100, 10
	hourRefresh             = 5 * time.Minute
	hourPasses              = int(time.Hour / hourRefresh)
)

// An hour on a clock that is wound on, minute by minute, counted in Vault's own audit
// log. The table is printed with -v, and stands in docs/operations.md.
func TestRequestsOfAnHour(t *testing.T) {
	methods := []struct {
		name string
		auth func(*bench) eso.VaultAuth
		want hour
	}{
		{"tokenSecretRef", func(b *bench) eso.VaultAuth { auth, _ := b.token(); return auth }, hour{reads: 120, lookups: 12}},
		{"appRole", func(b *bench) eso.VaultAuth { return b.appRole(map[string]any{"token_ttl": "20m"}) }, loggedIn()},
		{"userPass", hourUserPass, loggedIn()},
		{"ldap", hourLDAP, loggedIn()},
		{"jwt", hourJWT, loggedIn()},
		{"kubernetes", hourKubernetes, loggedIn()},
		{"cert", hourCert, loggedIn()},
	}
	t.Logf("| %-14s | logins | renewals | reads | lookups | revocations | sum |", "method")
	for _, m := range methods {
		t.Run(m.name, func(t *testing.T) {
			b := newBench(t)
			got := b.hour(b.provider(m.auth(b)))
			if got != m.want {
				t.Errorf("%+v, want %+v", got, m.want)
			}
			t.Logf("| %-14s | %d | %d | %d | %d | %d | %d |", m.name, got.logins, got.renewals, got.reads, got.lookups, got.revocations,
				got.logins+got.renewals+got.reads+got.lookups+got.revocations)
		})
	}
}

// hour counts the requests of one.
type hour struct{ logins, renewals, reads, lookups, revocations, others int }

// loggedIn is the hour of a login: renewed at two thirds of its life, given back.
func loggedIn() hour {
	return hour{logins: 1, renewals: 4, reads: hourPaths * hourPasses, lookups: hourPasses, revocations: 1}
}

// hour lets one pass and returns what it cost.
func (b *bench) hour(provider eso.VaultProvider) hour {
	b.t.Helper()
	for i := range hourPaths {
		b.sb.Put(b.t, b.mount, fmt.Sprintf("app/%d", i), map[string]any{"password": "canary-value"})
	}
	store := b.mem.add(eso.KindSecretStore, "vault", provider)
	log := b.audited()
	from := len(auditLines(b.t, log))
	for minute := range 60 {
		if time.Duration(minute)*time.Minute%hourRefresh == 0 {
			pass := b.pass()
			if err := pass.Validate(b.t.Context(), store); err != nil {
				b.t.Fatal(err)
			}
			for i := range hourMappings {
				b.readIn(pass, fmt.Sprintf("app/%d", i%hourPaths))
			}
		}
		b.advance(time.Minute)
		b.sessions.Tick(b.clock())
		b.sessions.work.Wait()
	}
	b.sessions.Close(b.t.Context())
	var got hour
	for _, line := range auditLines(b.t, log)[from:] {
		var entry struct {
			Type    string
			Request struct{ Path string }
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			b.t.Fatal(err)
		}
		if entry.Type == "request" {
			got.count(entry.Request.Path, b.mount)
		}
	}
	return got
}

func (h *hour) count(path, mount string) {
	switch {
	case path == "auth/token/renew-self":
		h.renewals++
	case path == "auth/token/lookup-self":
		h.lookups++
	case path == "auth/token/revoke-self":
		h.revocations++
	case strings.HasPrefix(path, mount+"/data/"):
		h.reads++
	case strings.HasPrefix(path, "auth/") && strings.Contains(path, "/login"):
		h.logins++
	default:
		h.others++
	}
}

func (b *bench) readIn(pass *Pass, key string) {
	b.t.Helper()
	reader, err := pass.Open(b.t.Context(), eso.StoreRef{Kind: eso.KindSecretStore, Name: "vault"}, "apps")
	if err == nil {
		_, err = reader.Read(b.t.Context(), kv.Ref{Key: key})
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// audited is Vault's audit log, enabled by the first that asks.
func (b *bench) audited() string {
	b.t.Helper()
	devices, err := b.root.Sys().ListAudit()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, device := range devices {
		return device.Options["file_path"]
	}
	path, err := b.sb.EnableVaultAudit(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return path
}

func auditLines(t *testing.T, path string) []string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var all []string
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		all = append(all, scanner.Text())
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func hourUserPass(b *bench) eso.VaultAuth {
	path := b.auth("userpass")
	b.write("auth/"+path+"/users/ann", map[string]any{"password": "s3cret", "token_policies": b.policy(), "token_ttl": "20m"})
	b.mem.put("apps", "password", map[string]string{"password": "s3cret"})
	return eso.VaultAuth{UserPass: &eso.UserPassAuth{Path: path, Username: "ann", SecretRef: eso.SecretKeySelector{Name: "password", Key: "password"}}}
}

func hourLDAP(b *bench) eso.VaultAuth {
	return b.ldap(smallDirectory(b.t))
}

func hourJWT(b *bench) eso.VaultAuth {
	path, sign := b.jwt()
	b.mem.put("apps", "jwt", map[string]string{"jwt": sign("someone", []string{"vault"}, time.Hour)})
	return eso.VaultAuth{JWT: &eso.JWTAuth{Path: path, Role: "app", SecretRef: &eso.SecretKeySelector{Name: "jwt", Key: "jwt"}}}
}

func hourKubernetes(b *bench) eso.VaultAuth {
	_, path := b.kubernetes()
	return eso.VaultAuth{Kubernetes: &eso.KubernetesAuth{Path: path, Role: "app", ServiceAccountRef: &eso.ServiceAccountSelector{Name: "app", Audiences: []string{"vault"}}}}
}

func hourCert(b *bench) eso.VaultAuth {
	path := b.auth("cert")
	cert, key := selfSigned(b.t, "app")
	b.write("auth/"+path+"/certs/app", map[string]any{"certificate": cert, "token_policies": b.policy(), "token_ttl": "20m"})
	b.mem.put("apps", "cert", map[string]string{"crt": cert, "key": key})
	return eso.VaultAuth{Cert: &eso.CertAuth{Path: path, ClientCert: eso.SecretKeySelector{Name: "cert", Key: "crt"}, SecretRef: eso.SecretKeySelector{Name: "cert", Key: "key"}}}
}
