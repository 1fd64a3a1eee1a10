package gather_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// inCluster is the address that the walkthrough's store has.
const inCluster = "http://vault.vault.svc.cluster.local:8200"

func tunnel(c *gather.Config) {
	t := &kube.Tunnel{Clients: c.Clients}
	c.Dial, c.Via = t.DialContext, t.Via
}

// From a laptop the Service's name does not resolve, and everything goes through a
// port-forward; a sealed Vault is told with its Pod, a dead one as not reached.
func TestThroughAPortForward(t *testing.T) {
	s := newStack(t)
	s.credential(s.token)
	s.apply(strings.Replace(s.store(), s.VaultAddress(0), inCluster, 1))
	s.apply(mappingDoc)
	f, r := s.diagnose(tunnel)
	neverShows(t, f, r)
	if !strings.Contains(r.Chain, "(port-forward to vault-0)") {
		t.Errorf("chain %q does not tell the port-forward", r.Chain)
	}
	if p := f.Paths[0]; !p.Read.Known || p.Read.Value.Kind != "" {
		t.Errorf("the path was not read: %+v", p.Read)
	}
	t.Cleanup(func() {
		_ = s.StartVault(context.Background(), 0)
		if err := s.UnsealVault(context.Background()); err != nil {
			t.Fatal(err)
		}
	})
	if err := s.SealVault(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	f, r = s.diagnose(tunnel)
	one(t, f, r, "VS402", []string{inCluster, "vault/vault-0 sealed 0/3"})
	if want := s.mount + "/data/app/db"; f.Paths[0].Data != want {
		t.Errorf("what would be read is %q, want %q, though Vault is sealed", f.Paths[0].Data, want)
	}
	s.StopVault(0)
	f, r = s.diagnose(tunnel)
	one(t, f, r, "VS401", []string{inCluster})
}

func TestNamespaceThatIsNotAdmitted(t *testing.T) {
	s := newStack(t)
	name := "css-" + s.namespace
	s.credential(s.token)
	s.apply(fmt.Sprintf(`
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: %s}
spec:
  conditions: [{namespaces: [elsewhere], namespaceRegexes: ["prod"]}]
  provider:
    vault: {server: %s, path: %s, version: v2, auth: {tokenSecretRef: {name: vault-token, key: token}}}
`, name, s.VaultAddress(0), s.mount))
	s.apply(strings.Replace(mappingDoc, "{name: vault, kind: SecretStore}", "{name: "+name+", kind: ClusterSecretStore}", 1))
	f, r := s.diagnose(nil)
	one(t, f, r, "VS304", []string{"ClusterSecretStore/" + name, s.namespace})
	if f.Stores[0].Login.Result.Known {
		t.Error("it logged in for a namespace that the store does not admit")
	}
}

// as gives the rights of a user who may do only what the rules say.
func (s *stack) as(name string, rules ...rbacv1.PolicyRule) func(*gather.Config) {
	s.t.Helper()
	if _, err := s.Client().RbacV1().Roles(s.namespace).Create(s.t.Context(), &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.Client().RbacV1().RoleBindings(s.namespace).Create(s.t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects: []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: name}},
	}, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	return func(c *gather.Config) {
		config := rest.CopyConfig(s.RESTConfig())
		config.Impersonate = rest.ImpersonationConfig{UserName: name, Groups: []string{"system:authenticated"}}
		clients, err := kube.NewClients(config)
		if err != nil {
			s.t.Fatal(err)
		}
		c.Clients = clients
	}
}

// Whoever may read mappings and not Secrets gets what the mappings tell; the rest is
// unknown with its reason, never good and never bad.
func TestWithoutTheRightToSecrets(t *testing.T) {
	s := newStack(t)
	s.credential("hvs.wrong")
	s.apply(s.store())
	s.apply(mappingDoc)
	view := rbacv1.PolicyRule{APIGroups: []string{eso.Group}, Resources: []string{"externalsecrets", "secretstores"}, Verbs: []string{"get", "list"}}
	f, r := s.diagnose(s.as("viewer-"+s.namespace, view))
	for _, code := range []string{"VS207", "VS501", "VS502"} {
		for _, c := range r.Checks {
			if c.Code == code && c.Status != diagnose.StatusUnknown && c.Status != diagnose.StatusSkip {
				t.Errorf("%s is %s without the right: %s", code, c.Status, c.Message)
			}
		}
	}
	if r.Count(diagnose.StatusFail) > 0 || r.Healthy {
		t.Errorf("%d failed, healthy %t, root causes %v", r.Count(diagnose.StatusFail), r.Healthy, r.RootCauses)
	}
	if denied := strings.Join(f.Cluster.Denied, "; "); !strings.Contains(denied, "get secrets in "+s.namespace) {
		t.Errorf("denied: %s", denied)
	}
}

func TestWithoutAnyRight(t *testing.T) {
	s := newStack(t)
	s.credential(s.token)
	s.apply(s.store())
	s.apply(mappingDoc)
	f, r := s.diagnose(s.as("nobody-" + s.namespace))
	if r.Count(diagnose.StatusFail) > 0 || r.Healthy || f.Mapping.Known {
		t.Errorf("%d failed, healthy %t, root causes %v", r.Count(diagnose.StatusFail), r.Healthy, r.RootCauses)
	}
	for _, c := range r.Checks {
		if c.Status == diagnose.StatusOK && c.Code > "VS104" {
			t.Errorf("%s is ok without any right: %s", c.Code, c.Message)
		}
	}
}

func TestMissingMappingIsNamedWithItsNearest(t *testing.T) {
	s := newStack(t)
	s.other("api-bd")
	f, r := s.diagnose(nil)
	one(t, f, r, "VS201", []string{"api-db", s.namespace, `did you mean "api-bd"`})
	if !r.Missing {
		t.Error("the report does not say that the mapping is missing")
	}
}

