package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
)

var shared = Shared{Config: Config{CRDs: true}}

func TestMain(m *testing.M) {
	if dir := os.Getenv(killMe); dir != "" {
		os.Exit(waitToBeKilled(dir))
	}
	os.Exit(shared.Main(m))
}

func TestServiceAccountIsItselfAndHasNoRights(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace := sb.Namespace(t)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "nobody"}}
	if _, err := sb.Client().CoreV1().ServiceAccounts(namespace).Create(t.Context(), account, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	path, err := sb.ServiceAccountKubeconfig(t.Context(), namespace, "nobody")
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	nobody, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	me, err := nobody.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "system:serviceaccount:" + namespace + ":nobody"; me.Status.UserInfo.Username != want {
		t.Errorf("the token is of %q, want %q", me.Status.UserInfo.Username, want)
	}
	if _, err := nobody.CoreV1().Secrets(namespace).List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("listing Secrets as nobody: %v, want forbidden", err)
	}
}

func TestGarbageCollectorDeletesDependents(t *testing.T) {
	sb := shared.Sandbox(t)
	core, namespace := sb.Client().CoreV1(), sb.Namespace(t)
	owner, err := core.ConfigMaps(namespace).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "owner"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dependent := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "dependent", OwnerReferences: []metav1.OwnerReference{
		{APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID},
	}}}
	if _, err := core.Secrets(namespace).Create(t.Context(), dependent, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := core.ConfigMaps(namespace).Delete(t.Context(), owner.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	Eventually(t, func() error {
		_, err := core.Secrets(namespace).Get(t.Context(), "dependent", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("the dependent is still there: %w", err)
	})
}

func TestCRDsAreServedInBothVersions(t *testing.T) {
	sb := shared.Sandbox(t)
	for _, version := range []string{"v1", "v1beta1"} {
		list, err := sb.Client().Discovery().ServerResourcesForGroupVersion("external-secrets.io/" + version)
		if err != nil {
			t.Fatal(err)
		}
		if len(list.APIResources) == 0 {
			t.Errorf("external-secrets.io/%s serves nothing", version)
		}
	}
}

func TestPortForwardReachesVault(t *testing.T) {
	sb := shared.Sandbox(t)
	transport, upgrader, err := spdy.RoundTripperFor(sb.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	pod := sb.Client().CoreV1().RESTClient().Post().Namespace("vault").Resource("pods").Name("vault-0").SubResource("portforward")
	stop, ready := make(chan struct{}), make(chan struct{})
	forward, err := portforward.New(spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, pod.URL()),
		[]string{"0:8200"}, stop, ready, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- forward.ForwardPorts() }()
	t.Cleanup(func() {
		close(stop)
		<-ended
	})
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("the port-forward ended: %v", err)
	}
	ports, err := forward.GetPorts()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := clusterID(t, http.DefaultTransport, "http://"+local(int(ports[0].Local))), clusterID(t, http.DefaultTransport, sb.VaultAddress(0)); got != want {
		t.Errorf("through the port-forward answers cluster %q, want %q", got, want)
	}
}

// clusterID asks a Vault, unsealed, who it is.
func clusterID(t *testing.T, transport http.RoundTripper, address string) string {
	t.Helper()
	id, err := health(t.Context(), transport, address)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func health(ctx context.Context, transport http.RoundTripper, address string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/v1/sys/health", nil)
	if err != nil {
		return "", err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer struct {
		ID string `json:"cluster_id"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return "", err
	}
	if answer.ID == "" {
		return "", errors.New("a health answer without a cluster: " + resp.Status)
	}
	return answer.ID, nil
}

func TestProxyKnowsVaultAndNothingElse(t *testing.T) {
	sb := shared.Sandbox(t)
	proxy, err := url.Parse(sb.ProxyURL())
	if err != nil {
		t.Fatal(err)
	}
	through := &http.Transport{Proxy: http.ProxyURL(proxy)}
	defer through.CloseIdleConnections()
	want := clusterID(t, http.DefaultTransport, sb.VaultAddress(0))
	for _, host := range []string{"vault.vault.svc.cluster.local", "vault.vault.svc", "vault.vault", "vault-0.vault-internal.vault.svc.cluster.local"} {
		if got := clusterID(t, through, "http://"+host+":8200"); got != want {
			t.Errorf("%s is cluster %q, want %q", host, got, want)
		}
	}
	for _, host := range []string{"vault.vault.svc:8201", "vault.other.svc:8200", "vault-1.vault-internal.vault.svc:8200", strings.TrimPrefix(sb.VaultAddress(0), "http://")} {
		for _, scheme := range []string{"http://", "https://"} {
			if got, err := health(t.Context(), through, scheme+host); err == nil {
				t.Errorf("%s%s answers as %q through the proxy, want a broken connection", scheme, host, got)
			}
		}
	}
}

func TestVaultSealsRestartsAndUnsealsWithItsData(t *testing.T) {
	sb := shared.Sandbox(t)
	mount := sb.KVMount(t, 2)
	sb.Put(t, mount, "kept", map[string]any{"word": "still here"})
	root := sb.RootVault(t)

	if err := sb.SealVault(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	wantSealed(t, sb, 0, true)
	if err := sb.UnsealVault(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantSealed(t, sb, 0, false)

	sb.StopVault(0)
	if _, err := root.Sys().SealStatusWithContext(t.Context()); err == nil {
		t.Error("a stopped Vault answers")
	}
	if err := sb.StartVault(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	wantSealed(t, sb, 0, true)
	if err := sb.UnsealVault(t.Context()); err != nil {
		t.Fatal(err)
	}
	secret, err := root.KVv2(mount).Get(t.Context(), "kept")
	if err != nil {
		t.Fatal(err)
	}
	if got := secret.Data["word"]; got != "still here" {
		t.Errorf("after the restart the secret is %v", got)
	}
}

func wantSealed(t *testing.T, sb *Sandbox, i int, want bool) {
	t.Helper()
	client, err := sb.VaultClient(i)
	if err != nil {
		t.Fatal(err)
	}
	status, err := client.Sys().SealStatusWithContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status.Sealed != want || !status.Initialized {
		t.Errorf("vault-%d: sealed %t, initialized %t; want sealed %t, initialized true", i, status.Sealed, status.Initialized, want)
	}
}

func TestVaultAuditNamesTheRequest(t *testing.T) {
	sb := shared.Sandbox(t)
	mount := sb.KVMount(t, 1)
	path, err := sb.EnableVaultAudit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	root := sb.RootVault(t)
	t.Cleanup(func() {
		if err := root.Sys().DisableAuditWithContext(context.Background(), "file"); err != nil {
			t.Error(err)
		}
	})
	if _, err := root.Logical().ReadWithContext(t.Context(), mount+"/asked"); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), mount+"/asked") {
		t.Error("the audit log does not name the path that was read")
	}
}

func TestVaultTokenHasOnlyItsRules(t *testing.T) {
	sb := shared.Sandbox(t)
	mount := sb.KVMount(t, 2)
	sb.Put(t, mount, "a", map[string]any{"k": "v"})
	limited := sb.RootVault(t)
	limited.SetToken(sb.VaultToken(t, fmt.Sprintf(`path "%s/data/*" { capabilities = ["read"] }`, mount)))
	if _, err := limited.KVv2(mount).Get(t.Context(), "a"); err != nil {
		t.Errorf("reading what the rules allow: %v", err)
	}
	if _, err := limited.KVv2(mount).Put(t.Context(), "a", map[string]any{"k": "w"}); err == nil {
		t.Error("wrote what the rules do not allow")
	}
}
