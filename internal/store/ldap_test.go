package store

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

const (
	people       = "ou=people,dc=example,dc=org"
	annsPassword = "p4ss-of ann"
)

// The ldap method with Vault's real plugin, which asks a real directory: Debian's slapd
// where it is installed, and everywhere the small one of hack/ldap.
func TestLDAPMethod(t *testing.T) {
	directories := map[string]func(*testing.T) string{"ldapd": smallDirectory}
	if slapd := installedSlapd(); slapd != "" {
		directories["slapd"] = func(t *testing.T) string { return startSlapd(t, slapd) }
	} else {
		t.Log("no slapd is installed (apt-get install slapd): only hack/ldap answers")
	}
	for name, start := range directories {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			ann := b.ldap(start(t))
			path := ann.LDAP.Path
			stanza := func(user, key string) eso.VaultAuth {
				return eso.VaultAuth{LDAP: &eso.PasswordAuth{Path: path, Username: user, SecretRef: eso.SecretKeySelector{Name: "ann", Key: key}}}
			}
			b.logsIn("ann", ann, 1)
			b.mustRead("ann") // in another pass, with the same login
			if b.count("Login") != 1 {
				t.Errorf("%d logins, want 1", b.count("Login"))
			}
			for _, refused := range []eso.VaultAuth{stanza("ann", "wrong"), stanza("bob", "password")} {
				b.mem.add(eso.KindSecretStore, "refused", b.provider(refused))
				_, err := b.read("refused", "app/db")
				if kv.KindOf(err) != kv.BadCredential || !strings.Contains(err.Error(), "auth/"+path+"/login/"+refused.LDAP.Username) {
					t.Errorf("%s: %s, %v", refused.LDAP.Username, kv.KindOf(err), err)
				}
				if err != nil && strings.Contains(err.Error(), "p4ss-of") {
					t.Errorf("the error shows the password: %v", err)
				}
			}
		})
	}
}

// ldap enables the ldap method over a directory, and returns ann's stanza.
func (b *bench) ldap(url string) eso.VaultAuth {
	b.t.Helper()
	if err := b.sb.AddVaultAuth(b.t.Context(), "ldap"); err != nil {
		b.t.Fatal(err)
	}
	path := b.auth("ldap")
	b.write("auth/"+path+"/config", map[string]any{"url": url, "userdn": people, "userattr": "uid", "token_ttl": "20m"})
	b.write("auth/"+path+"/users/ann", map[string]any{"policies": b.policy()})
	b.mem.put("apps", "ann", map[string]string{"password": annsPassword, "wrong": "p4ss-of bob"})
	return eso.VaultAuth{LDAP: &eso.PasswordAuth{Path: path, Username: "ann", SecretRef: eso.SecretKeySelector{Name: "ann", Key: "password"}}}
}

// installedSlapd is where Debian's slapd is, "" when it is not.
func installedSlapd() string {
	for _, name := range []string{"slapd", "/usr/sbin/slapd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// startSlapd serves a directory that holds ann, and returns its URL.
func startSlapd(t *testing.T, slapd string) string {
	t.Helper()
	dir, address := t.TempDir(), freeAddress(t)
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	config := write("slapd.conf", fmt.Sprintf(`include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile %s/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix dc=example,dc=org
directory %s
maxsize 10485760
`, dir, data))
	entries := write("entries.ldif", fmt.Sprintf(`dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: example

dn: %s
objectClass: organizationalUnit
ou: people

dn: uid=ann,%s
objectClass: inetOrgPerson
uid: ann
cn: ann
sn: ann
userPassword: %s
`, people, people, annsPassword))
	// The program is one; what it is called says what it does.
	load := exec.CommandContext(t.Context(), slapd, "-Tadd", "-f", config, "-l", entries)
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("filling the directory: %v\n%s", err, out)
	}
	serve(t, address, exec.Command(slapd, "-d", "0", "-h", "ldap://"+address, "-f", config))
	return "ldap://" + address
}

// smallDirectory serves ann by hack/ldap, and returns its URL.
func smallDirectory(t *testing.T) string {
	t.Helper()
	root, err := sandbox.Root()
	if err != nil {
		t.Fatal(err)
	}
	built, err := sandbox.Build(t.Context(), root, os.Stderr, "ldapd")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := json.Marshal(map[string]string{people: "", "uid=ann," + people: annsPassword})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "entries.json")
	if err := os.WriteFile(file, entries, 0o600); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	serve(t, address, exec.Command(built["ldapd"], address, file))
	return "ldap://" + address
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// serve runs a server until the test ends, and returns once it takes connections.
func serve(t *testing.T, address string, server *exec.Cmd) {
	t.Helper()
	server.Stdout, server.Stderr = os.Stderr, os.Stderr
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	sandbox.Eventually(t, func() error {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
}
