package vault_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// pair is a certificate with its key, as PEM and parsed.
type pair struct {
	cert, key []byte
	leaf      *x509.Certificate
	private   *ecdsa.PrivateKey
}

// issue makes a certificate; by nil, a CA that signs itself.
func issue(t *testing.T, by *pair, name string, until time.Time) *pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: until.Add(-24 * time.Hour), NotAfter: until, IsCA: by == nil, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.leaf, by.private
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &pair{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:  pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), leaf: leaf, private: key,
	}
}

func serveTLS(t *testing.T, config *tls.Config) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"data":{"data":{"a":"1"}}}`)
	}))
	server.TLS = config
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func secureServer(t *testing.T) string { return serveTLS(t, nil).URL }

// TLS is verified against the name in the address though the connection is tunnelled.
func TestTLS(t *testing.T) {
	later := time.Now().Add(time.Hour)
	ca, other := issue(t, nil, "ca", later), issue(t, nil, "other", later)
	service := issue(t, ca, "vault.vault.svc", later)
	old := issue(t, ca, "vault.vault.svc", time.Now().Add(-time.Hour))
	caller := issue(t, ca, "caller", later)
	pool := x509.NewCertPool()
	pool.AddCert(ca.leaf)
	server := func(p *pair, mutual bool, version uint16) *httptest.Server {
		loaded, err := tls.X509KeyPair(p.cert, p.key)
		if err != nil {
			t.Fatal(err)
		}
		config := &tls.Config{Certificates: []tls.Certificate{loaded}, MaxVersion: version}
		if mutual {
			config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, pool
		}
		return serveTLS(t, config)
	}
	tests := []struct {
		name    string
		server  *httptest.Server
		address string
		config  vault.Config
		says    string
	}{
		{"the service's name", server(service, false, 0), "https://vault.vault.svc:8200", vault.Config{CA: ca.cert}, ""},
		{"another name", server(service, false, 0), "https://127.0.0.1:8200", vault.Config{CA: ca.cert}, "its certificate is for another name"},
		{"another authority", server(service, false, 0), "https://vault.vault.svc:8200", vault.Config{CA: other.cert}, "certificate signed by unknown authority"},
		{"the system's roots", server(service, false, 0), "https://vault.vault.svc:8200", vault.Config{}, "certificate signed by unknown authority"},
		{"two authorities", server(service, false, 0), "https://vault.vault.svc:8200", vault.Config{CA: bytes.Join([][]byte{other.cert, ca.cert}, nil)}, ""},
		{"expired", server(old, false, 0), "https://vault.vault.svc:8200", vault.Config{CA: ca.cert}, "expired or is not yet valid"},
		{"http to https", server(service, false, 0), "http://vault.vault.svc:8200", vault.Config{}, "it answers https, the address says http"},
		{"client certificate", server(service, true, 0), "https://vault.vault.svc:8200", vault.Config{CA: ca.cert, Certificate: caller.cert, Key: caller.key}, ""},
		{"no client certificate", server(service, true, tls.VersionTLS12), "https://vault.vault.svc:8200", vault.Config{CA: ca.cert}, "it refused the TLS connection"},
		{"TLS 1.1", server(service, false, tls.VersionTLS11), "https://vault.vault.svc:8200", vault.Config{CA: ca.cert}, "protocol version"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.config.Address, tt.config.MaxRetries = tt.address, &noRetries
			tt.config.Dial = tunnel(tt.server.Listener.Addr())
			client, err := vault.New(tt.config)
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.Read(t.Context(), "secret", 2, kv.Ref{Key: "x"})
			if tt.says == "" && err != nil || tt.says != "" && (kv.KindOf(err) != kv.Unreachable || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("%v, want %q", err, tt.says)
			}
		})
	}
	if _, err := vault.New(vault.Config{Address: "https://v", CA: []byte("no pem")}); kv.KindOf(err) != kv.BadConfig {
		t.Errorf("a CA that is no PEM: %v", err)
	}
	if _, err := vault.New(vault.Config{Address: "https://v", Certificate: caller.cert, Key: service.key}); kv.KindOf(err) != kv.BadConfig {
		t.Errorf("a key of another certificate: %v", err)
	}
}

func tunnel(to net.Addr) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, to.Network(), to.String())
	}
}
