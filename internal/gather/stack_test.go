package gather_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

var shared = sandbox.Shared{Config: sandbox.Config{CRDs: true}}

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// stack is one test's corner of the sandbox: a namespace, a mount with one secret,
// a token that may read it, a SecretStore and a mapping over them. With mended
// manifests everything is healthy.
type stack struct {
	*sandbox.Sandbox
	t         *testing.T
	namespace string
	mount     string
	token     string

	// long is the token that healthy stores, when a test has made one; synced the
	// time of the last sync.
	long   string
	synced time.Time
	// made is the last token of shortToken.
	made string
	// change changes how the look is taken; after runs when all is applied.
	change func(*gather.Config)
	after  func()
}

func newStack(t *testing.T) *stack {
	t.Helper()
	sb := shared.Sandbox(t)
	s := &stack{Sandbox: sb, t: t, namespace: sb.Namespace(t), mount: sb.KVMount(t, 2)}
	sb.Put(t, s.mount, "app/db", map[string]any{"user": "app", "password": canary})
	s.token = sb.VaultToken(t, fmt.Sprintf(`path "%s/data/*" { capabilities = ["read"] }`, s.mount))
	return s
}

// canary is the value that nothing may ever print.
const canary = "canary-c1e7-value"

func (s *stack) credential(token string) {
	s.t.Helper()
	_, err := s.Client().CoreV1().Secrets(s.namespace).Create(s.t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "vault-token"}, Data: map[string][]byte{"token": []byte(token)},
	}, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *stack) store() string {
	return fmt.Sprintf(`
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: vault}
spec:
  provider:
    vault:
      server: %s
      path: %s
      version: v2
      auth: {tokenSecretRef: {name: vault-token, key: token}}
`, s.VaultAddress(0), s.mount)
}

const mappingDoc = `
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: api-db}
spec:
  refreshInterval: 1h
  secretStoreRef: {name: vault, kind: SecretStore}
  data:
  - secretKey: password
    remoteRef: {key: app/db, property: password}
`

// apply creates an object in the stack's namespace, status included.
func (s *stack) apply(doc string) {
	s.t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(doc), &object.Object); err != nil {
		s.t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(s.RESTConfig())
	if err != nil {
		s.t.Fatal(err)
	}
	resource := schema.GroupVersionResource{Group: eso.Group, Version: object.GroupVersionKind().Version, Resource: strings.ToLower(object.GetKind()) + "s"}
	var target dynamic.ResourceInterface = client.Resource(resource)
	if object.GetKind() != eso.KindClusterSecretStore {
		target = client.Resource(resource).Namespace(s.namespace)
	}
	created, err := target.Create(s.t.Context(), object, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	if object.GetKind() == eso.KindClusterSecretStore {
		s.t.Cleanup(func() { _ = target.Delete(context.Background(), object.GetName(), metav1.DeleteOptions{}) })
	}
	if status, ok := object.Object["status"]; ok {
		created.Object["status"] = status
		if _, err := target.UpdateStatus(s.t.Context(), created, metav1.UpdateOptions{}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// gatherer looks as the sandbox's administrator.
func (s *stack) gatherer(change func(*gather.Config)) *gather.Gatherer {
	s.t.Helper()
	clients, err := kube.NewClients(s.RESTConfig())
	if err != nil {
		s.t.Fatal(err)
	}
	config := gather.Config{Clients: clients, Timeout: 20 * time.Second}
	if change != nil {
		change(&config)
	}
	g := gather.New(config)
	s.t.Cleanup(func() { g.Close(context.Background()) })
	return g
}

func (s *stack) diagnose(change func(*gather.Config)) (diagnose.Facts, diagnose.Report) {
	s.t.Helper()
	f := s.gatherer(change).Facts(s.t.Context(), s.namespace, "api-db", nil)
	return f, diagnose.Run(f)
}

// other makes another mapping in the namespace and returns its UID.
func (s *stack) other(name string) types.UID {
	s.t.Helper()
	clients, err := kube.NewClients(s.RESTConfig())
	if err != nil {
		s.t.Fatal(err)
	}
	made, err := clients.ExternalSecrets(s.namespace).Create(s.t.Context(), &eso.ExternalSecret{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: eso.ExternalSecretSpec{
			SecretStoreRef: &eso.StoreRef{Name: "vault"},
			Data:           []eso.Data{{SecretKey: "k", RemoteRef: eso.RemoteRef{Key: "k"}}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return made.UID
}
