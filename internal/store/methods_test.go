package store

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// logsIn checks that an auth stanza reads from the real Vault, and how often it logs in.
func (b *bench) logsIn(name string, auth eso.VaultAuth, logins int) {
	b.t.Helper()
	b.mem.add(eso.KindSecretStore, name, b.provider(auth))
	before := b.count("Login")
	b.mustRead(name)
	if got := b.count("Login") - before; got != logins {
		b.t.Errorf("%s: %d logins, want %d", name, got, logins)
	}
}

func TestTokenMethod(t *testing.T) {
	b := newBench(t)
	auth, _ := b.token() // with the trailing newline that kubectl create --from-file leaves
	b.logsIn("token", auth, 0)
}

func TestAppRoleMethod(t *testing.T) {
	b := newBench(t)
	auth := b.appRole(nil)
	b.logsIn("role-id", auth, 1)
	b.mem.put("apps", "role", map[string]string{"id": auth.AppRole.RoleID + "\n"})
	b.logsIn("role-ref", eso.VaultAuth{AppRole: &eso.AppRoleAuth{Path: auth.AppRole.Path, RoleRef: &eso.SecretKeySelector{Name: "role", Key: "id"}, SecretRef: auth.AppRole.SecretRef}}, 1)
	b.logsIn("role-id-wins", eso.VaultAuth{AppRole: &eso.AppRoleAuth{Path: auth.AppRole.Path, RoleID: auth.AppRole.RoleID, RoleRef: &eso.SecretKeySelector{Name: "missing", Key: "id"}, SecretRef: auth.AppRole.SecretRef}}, 1)
}

func TestUserPassMethod(t *testing.T) {
	b := newBench(t)
	path := b.auth("userpass")
	b.write("auth/"+path+"/users/ann", map[string]any{"password": "s3cret word", "token_policies": b.policy()})
	b.mem.put("apps", "password", map[string]string{"password": "s3cret word"})
	secret := eso.SecretKeySelector{Name: "password", Key: "password"}
	b.logsIn("ann", eso.VaultAuth{UserPass: &eso.UserPassAuth{Path: path, Username: " ann ", SecretRef: secret}}, 1)
	b.mem.add(eso.KindSecretStore, "bob", b.provider(eso.VaultAuth{UserPass: &eso.UserPassAuth{Path: path, Username: "bob", SecretRef: secret}}))
	if _, err := b.read("bob", "app/db"); kv.KindOf(err) != kv.BadCredential || !strings.Contains(err.Error(), "auth/"+path+"/login/bob: Code: 400") {
		t.Errorf("%v", err)
	}
	b.mem.add(eso.KindSecretStore, "nowhere", b.provider(eso.VaultAuth{UserPass: &eso.UserPassAuth{Path: "nowhere", Username: "ann", SecretRef: secret}}))
	if _, err := b.read("nowhere", "app/db"); kv.KindOf(err) != kv.BadCredential && kv.KindOf(err) != kv.BadConfig {
		t.Errorf("%v", err)
	}
}

// jwt enables the jwt method with role app, and returns its path and a signer that it
// trusts.
func (b *bench) jwt() (path string, sign func(subject string, audiences []string, expiry time.Duration) string) {
	t := b.t
	t.Helper()
	path = b.auth("jwt")
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	b.write("auth/"+path+"/config", map[string]any{"jwt_validation_pubkeys": []string{string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))}})
	b.write("auth/"+path+"/role/app", map[string]any{"role_type": "jwt", "user_claim": "sub", "bound_audiences": []string{"vault"}, "token_policies": b.policy(), "token_ttl": "20m"})
	return path, func(subject string, audiences []string, expiry time.Duration) string {
		t.Helper()
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: private}, nil)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		text, err := jwt.Signed(signer).Claims(jwt.Claims{Subject: subject, Audience: audiences, IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(expiry))}).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
}

func TestJWTMethod(t *testing.T) {
	b := newBench(t)
	path, sign := b.jwt()
	b.mem.put("apps", "jwt", map[string]string{"jwt": sign("someone", []string{"vault"}, time.Hour) + "\n"})
	b.logsIn("secret", eso.VaultAuth{JWT: &eso.JWTAuth{Path: path, Role: "app", SecretRef: &eso.SecretKeySelector{Name: "jwt", Key: "jwt"}}}, 1)

	var got []string
	b.mem.sign = func(namespace, name string, audiences []string, expiry time.Duration) (redact.Bytes, error) {
		got = append(got, fmt.Sprint(namespace, "/", name, " ", audiences, " ", expiry))
		return redact.Bytes(sign(name, audiences, expiry)), nil
	}
	account := eso.ServiceAccountSelector{Name: "app", Audiences: []string{"extra"}}
	b.logsIn("account", eso.VaultAuth{JWT: &eso.JWTAuth{Path: path, Role: "app", KubernetesServiceAccountToken: &eso.KubernetesServiceAccountToken{ServiceAccountRef: account}}}, 1)
	b.mustRead("account")
	if want := []string{"apps/app [extra vault] 10m0s"}; !slices.Equal(got, want) {
		t.Errorf("asked for %v, want %v, once", got, want)
	}
	b.mem.sign = nil
	b.mem.add(eso.KindSecretStore, "gone", b.provider(eso.VaultAuth{JWT: &eso.JWTAuth{Path: path, Role: "app", KubernetesServiceAccountToken: &eso.KubernetesServiceAccountToken{ServiceAccountRef: account}}}))
	if _, err := b.read("gone", "app/db"); kv.KindOf(err) != kv.BadConfig || !strings.Contains(err.Error(), `service account "app" in namespace "apps" (spec.provider.vault.auth.jwt.kubernetesServiceAccountToken.serviceAccountRef of SecretStore/apps/gone): it does not exist`) {
		t.Errorf("%v", err)
	}
}

