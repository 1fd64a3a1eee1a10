package gather_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// head is a mapping up to its entries.
func head() string {
	text, _, _ := strings.Cut(mappingDoc, "  data:")
	return text
}

func findDoc(expression string) string {
	return head() + "  dataFrom: [{find: {path: app, name: {regexp: '" + expression + "'}}}]\n"
}

// with is the store with another auth stanza.
func (s *stack) with(auth string) string {
	return strings.Replace(s.store(), "{tokenSecretRef: {name: vault-token, key: token}}", auth, 1)
}

// cluster is the store as a ClusterSecretStore; more goes below spec.
func (s *stack) cluster(name, more string) string {
	doc := strings.Replace(s.with("{tokenSecretRef: {name: vault-token, namespace: "+s.namespace+", key: token}}"), "kind: SecretStore", "kind: ClusterSecretStore", 1)
	return strings.Replace(strings.Replace(doc, "{name: vault}", "{name: "+name+"}", 1), "\nspec:", "\nspec:"+more, 1)
}

func (s *stack) secret(secret *corev1.Secret) {
	s.t.Helper()
	if _, err := s.Client().CoreV1().Secrets(s.namespace).Create(s.t.Context(), secret, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// keep makes a Secret.
func (s *stack) keep(name string, data map[string]string) {
	s.t.Helper()
	s.secret(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: data})
}

// healthy makes all that a mapping needs to be as it should be: the credential, the
// Secret, and the answer of a controller.
func (s *stack) healthy(mapping string) (store, answered string) {
	s.t.Helper()
	if s.long == "" {
		s.long = s.shortToken("720h", 0)
	}
	s.credential(s.long)
	_, err := s.Client().CoreV1().Secrets(s.namespace).Create(s.t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "api-db"}, Data: map[string][]byte{"password": []byte(canary)},
	}, metav1.CreateOptions{FieldManager: eso.FieldManager("api-db")})
	if err != nil {
		s.t.Fatal(err)
	}
	synced := s.synced
	if synced.IsZero() {
		synced = time.Now()
	}
	return s.store() + readyDoc("Valid"), mapping + `status:
  refreshTime: "` + synced.UTC().Format(time.RFC3339) + `"
  syncedResourceVersion: ` + eso.SyncedResourceVersion(&metav1.ObjectMeta{Generation: 1}) + "\n" +
		strings.TrimPrefix(readyDoc("SecretSynced"), "status:\n")
}

func readyDoc(reason string) string {
	return "status:\n  conditions: [{type: Ready, status: \"True\", reason: " + reason + ", message: good, lastTransitionTime: \"2026-01-01T00:00:00Z\"}]\n"
}

// controller makes a Deployment that looks like a controller, for one test.
func (s *stack) controller(name string, wanted, ready int32) {
	s.t.Helper()
	labels := map[string]string{"app.kubernetes.io/name": name}
	made := s.deployment(name, labels, wanted, corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "c"}}})
	made.Status = appsv1.DeploymentStatus{Replicas: ready, ReadyReplicas: ready}
	deployments := s.Client().AppsV1().Deployments(s.namespace)
	if _, err := deployments.UpdateStatus(s.t.Context(), made, metav1.UpdateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = deployments.Delete(context.Background(), name, metav1.DeleteOptions{}) })
}

func (s *stack) deployment(name string, labels map[string]string, replicas int32, pod corev1.PodSpec) *appsv1.Deployment {
	s.t.Helper()
	made, err := s.Client().AppsV1().Deployments(s.namespace).Create(s.t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return made
}

// clientsAt are clients of another API server than the sandbox's.
func (s *stack) clientsAt(address string) *kube.Clients {
	s.t.Helper()
	clients, err := kube.NewClients(&rest.Config{Host: address})
	if err != nil {
		s.t.Fatal(err)
	}
	return clients
}

// bare are clients of a cluster without the CRDs.
func (s *stack) bare() *kube.Clients {
	s.t.Helper()
	other, err := sandbox.Start(s.t.Context(), sandbox.Config{Dir: s.t.TempDir(), Vault: sandbox.VaultNone})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := other.Stop(context.Background()); err != nil {
			s.t.Error(err)
		}
	})
	clients, err := kube.NewClients(other.RESTConfig())
	if err != nil {
		s.t.Fatal(err)
	}
	return clients
}

