package kube_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	rbacv1client "k8s.io/client-go/kubernetes/typed/rbac/v1"
	"k8s.io/client-go/rest"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// seen notes what handlers are told.
type seen struct {
	mu   sync.Mutex
	told map[string]int
}

func (s *seen) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told[fmt.Sprintf(format, args...)]++
}

func (s *seen) await(t *testing.T, what string) {
	t.Helper()
	sandbox.Eventually(t, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.told[what] == 0 {
			return fmt.Errorf("the handlers were not told of %q", what)
		}
		return nil
	})
}

func (s *seen) handlers() kube.Handlers {
	return kube.Handlers{
		Mapping: func(es *eso.ExternalSecret, deleted bool) { s.note("ExternalSecret %s %t", es.Name, deleted) },
		Store:   func(store eso.Store, deleted bool) { s.note("%s %s %t", store.Kind, store.Meta.Name, deleted) },
		Object: func(kind string, meta *metav1.ObjectMeta, deleted bool) {
			s.note("%s %s %s %t", kind, meta.Namespace, meta.Name, deleted)
		},
		Namespace: func(name string) { s.note("Namespace %s", name) },
	}
}

func watch(t *testing.T, c *kube.Clients, namespace string) (*kube.Watches, *seen) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	w, err := kube.NewWatches(ctx, c, namespace, quiet())
	if err != nil {
		t.Fatal(err)
	}
	s := &seen{told: map[string]int{}}
	if err := w.Handle(s.handlers()); err != nil {
		t.Fatal(err)
	}
	if err := w.Start(ctx); err != nil {
		t.Fatal(err)
	}
	return w, s
}

func clusterStore(t *testing.T, c *kube.Clients, name string) {
	t.Helper()
	made := &eso.ClusterSecretStore{ObjectMeta: metav1.ObjectMeta{Name: name}}
	made.Spec.Provider.Vault = &eso.VaultProvider{Server: "http://vault.vault.svc:8200"}
	if _, err := c.ClusterSecretStores().Create(t.Context(), made, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.ClusterSecretStores().Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
}

func TestWatchesTellAndHold(t *testing.T) {
	c, namespace, _ := stack(t)
	clusterStore(t, c, "store-"+namespace)
	es := mapping1(t, c, namespace, "before", nil)
	w, told := watch(t, c, "")
	if w.ExternalSecret(namespace, "before") == nil || told.told["ExternalSecret before false"] != 1 {
		t.Fatalf("after Start the mapping is not held, or the handlers were not told once: %v", told.told)
	}
	secrets := kube.Secrets{Clients: c, Watches: w}
	if version, known := secrets.Version(namespace, "before"); version != "" || !known {
		t.Errorf("Version of an absent Secret = %q, %t", version, known)
	}
	_, stored := sync1(t, secrets, es, desired("a", "1"))
	told.await(t, "Secret "+namespace+" before false")
	if version, marked := w.SecretVersion(namespace, "before"); version != stored.ResourceVersion || !marked {
		t.Errorf("SecretVersion = %s, %t, want %s, true", version, marked, stored.ResourceVersion)
	}
	if owned := w.Owned(namespace, es.UID); len(owned) != 1 || owned[0].Name != "before" || len(owned[0].ManagedFields) != 0 {
		t.Errorf("Owned = %v, want one slim Secret", owned)
	}
	if owned := w.Owned("elsewhere", es.UID); len(owned) != 0 {
		t.Errorf("Owned in another namespace = %v", owned)
	}
	objects := kube.Objects{Clients: c, Watches: w}
	store, found, err := objects.Store(t.Context(), eso.StoreRef{Kind: eso.KindClusterSecretStore, Name: "store-" + namespace}, namespace)
	if err != nil || !found || store.Kind != eso.KindClusterSecretStore {
		t.Errorf("Store = %v, %t, %v", store, found, err)
	}
	if _, found, err := objects.Store(t.Context(), eso.StoreRef{Name: "none"}, namespace); found || err != nil {
		t.Errorf("a store that is not there: %t, %v", found, err)
	}
	if labels, err := objects.NamespaceLabels(t.Context(), namespace); err != nil || labels["kubernetes.io/metadata.name"] != namespace {
		t.Errorf("NamespaceLabels = %v, %v", labels, err)
	}
	if err := c.ExternalSecrets(namespace).Delete(t.Context(), "before", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	told.await(t, "ExternalSecret before true")
	told.await(t, "Secret "+namespace+" before true") // the garbage collector's work
}

func TestWatchesGoOnAfterAnOutage(t *testing.T) {
	admin, namespace, _ := stack(t)
	config := shared.Sandbox(t).RESTConfig()
	line := wire(t, config)
	w, told := watch(t, connect(t, config), "")
	line.pull()
	mapping1(t, admin, namespace, "meanwhile", nil)
	if !w.Synced() {
		t.Error("an outage made the watches forget that they were in sync")
	}
	line.plug()
	told.await(t, "ExternalSecret meanwhile false")
	mapping1(t, admin, namespace, "after", nil)
	told.await(t, "ExternalSecret after false")
}

// With a Role alone there is no right to read what is not of a namespace.
func TestWatchesOfOneNamespace(t *testing.T) {
	admin, namespace, _ := stack(t)
	clusterStore(t, admin, "store-"+namespace)
	read := []string{"get", "list", "watch"}
	rbac, err := rbacv1client.NewForConfig(admin.Config)
	if err != nil {
		t.Fatal(err)
	}
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "controller"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{eso.Group}, Resources: []string{"externalsecrets", "secretstores"}, Verbs: read},
		{APIGroups: []string{""}, Resources: []string{"secrets", "configmaps"}, Verbs: read},
	}}
	if _, err := rbac.Roles(namespace).Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "controller"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "controller"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "of-" + namespace}},
	}
	if _, err := rbac.RoleBindings(namespace).Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	config := shared.Sandbox(t).RESTConfig()
	config.Impersonate = rest.ImpersonationConfig{UserName: "of-" + namespace}
	c := connect(t, config)
	mapping1(t, admin, namespace, "db", nil)
	sandbox.Eventually(t, func() error { // rights take a moment
		_, err := c.ExternalSecrets(namespace).List(t.Context(), metav1.ListOptions{})
		return err
	})
	w, _ := watch(t, c, namespace)
	if w.ExternalSecret(namespace, "db") == nil {
		t.Error("the mapping is not held")
	}
	if _, found, err := (kube.Objects{Clients: c, Watches: w}).Store(t.Context(), eso.StoreRef{Kind: eso.KindClusterSecretStore, Name: "store-" + namespace}, namespace); found || err == nil {
		t.Errorf("a ClusterSecretStore that may not be read: %t, %v; want an error, not an absence", found, err)
	}
}

