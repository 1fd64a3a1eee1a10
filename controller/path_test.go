package controller_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/controller"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// walkthrough puts the walkthrough's own manifests into the cluster, unchanged save
// for the address of the Vault that runs here.
func walkthrough(t *testing.T) *stage {
	t.Helper()
	s := newStage(t)
	vault := s.sb.RootVault(t)
	_ = vault.Sys().Unmount("secret")
	if _, err := vault.Logical().Write("sys/mounts/secret", map[string]any{"type": "kv", "options": map[string]any{"version": "2"}}); err != nil {
		t.Fatal(err)
	}
	sandbox.Eventually(t, func() error {
		_, err := vault.Logical().Write("secret/data/authelia", map[string]any{"data": map[string]any{"hmac-secret": "abc"}})
		return err
	})
	for _, namespace := range []string{"external-secrets", "apps"} {
		_, err := s.clients.Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	s.namespace = "external-secrets"
	s.token("vault-token", s.sb.RootToken)
	s.namespace = "apps"
	return s
}

// TestWalkthrough runs the program as its own process under the ServiceAccount of
// manifests/, with the manifests that people have in Git.
func TestWalkthrough(t *testing.T) {
	s := walkthrough(t)
	root, err := sandbox.Root()
	if err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", "bin/vaultsecret-controller", "./cmd/vaultsecret-controller")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	s.clients.Secrets("apps").Delete(t.Context(), "authelia-secrets", metav1.DeleteOptions{}) //nolint:errcheck // it may not be there
	s.kubectl("-n", "apps", "create", "secret", "generic", "authelia-secrets", "--from-literal=log-level=debug")
	t.Cleanup(s.sb.StopController)
	if err := s.sb.StartController(t.Context(), "--leader-elect", "--log-format=json"); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"cluster-secret-store.yaml", "external-secret.yaml"} {
		file = filepath.Join("..", "testdata", "walkthrough", file)
		s.kubectl("apply", "-f", file)
		t.Cleanup(func() {
			_ = exec.Command(s.sb.Binary("kubectl"), "--kubeconfig="+s.sb.Kubeconfig(), "delete", "--ignore-not-found", "-f", file).Run()
		})
	}
	s.wait("authelia-secrets", "True", eso.ReasonSynced, eso.MessageSynced)
	s.holds("authelia-secrets", "hmac-secret", "abc")
	s.holds("authelia-secrets", "log-level", "debug")
	for _, column := range []string{"STORETYPE", "STORE", "REFRESH INTERVAL", "STATUS", "READY", "LAST SYNC", "SecretSynced", "True", "1h"} {
		if out := s.kubectl("-n", "apps", "get", "externalsecret"); !strings.Contains(out, column) {
			t.Errorf("kubectl get externalsecret does not show %q:\n%s", column, out)
		}
	}
	// Rotated in Vault, and asked for as Argo CD does.
	if _, err := s.sb.RootVault(t).Logical().Write("secret/data/authelia", map[string]any{"data": map[string]any{"hmac-secret": "def"}}); err != nil {
		t.Fatal(err)
	}
	s.kubectl("-n", "apps", "annotate", "externalsecret", "authelia-secrets", "force-sync=1", "--overwrite")
	s.holds("authelia-secrets", "hmac-secret", "def")
	s.kubectl("-n", "apps", "delete", "externalsecret", "authelia-secrets")
	if secret := s.secret("authelia-secrets"); secret == nil || string(secret.Data["log-level"]) != "debug" {
		t.Error("deleting a Merge mapping took the Secret along")
	}
}