// hanging is the address of a listener that takes connections and says nothing.
func hanging(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

// freshVault starts a Vault that nobody has initialized, and returns its address.
func (s *stack) freshVault() string {
	s.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	config := filepath.Join(s.t.TempDir(), "vault.hcl")
	text := fmt.Sprintf("storage \"inmem\" {}\nlistener \"tcp\" {\n  address = %q\n  tls_disable = true\n}\ndisable_mlock = true\n", address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	server := exec.CommandContext(s.t.Context(), s.Binary("vault"), "server", "-config", config)
	if err := server.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	client, err := api.NewClient(&api.Config{Address: "http://" + address})
	if err != nil {
		s.t.Fatal(err)
	}
	sandbox.Eventually(s.t, func() error {
		_, err := client.Sys().SealStatusWithContext(s.t.Context())
		return err
	})
	return "http://" + address
}

// leaderless starts three Vaults, stops two, and returns the address of the third.
func (s *stack) leaderless() string {
	s.t.Helper()
	other, err := sandbox.Start(s.t.Context(), sandbox.Config{Dir: s.t.TempDir(), VaultNodes: 3})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := other.Stop(context.Background()); err != nil {
			s.t.Error(err)
		}
	})
	other.StopVault(1) // two are left, so nobody is elected when the first, which leads, steps down
	other.StopVault(0)
	return other.VaultAddress(2)
}

// seal seals Vault until the end of the test.
func (s *stack) seal() {
	s.t.Helper()
	if err := s.SealVault(s.t.Context(), 0); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := s.UnsealVault(context.Background()); err != nil {
			s.t.Error(err)
		}
	})
}

// stop ends Vault until the end of the test.
func (s *stack) stop() {
	s.StopVault(0)
	s.t.Cleanup(func() {
		if err := s.StartVault(context.Background(), 0); err != nil {
			s.t.Error(err)
		}
		if err := s.UnsealVault(context.Background()); err != nil {
			s.t.Error(err)
		}
	})
}

// deleting deletes the mapping, which its finalizer holds until the end of the test.
func (s *stack) deleting() {
	s.t.Helper()
	clients, err := kube.NewClients(s.RESTConfig())
	if err != nil {
		s.t.Fatal(err)
	}
	mappings := clients.ExternalSecrets(s.namespace)
	if err := mappings.Delete(s.t.Context(), "api-db", metav1.DeleteOptions{}); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		es, err := mappings.Get(context.Background(), "api-db", metav1.GetOptions{})
		if err == nil {
			es.Finalizers = nil
			_, err = mappings.Update(context.Background(), es, metav1.UpdateOptions{})
		}
		if err != nil {
			s.t.Error(err)
		}
	})
}

// workload makes a Deployment that reads the Secret by its environment, with a Pod
// that started long ago.
func (s *stack) workload() {
	s.t.Helper()
	labels := map[string]string{"app": "api"}
	pod := corev1.PodSpec{Containers: []corev1.Container{{
		Name: "api", Image: "api", EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "api-db"}}}},
	}}}
	s.deployment("api", labels, 1, pod)
	pods := s.Client().CoreV1().Pods(s.namespace)
	made, err := pods.Create(s.t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "api", Labels: labels}, Spec: pod}, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	long := metav1.NewTime(time.Now().Add(-48 * time.Hour))
	made.Status.StartTime = &long
	if _, err := pods.UpdateStatus(s.t.Context(), made, metav1.UpdateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}