func TestCertMethod(t *testing.T) {
	b := newBench(t)
	path := b.auth("cert")
	cert, key := selfSigned(t, "app")
	b.write("auth/"+path+"/certs/app", map[string]any{"certificate": cert, "token_policies": b.policy()})
	b.mem.put("apps", "cert", map[string]string{"crt": cert, "key": key})
	stanza := eso.CertAuth{Path: path, ClientCert: eso.SecretKeySelector{Name: "cert", Key: "crt"}, SecretRef: eso.SecretKeySelector{Name: "cert", Key: "key"}}
	b.logsIn("cert", eso.VaultAuth{Cert: &stanza}, 1)
	named := stanza
	named.VaultRole = "app"
	b.logsIn("role", eso.VaultAuth{Cert: &named}, 1)
	named.VaultRole = "other"
	b.mem.add(eso.KindSecretStore, "other", b.provider(eso.VaultAuth{Cert: &named}))
	if _, err := b.read("other", "app/db"); kv.KindOf(err) != kv.BadCredential {
		t.Errorf("%v", err)
	}
}

// selfSigned returns a certificate and its key as PEM.
func selfSigned(t *testing.T, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: text}))
}

// What each method sends, as ESO sends it.
func TestLoginRequests(t *testing.T) {
	type sent struct {
		Method, Path, Namespace string
		Body                    map[string]string
	}
	var got sent
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "/login") {
			return // the token is given back at the end
		}
		got = sent{Method: r.Method, Path: r.URL.Path, Namespace: r.Header.Get("X-Vault-Namespace")}
		if r.Header.Get("X-Vault-Token") != "" {
			t.Error("a token goes along with a login")
		}
		_ = json.NewDecoder(r.Body).Decode(&got.Body)
		_, _ = io.WriteString(w, `{"auth":{"client_token":"t","accessor":"a","lease_duration":3600}}`)
	}))
	defer server.Close()
	m := newMemory()
	m.put("apps", "n", map[string]string{"k": " value\n", "token": "jwt\n"})
	var audience []string
	m.sign = func(_, _ string, audiences []string, expiry time.Duration) (redact.Bytes, error) {
		audience = append(slices.Clone(audiences), expiry.String())
		return redact.Bytes("signed"), nil
	}
	selector := ref(nil)
	noKey := eso.SecretKeySelector{Name: "n"}
	team, login, empty := "team", "login", ""
	tests := []struct {
		name string
		auth eso.VaultAuth
		want sent
	}{
		{"kubernetes, secret", eso.VaultAuth{Kubernetes: &eso.KubernetesAuth{Role: "r", SecretRef: &noKey}}, sent{"PUT", "/v1/auth/kubernetes/login", "team", map[string]string{"role": "r", "jwt": "jwt"}}},
		{"kubernetes, account", eso.VaultAuth{Kubernetes: &eso.KubernetesAuth{Path: "k8s/east", Role: "r", ServiceAccountRef: &eso.ServiceAccountSelector{Name: "sa", Audiences: []string{"v"}}}}, sent{"PUT", "/v1/auth/k8s/east/login", "team", map[string]string{"role": "r", "jwt": "signed"}}},
		{"ldap", eso.VaultAuth{LDAP: &eso.PasswordAuth{Username: " ann@corp ", SecretRef: selector}}, sent{"PUT", "/v1/auth/ldap/login/ann@corp", "team", map[string]string{"password": " value\n"}}},
		{"userPass", eso.VaultAuth{UserPass: &eso.UserPassAuth{Username: "ann", SecretRef: selector}}, sent{"PUT", "/v1/auth/userpass/login/ann", "team", map[string]string{"password": " value\n"}}},
		{"appRole", eso.VaultAuth{AppRole: &eso.AppRoleAuth{RoleID: " id ", SecretRef: selector}}, sent{"PUT", "/v1/auth/approle/login", "team", map[string]string{"role_id": "id", "secret_id": "value"}}},
		{"jwt without role", eso.VaultAuth{JWT: &eso.JWTAuth{SecretRef: &selector}}, sent{"PUT", "/v1/auth/jwt/login", "team", map[string]string{"role": "", "jwt": "value"}}},
		{"login namespace", eso.VaultAuth{Namespace: &login, UserPass: &eso.UserPassAuth{Username: "ann", SecretRef: selector}}, sent{"PUT", "/v1/auth/userpass/login/ann", "login", map[string]string{"password": " value\n"}}},
		{"root namespace", eso.VaultAuth{Namespace: &empty, UserPass: &eso.UserPassAuth{Username: "ann", SecretRef: selector}}, sent{"PUT", "/v1/auth/userpass/login/ann", "", map[string]string{"password": " value\n"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store := m.add(eso.KindSecretStore, "vault", eso.VaultProvider{Server: server.URL, Namespace: &team, Auth: &tt.auth})
			sessions := &Sessions{Resolver: Resolver{Cluster: m}, Now: time.Now}
			if _, err := sessions.open(t.Context(), store, "apps"); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			sessions.Close(context.Background())
		})
	}
	if !slices.Equal(audience, []string{"v", "10m0s"}) {
		t.Errorf("the account's token was asked for %v", audience)
	}
}