// TestTakeOver starts on a cluster as ESO 2.9.0 left it: no Secret is written, neither
// at the start nor when each is compared with what Vault holds. ESO had not refreshed
// all of them when the password changed, so the comparison is made for both values.
func TestTakeOver(t *testing.T) {
	for _, password := range []string{"changed", "s3cr3t"} {
		t.Run(password, func(t *testing.T) {
			s := walkthrough(t)
			if _, err := s.sb.RootVault(t).Logical().Write("secret/data/app/db", map[string]any{"data": map[string]any{"user": "app", "password": password, "tls.crt": "x"}}); err != nil {
				t.Fatal(err)
			}
			secrets, refreshed := recreate(s)
			versions, before := map[string]string{}, s.kubeRequests()
			for _, name := range secrets {
				versions[name] = s.secret(name).ResourceVersion
			}
			r := s.run(func(c *controller.Config) { c.Namespace = "" })
			s.wait("missing", "False", eso.ReasonSyncError, "does not exist")
			after := s.kubeRequests()
			for _, verb := range []string{"create secrets", "update secrets", "patch secrets", "delete secrets"} {
				if after[verb] != before[verb] {
					t.Errorf("at the start: %d times %s", after[verb]-before[verb], verb)
				}
			}
			s.kubectl("patch", "clustersecretstore", "vault", "--type=merge", "-p", `{"spec":{"retrySettings":{"maxRetries":1}}}`)
			sandbox.Eventually(t, func() error {
				if got := strings.Count(r.log.String(), "msg=synced"); got < refreshed {
					return fmt.Errorf("%d of %d mappings were compared with Vault", got, refreshed)
				}
				return nil
			})
			compared := 0
			for name, version := range versions {
				if held := s.passwords[name]; held != "" && held != password {
					continue
				}
				compared++
				if s.secret(name).ResourceVersion != version {
					t.Errorf("secret %s was written though it held what Vault holds", name)
				}
			}
			if compared == 0 {
				t.Errorf("no Secret held %s", password)
			}
		})
	}
}

// recreate makes the objects of the fixture anew, with the new UIDs in their owner
// references, and returns the names of the Secrets, and how many mappings refresh.
func recreate(s *stage) (names []string, refreshed int) {
	s.Helper()
	load := func(file string, into any) {
		raw, err := os.ReadFile(filepath.Join("..", "testdata", "eso-2.9.0", file))
		if err != nil {
			s.Fatal(err)
		}
		if err := json.Unmarshal(raw, into); err != nil {
			s.Fatal(err)
		}
	}
	var stores eso.ClusterSecretStoreList
	load("clustersecretstores.json", &stores)
	for _, store := range stores.Items {
		store.ResourceVersion, store.UID, store.ManagedFields = "", "", nil
		store.Spec.Provider.Vault.Server = s.sb.VaultAddress(0)
		s.kubectlQuiet("delete", "clustersecretstore", store.Name)
		if _, err := s.clients.ClusterSecretStores().Create(s.Context(), &store, metav1.CreateOptions{}); err != nil {
			s.Fatal(err)
		}
		s.Cleanup(func() { s.kubectlQuiet("delete", "clustersecretstore", store.Name) })
	}
	var mappings eso.ExternalSecretList
	load("externalsecrets.json", &mappings)
	uids := map[types.UID]types.UID{}
	for _, es := range mappings.Items {
		old, status := es.UID, es.Status
		s.kubectlQuiet("-n", es.Namespace, "delete", "externalsecret", es.Name, "--wait=false")
		s.kubectlQuiet("-n", es.Namespace, "patch", "externalsecret", es.Name, "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
		es.ResourceVersion, es.UID, es.ManagedFields = "", "", nil
		created, err := s.clients.ExternalSecrets(es.Namespace).Create(s.Context(), &es, metav1.CreateOptions{FieldManager: "kubectl"})
		if err != nil {
			s.Fatal(err)
		}
		s.Cleanup(func() { s.kubectlQuiet("-n", es.Namespace, "delete", "externalsecret", es.Name, "--wait=false") })
		uids[old] = created.UID
		if interval, _ := es.RefreshInterval(); status.Ready().Status == "True" && es.RefreshPolicy() == eso.RefreshPeriodic && interval > 0 {
			refreshed++
		}
		created.Status = status
		created.Status.RefreshTime = metav1.Now()
		if created.Generation != 1 {
			s.Fatalf("%s has generation %d", es.Name, created.Generation)
		}
		if _, err := s.clients.ExternalSecrets(es.Namespace).UpdateStatus(s.Context(), created, metav1.UpdateOptions{}); err != nil {
			s.Fatal(err)
		}
	}
	var secrets corev1.SecretList
	load("secrets.json", &secrets)
	s.passwords = map[string]string{}
	for _, secret := range secrets.Items {
		if secret.Labels[eso.LabelManaged] != "true" {
			continue
		}
		for i, owner := range secret.OwnerReferences {
			secret.OwnerReferences[i].UID = uids[owner.UID]
		}
		s.recreateSecret(secret)
		s.passwords[secret.Name] = string(secret.Data["password"])
		names = append(names, secret.Name)
	}
	return names, refreshed
}

// recreateSecret makes a Secret in two steps where two wrote it, so that each field has
// its manager again.
func (s *stage) recreateSecret(secret corev1.Secret) {
	s.Helper()
	manager, own := "", ""
	for _, f := range secret.ManagedFields {
		if strings.HasPrefix(f.Manager, "externalsecrets.") {
			manager, own = f.Manager, f.FieldsV1.GetRawString()
		}
	}
	secret.ResourceVersion, secret.UID, secret.ManagedFields = "", "", nil
	foreign := corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: secret.Name}, Type: secret.Type, Data: map[string][]byte{}}
	for key, value := range secret.Data {
		if !strings.Contains(own, `"f:`+key+`"`) {
			foreign.Data[key] = value
		}
	}
	client := s.clients.Secrets(secret.Namespace)
	s.kubectlQuiet("-n", secret.Namespace, "delete", "secret", secret.Name)
	var err error
	if len(foreign.Data) == 0 {
		_, err = client.Create(s.Context(), &secret, metav1.CreateOptions{FieldManager: manager})
	} else if _, err = client.Create(s.Context(), &foreign, metav1.CreateOptions{FieldManager: "kubectl-create"}); err == nil {
		_, err = client.Update(s.Context(), &secret, metav1.UpdateOptions{FieldManager: manager})
	}
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) kubectlQuiet(args ...string) {
	args = append(args, "--kubeconfig="+s.sb.Kubeconfig())
	if slices.Contains(args, "delete") {
		args = append(args, "--ignore-not-found")
	}
	_ = exec.Command(s.sb.Binary("kubectl"), args...).Run()
}

