package mapping

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"software.sslmate.com/src/go-pkcs12"
)

// authority is a certificate with its key.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (a authority) pem() string { return pemText(typeCertificate, a.cert.Raw) }

func (a authority) keyPEM(t testing.TB) string {
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		t.Fatal(err)
	}
	return pemText(typePrivateKey, der)
}

// issue makes a certificate signed by parent, or by itself when parent is zero.
func issue(t testing.TB, name string, parent authority) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := !strings.HasPrefix(name, "leaf")
	uri, _ := url.Parse("spiffe://example.com/" + name)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), IsCA: ca, BasicConstraintsValid: true,
		SubjectKeyId: []byte(name), DNSNames: []string{name + ".example.com"}, IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1)},
		EmailAddresses: []string{name + "@example.com"}, URIs: []*url.URL{uri},
	}
	signer, signerKey := tmpl, key
	if parent.cert != nil {
		signer, signerKey = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, signer, key.Public(), signerKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

type pki struct{ root, middle, leaf, other authority }

func newPKI(t testing.TB) pki {
	root := issue(t, "root", authority{})
	middle := issue(t, "middle", root)
	return pki{root, middle, issue(t, "leaf", middle), issue(t, "leaf2", root)}
}

func render(t *testing.T, text string, data map[string]string) string {
	t.Helper()
	out, err := renderText(text, data)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return out
}

func TestPEMFunctions(t *testing.T) {
	p := newPKI(t)
	key := p.leaf.keyPEM(t)
	data := map[string]string{
		"mixed": "junk -----END x\n" + p.root.pem() + key + "between\n" + p.leaf.pem() + p.middle.pem(), "chain": p.root.pem() + p.leaf.pem() + p.middle.pem(),
		"leaf": p.leaf.pem() + key, "two": p.leaf.pem() + p.other.pem() + p.root.pem(), "none": "nothing here", "middle": p.middle.pem() + p.leaf.pem(),
	}
	for text, want := range map[string]string{
		`{{ filterPEM "PRIVATE KEY" .mixed }}`:       key,
		`{{ filterPEM "certificate" .mixed }}`:       p.root.pem() + p.leaf.pem() + p.middle.pem(),
		`{{ filterPEM "X" .chain }}`:                 "",
		`{{ filterCertChain "leaf" .chain }}`:        p.leaf.pem(),
		`{{ filterCertChain "intermediate" .chain}}`: p.middle.pem(),
		`{{ filterCertChain "root" .chain }}`:        p.root.pem(),
		`{{ filterCertChain "root" .middle }}`:       "",
		`{{ filterCertChain "other" .chain }}`:       "",
		`{{ certSANs .leaf | join " " }}`:            "leaf.example.com 10.0.0.1 leaf@example.com spiffe://example.com/leaf",
	} {
		if diff := cmp.Diff(want, render(t, text, data)); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	for text, want := range map[string]string{
		`{{ filterPEM "X" .none }}`:          "there is no PEM block",
		`{{ filterCertChain "leaf" .none }}`: "there is no certificate in PEM form",
		`{{ filterCertChain "leaf" .two }}`:  "there are several leaf certificates, or certificates that do not belong together",
		`{{ certSANs .none }}`:               "there is no certificate in PEM form",
		`{{ filterCertChain "leaf" .leaf }}`: "a PEM block is no certificate",
	} {
		if _, err := renderText(text, data); err == nil || !strings.HasSuffix(err.Error(), ": "+want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestPKCS12Functions(t *testing.T) {
	p := newPKI(t)
	key := p.leaf.keyPEM(t)
	p12 := func(password string) string {
		der, err := pkcs12.Modern.Encode(p.leaf.key, p.leaf.cert, []*x509.Certificate{p.root.cert, p.middle.cert}, password)
		if err != nil {
			t.Fatal(err)
		}
		return string(der)
	}
	data := map[string]string{
		"open": p12(""), "locked": p12("secret"), "chain": p.leaf.pem() + p.middle.pem() + p.root.pem(), "key": key, "bundle": p.leaf.pem() + key,
		"sec1": sec1(t, p.leaf.key),
	}
	for text, want := range map[string]string{
		`{{ pkcs12key .open }}`:                                                                                     key,
		`{{ pkcs12keyPass "secret" .locked }}`:                                                                      key,
		`{{ .locked | pkcs12certPass "secret" }}`:                                                                   p.leaf.pem() + p.middle.pem() + p.root.pem(),
		`{{ pkcs12cert .open }}`:                                                                                    p.leaf.pem() + p.middle.pem() + p.root.pem(),
		`{{ pemToPkcs12 .bundle .key | b64dec | pkcs12cert }}`:                                                      p.leaf.pem(),
		`{{ pemToPkcs12Pass .chain .key "pw" | b64dec | pkcs12certPass "pw" }}`:                                     p.leaf.pem(),
		`{{ fullPemToPkcs12 .chain .key | b64dec | pkcs12cert }}`:                                                   p.leaf.pem() + p.middle.pem() + p.root.pem(),
		`{{ fullPemToPkcs12Pass .chain .sec1 "pw" | b64dec | pkcs12keyPass "pw" }}`:                                 key,
		`{{ pemTruststoreToPKCS12 .chain | len | lt 100 }}{{ pemTruststoreToPKCS12Pass .chain "" | len | lt 100 }}`: "truetrue",
	} {
		if diff := cmp.Diff(want, render(t, text, data)); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	store, err := base64.StdEncoding.DecodeString(render(t, `{{ pemTruststoreToPKCS12Pass .chain "pw" }}`, data))
	if err != nil {
		t.Fatal(err)
	}
	if certs, err := pkcs12.DecodeTrustStore(store, "pw"); err != nil || len(certs) != 3 {
		t.Errorf("trust store: %d certificates, %v", len(certs), err)
	}
	for text, want := range map[string]string{
		`{{ pkcs12keyPass "wrong" .locked }}`:      "it is no PKCS#12 file, or the password is wrong",
		`{{ pkcs12cert .key }}`:                    "it is no PKCS#12 file, or the password is wrong",
		`{{ pemToPkcs12 "" .key }}`:                "there is no certificate in PEM form",
		`{{ pemToPkcs12 .chain "" }}`:              "there is no private key in PEM form that can be read",
		`{{ fullPemToPkcs12 .chain .chain }}`:      "there is no private key in PEM form that can be read",
		`{{ pemTruststoreToPKCS12 "nothing" }}`:    "there is no certificate in PEM form",
		`{{ fullPemToPkcs12Pass .bundle .key ""}}`: "a PEM block is no certificate",
	} {
		if _, err := renderText(text, data); err == nil || !strings.HasSuffix(err.Error(), ": "+want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestNeverDoesAPKCS12FileChooseTheWork(t *testing.T) {
	p := newPKI(t)
	der, err := pkcs12.Modern.WithIterations(4096).Encode(p.leaf.key, p.leaf.cert, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := iterations(der, 0); got != 3*4096 {
		t.Errorf("iterations = %d, want those of the MAC, the key and the certificates: %d", got, 3*4096)
	}
	// The same file asking for two thousand million rounds, in each place.
	asks := []byte{0x02, 0x02, 0x10, 0x00}
	huge := strings.ReplaceAll(string(der), string(asks), "\x02\x02\x7f\xff")
	if got := iterations([]byte(huge), 0); got != 3*0x7fff {
		t.Errorf("iterations = %d, want %d", got, 3*0x7fff)
	}
	if _, err := renderWithin(Limits{MaxWork: 5_000_000}, `{{ pkcs12key .p }}`, map[string]string{"p": huge}); err == nil || !strings.Contains(err.Error(), "too much work") {
		t.Errorf("error: %v", err)
	}
}

func sec1(t testing.TB, key *ecdsa.PrivateKey) string {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemText("EC PRIVATE KEY", der)
}

func TestJWKFunctions(t *testing.T) {
	p := newPKI(t)
	private, err := json.Marshal(jose.JSONWebKey{Key: p.leaf.key})
	if err != nil {
		t.Fatal(err)
	}
	public, err := json.Marshal(jose.JSONWebKey{Key: p.leaf.key.Public()})
	if err != nil {
		t.Fatal(err)
	}
	pkix, err := x509.MarshalPKIXPublicKey(p.leaf.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	data := map[string]string{"private": string(private), "public": string(public), "oct": `{"kty":"oct","k":"aHVudGVyMg"}`, "not": "hunter2"}
	for text, want := range map[string]string{
		`{{ jwkPublicKeyPem .public }}`: pemText(typePublicKey, pkix), `{{ jwkPublicKeyPem .private }}`: pemText(typePublicKey, pkix),
		`{{ .private | jwkPrivateKeyPem }}`: p.leaf.keyPEM(t),
	} {
		if diff := cmp.Diff(want, render(t, text, data)); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	for _, text := range []string{`{{ jwkPrivateKeyPem .public }}`, `{{ jwkPublicKeyPem .oct }}`, `{{ jwkPrivateKeyPem .oct }}`, `{{ jwkPublicKeyPem .not }}`} {
		if _, err := renderText(text, data); err == nil || !strings.Contains(err.Error(), "JSON web key") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestRSADecrypt(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := pemText("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
	for name, h := range map[string]func() hash.Hash{"SHA1": sha1.New, "SHA256": sha256.New, "SHA512": sha512.New, "None": sha256.New} {
		sealed, err := rsa.EncryptOAEP(h(), rand.Reader, &key.PublicKey, []byte("hello"), nil)
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf(`{{ rsaDecrypt "RSA-OAEP" %q .in .key }}`, name)
		if got := render(t, text, map[string]string{"in": string(sealed), "key": pkcs1}); got != "hello" {
			t.Errorf("%s: %q", name, got)
		}
	}
	data := map[string]string{"in": "plain", "key": pkcs1, "ec": newPKI(t).leaf.keyPEM(t)}
	if got := render(t, `{{ rsaDecrypt "None" "" .in "" }}`, data); got != "plain" {
		t.Errorf("None: %q", got)
	}
	for text, want := range map[string]string{
		`{{ rsaDecrypt "RSA-OAEP" "SHA1" .in .key }}`: "RSA-OAEP decryption failed; the key, the hash or the ciphertext is wrong",
		`{{ rsaDecrypt "RSA-OAEP" "SHA1" .in .in }}`:  "there is no private key in PEM form that can be read",
		`{{ rsaDecrypt "RSA-OAEP" "SHA1" .in .ec }}`:  "the private key is no RSA key",
		`{{ rsaDecrypt "PKCS1" "SHA1" .in .key }}`:    "the scheme is not supported; use RSA-OAEP or None",
	} {
		if _, err := renderText(text, data); err == nil || !strings.HasSuffix(err.Error(), ": "+want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestYAMLFunctions(t *testing.T) {
	data := map[string]string{"doc": "a: 1\nb: [x, 2.5]\n", "bad": "{"}
	for text, want := range map[string]string{
		`{{ fromYaml .doc | toYaml }}`:                "a: 1\nb:\n- x\n- 2.5",
		`{{ printf "%T" (fromYaml .doc).a }}`:         "float64",
		`{{ hasKey (fromYaml .bad) "Error" }}`:        "true",
		`{{ toYaml (dict "k" "v") | indent 2 }}`:      "  k: v",
		`{{ fromYaml (repeat 700000 "a: ") | keys }}`: "[Error]",
	} {
		if diff := cmp.Diff(want, render(t, text, data)); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

// Same input, same bytes: sprig's keys and values come in the order of a Go map.
func TestKeysAndValuesAreSorted(t *testing.T) {
	for range 20 {
		got := render(t, `{{ $d := dict "c" 3 "a" 1 "b" 2 }}{{ keys $d }}{{ values $d }}{{ keys $d (dict "0" 1) }}`, nil)
		if want := "[a b c][1 2 3][a b c 0]"; got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	}
}