// tlsServer stands before a Vault with a certificate of the given end and names,
// signed by itself. It returns its address and certificate.
func tlsServer(t *testing.T, vault string, end time.Time, names ...string) (string, []byte) {
	t.Helper()
	target, err := url.Parse(vault)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "vault"}, NotBefore: end.Add(-24 * time.Hour), NotAfter: end,
		DNSNames: names, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	if len(names) == 0 {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(target))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL, der
}

// withCA is a store with a caBundle.
func withCA(t *testing.T, store string, der []byte) string {
	t.Helper()
	bundle, err := json.Marshal(pemOf(der))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(store, "      version: v2", "      caBundle: "+string(bundle)+"\n      version: v2", 1)
}

// What ESO left behind is diagnosed without any controller: its condition says
// nothing, its events do, and the look finds the cause itself.
func TestWhatESOLeavesBehind(t *testing.T) {
	s := newStack(t)
	store := "css-" + s.namespace
	raw, err := os.ReadFile("../../testdata/eso-2.9.0/externalsecrets.json")
	if err != nil {
		t.Fatal(err)
	}
	var list eso.ExternalSecretList
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	s.credential(s.token)
	s.apply(fmt.Sprintf(`
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: %s}
spec:
  provider:
    vault: {server: %s, path: %s, version: v2, auth: {tokenSecretRef: {name: vault-token, namespace: %s, key: token}}}
`, store, s.VaultAddress(0), s.mount, s.namespace))
	for i := range list.Items {
		old := &list.Items[i]
		if old.Name != "missing" {
			continue
		}
		fresh := &eso.ExternalSecret{TypeMeta: metav1.TypeMeta{APIVersion: eso.Group + "/v1", Kind: eso.KindExternalSecret}, Spec: old.Spec, Status: old.Status}
		fresh.Name = "api-db"
		fresh.Spec.SecretStoreRef.Name, fresh.Spec.Target.Name = store, ""
		doc, err := json.Marshal(fresh)
		if err != nil {
			t.Fatal(err)
		}
		s.apply(string(doc))
	}
	s.event("api-db", "error processing spec.dataFrom[0].extract, err: Secret does not exist \x1b[31mred\x1b[0m")
	f, r := s.diagnose(nil)
	one(t, f, r, "VS602", []string{s.mount + "/data/app/none", "spec.dataFrom[0].extract.key"})
	for _, c := range r.Checks {
		switch c.Code {
		case "VS203":
			if c.Status != diagnose.StatusFail || !strings.Contains(c.Message, "6 warnings UpdateFailed") || !strings.Contains(c.Message, "Secret does not exist") {
				t.Errorf("VS203 is %s: %s", c.Status, c.Message)
			}
			if strings.ContainsRune(c.Message, '\x1b') {
				t.Errorf("VS203 carries a terminal escape: %q", c.Message)
			}
		case "VS202":
			if !strings.Contains(c.Message, "could not get secret data from provider") {
				t.Errorf("VS202: %s", c.Message)
			}
		}
	}
}

// event leaves a warning on a mapping as ESO does.
func (s *stack) event(name, message string) {
	s.t.Helper()
	_, err := s.Client().CoreV1().Events(s.namespace).Create(s.t.Context(), &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{GenerateName: name + "."},
		InvolvedObject: corev1.ObjectReference{Kind: eso.KindExternalSecret, Namespace: s.namespace, Name: name, APIVersion: eso.Group + "/v1"},
		Type:           corev1.EventTypeWarning, Reason: eso.EventUpdateFailed, Message: message, Count: 6,
		LastTimestamp: metav1.Now(), Source: corev1.EventSource{Component: "external-secrets"},
	}, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
}

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// What is as it should be has nothing to mend, and nothing to warn of.
func TestHealthyOnTheRealStack(t *testing.T) {
	s := newStack(t)
	store, mapping := s.healthy(mappingDoc)
	s.apply(store)
	s.apply(mapping)
	f, r := s.diagnose(nil)
	neverShows(t, f, r)
	for _, c := range r.Checks {
		if c.Status != diagnose.StatusOK {
			t.Errorf("%s is %s: %s", c.Code, c.Status, c.Message)
		}
	}
	if len(r.RootCauses) > 0 || !r.Healthy {
		t.Errorf("healthy %t, root causes %v", r.Healthy, r.RootCauses)
	}
}

// Events of one second are told in the order in which they were written: the newest one
// has the cause as it is now.
func TestEventsOfOneSecondKeepTheirOrder(t *testing.T) {
	s := newStack(t)
	second := metav1.NewTime(time.Now().Truncate(time.Second))
	var want []string
	for i := range 6 {
		want = append(want, fmt.Sprintf("cause %d", i))
		if _, err := s.Client().CoreV1().Events(s.namespace).Create(t.Context(), &corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{GenerateName: "api-db."},
			InvolvedObject: corev1.ObjectReference{Kind: eso.KindExternalSecret, Namespace: s.namespace, Name: "api-db"},
			Type:           corev1.EventTypeWarning, Reason: eso.EventUpdateFailed, Message: want[i], LastTimestamp: second, Count: 1,
		}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	happened, unseen := s.gatherer(nil).Happenings(t.Context(), []gather.Object{{Kind: eso.KindExternalSecret, Namespace: s.namespace, Name: "api-db"}})
	var got []string
	for _, h := range happened {
		got = append(got, h.Message)
	}
	if !slices.Equal(got, want) || len(unseen) > 0 {
		t.Errorf("%q, want %q; unseen %q", got, want, unseen)
	}
}