// TestLifecycle: the Secret of an Owner goes with its mapping, also when ESO's
// finalizer is on it; a renamed target leaves nothing behind.
func TestLifecycle(t *testing.T) {
	s := ready(t)
	s.run()
	s.mapping("db", func(es *eso.ExternalSecret) { es.Finalizers = []string{eso.FinalizerExternalSecret} })
	s.holds("db", "password", "s3cr3t")
	s.edit("db", func(es *eso.ExternalSecret) { es.Spec.Target.Name = "renamed" })
	s.holds("renamed", "password", "s3cr3t")
	gone := func(name string) {
		sandbox.Eventually(t, func() error {
			if s.secret(name) != nil {
				return fmt.Errorf("secret %s is still there", name)
			}
			return nil
		})
	}
	gone("db")
	if err := s.clients.ExternalSecrets(s.namespace).Delete(t.Context(), "db", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	sandbox.Eventually(t, func() error {
		_, err := s.clients.ExternalSecrets(s.namespace).Get(t.Context(), "db", metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("the mapping is still there: %v", err)
		}
		return nil
	})
	gone("renamed")
}

// A deletion that is proven is carried out under deletionPolicy Delete.
func TestDeletesWhatVaultNoLongerHas(t *testing.T) {
	s := ready(t)
	s.run()
	s.mapping("db", func(es *eso.ExternalSecret) { es.Spec.Target.DeletionPolicy = eso.DeleteDelete })
	s.mapping("kept")
	s.holds("db", "password", "s3cr3t")
	s.holds("kept", "password", "s3cr3t")
	if _, err := s.sb.RootVault(t).Logical().Delete(s.mount + "/metadata/app/db"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"db", "kept"} {
		s.edit(name, func(es *eso.ExternalSecret) { es.Annotations = map[string]string{eso.AnnotationForceSync: "1"} })
	}
	s.wait("db", "True", eso.ReasonDeleted, eso.MessageDeleted)
	s.wait("kept", "False", eso.ReasonSyncError, "does not exist")
	if s.secret("db") != nil || s.secret("kept") == nil {
		t.Error("deletionPolicy was not followed")
	}
	s.sb.Put(t, s.mount, "app/db", map[string]any{"password": "back"})
	s.edit("db", func(es *eso.ExternalSecret) { es.Annotations = map[string]string{eso.AnnotationForceSync: "2"} })
	s.holds("db", "password", "back")
}

// TestOnce: one pass, and the exit says whether all is well.
func TestOnce(t *testing.T) {
	s := ready(t)
	s.mapping("db")
	once := func(c *controller.Config) { c.Once, c.MetricsAddress = true, "0" }
	if err := controller.Run(t.Context(), s.config(once), new(buffer)); err != nil {
		t.Errorf("all is well, and yet: %v", err)
	}
	s.holds("db", "password", "s3cr3t")
	s.mapping("bad", func(es *eso.ExternalSecret) { es.Spec.Data[0].RemoteRef.Key = "nope" })
	if err := controller.Run(t.Context(), s.config(once), new(buffer)); !errors.Is(err, controller.ErrFailed) {
		t.Errorf("a mapping fails, and yet: %v", err)
	}
	s.wait("bad", "False", eso.ReasonSyncError)
}