// A Secret that stores refer to is read once, and again when it changed.
func TestClusterReadsWhatChanged(t *testing.T) {
	c, namespace, sent := stack(t)
	w, told := watch(t, c, "")
	cluster := &kube.Cluster{Clients: c, Watches: w}
	path := "/namespaces/" + namespace + "/secrets/approle"
	if secret, err := cluster.Secret(t.Context(), namespace, "approle"); secret != nil || err != nil {
		t.Fatalf("an absent Secret: %v, %v; want nil, nil", secret, err)
	}
	if _, err := c.Secrets(namespace).Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "approle"}, Data: map[string][]byte{"id": []byte("1")}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	told.await(t, "Secret "+namespace+" approle false")
	before := sent.count("GET", path)
	for range 5 {
		if secret, err := cluster.Secret(t.Context(), namespace, "approle"); err != nil || string(secret.Data["id"]) != "1" {
			t.Fatalf("Secret = %v, %v", secret, err)
		}
	}
	if n := sent.count("GET", path) - before; n != 1 {
		t.Errorf("%d reads of an unchanged Secret, want 1", n)
	}
	if _, err := c.Secrets(namespace).Update(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "approle"}, Data: map[string][]byte{"id": []byte("2")}}, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	sandbox.Eventually(t, func() error {
		if secret, err := cluster.Secret(t.Context(), namespace, "approle"); err != nil || string(secret.Data["id"]) != "2" {
			return fmt.Errorf("the changed Secret is not seen: %v", err)
		}
		return nil
	})
	if configMap, err := cluster.ConfigMap(t.Context(), namespace, "kube-root-ca.crt-none"); configMap != nil || err != nil {
		t.Errorf("an absent ConfigMap: %v, %v; want nil, nil", configMap, err)
	}
}

func TestServiceAccountToken(t *testing.T) {
	c, namespace, _ := stack(t)
	cluster := &kube.Cluster{Clients: c}
	sandbox.Eventually(t, func() error {
		token, err := cluster.ServiceAccountToken(t.Context(), namespace, "default", []string{"vault"}, 600e9)
		if err == nil && len(token) == 0 {
			return fmt.Errorf("the ServiceAccount is not there yet")
		}
		return err
	})
	if token, err := cluster.ServiceAccountToken(t.Context(), namespace, "nobody", nil, 600e9); token != nil || err != nil {
		t.Errorf("of a ServiceAccount that does not exist: %v, %v; want nil, nil", token, err)
	}
}
