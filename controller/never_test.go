package controller_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"vaultsecret.io/kubectl-vaultsecret/controller"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// No value of a Secret reaches a status, event, log line or metric, in any form,
// whatever goes wrong with it.
func TestNeverShowsAValue(t *testing.T) {
	const canary = "c4n4ry-8d1fe2a90b"
	s := ready(t)
	s.sb.Put(t, s.mount, "app/db", map[string]any{"password": canary, "nested": map[string]any{"deep": canary}, "json": `{"a":"` + canary + `"`})
	s.token("bad-token", canary)
	s.store(func(store *eso.SecretStore) {
		store.Name, store.Spec.Provider.Vault.Auth.TokenSecretRef.Name = "bad", "bad-token"
	})
	r := s.run()
	entry := func(change func(*eso.Data)) func(*eso.ExternalSecret) {
		return func(es *eso.ExternalSecret) { change(&es.Spec.Data[0]) }
	}
	template := func(text string) func(*eso.ExternalSecret) {
		return func(es *eso.ExternalSecret) {
			es.Spec.Target.Template = &eso.Template{Data: map[string]string{"x": text}}
		}
	}
	broken := map[string]func(*eso.ExternalSecret){
		"bad-store": func(es *eso.ExternalSecret) { es.Spec.SecretStoreRef.Name = "bad" },
		"decoding":  entry(func(d *eso.Data) { d.RemoteRef.DecodingStrategy = "Base64" }),
		"deeper":    entry(func(d *eso.Data) { d.RemoteRef.Property = "password.deeper" }),
		"fail":      template(`{{ fail .password }}`),
		"atoi":      template(`{{ index .password 99999 }}`),
		"json":      template(`{{ .password | mustFromJson }}`),
		"label": func(es *eso.ExternalSecret) {
			es.Spec.Target.Template = &eso.Template{Metadata: eso.TemplateMetadata{Labels: map[string]string{"x": "{{ .password }} !"}}}
		},
		"key": func(es *eso.ExternalSecret) {
			es.Spec.Data, es.Spec.DataFrom = nil, []eso.DataFrom{{
				Extract: &eso.RemoteRef{Key: "app/db", Property: "json"},
			}}
		},
	}
	s.mapping("fine")
	for name, change := range broken {
		s.mapping(name, change)
	}
	s.wait("fine", "True", eso.ReasonSynced)
	for name := range broken {
		s.wait(name, "False", eso.ReasonSyncError)
		s.warning(name)
	}
	shown := map[string]string{
		"log": r.log.String(), "metrics": r.scrape(t),
		"status": s.kubectl("-n", s.namespace, "get", "externalsecrets,secretstores", "-o", "json"),
		"events": s.kubectl("-n", s.namespace, "get", "events", "-o", "json"),
	}
	forms := []string{canary, base64.StdEncoding.EncodeToString([]byte(canary))[:20], hex.EncodeToString([]byte(canary)), strings.ToUpper(canary), canary[:12]}
	for where, text := range shown {
		for _, form := range forms {
			if i := strings.Index(text, form); i >= 0 {
				t.Errorf("%s show the value as %q: …%s…", where, form, text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
}

// Texts do not vary from try to try, so that an unchanged failure writes nothing.
func TestNeverWritesTheSameFailureTwice(t *testing.T) {
	s := newStage(t)
	s.token("vault-token", "t")
	s.store(func(store *eso.SecretStore) { store.Spec.Provider.Vault.Server = "http://" + freeAddress(t) })
	r := s.run()
	s.mapping("db")
	s.wait("db", "False", eso.ReasonSyncError, "connection refused")
	s.warning("db", "connection refused")
	failures := func() string { return r.scrapeLine(t, "externalsecret_sync_calls_error") }
	first := failures()
	sandbox.Eventually(t, func() error {
		if now := failures(); now == first {
			return fmt.Errorf("not tried again yet: %s", now)
		}
		return nil
	})
	got := s.kubeRequests()
	if got["patch externalsecrets/status"] != 1 || got["create events"] > 2 || got["patch events"] != 0 {
		t.Errorf("a lasting failure cost %v", got)
	}
}

// scrapeLine is the sample of a metric.
func (r *running) scrapeLine(t testing.TB, metric string) string {
	for line := range strings.Lines(r.scrape(t)) {
		if strings.HasPrefix(line, metric) {
			return line
		}
	}
	return ""
}

// A store that never answers, with many mappings, holds up nobody else.
func TestNeverLetsOneStoreBlockAnother(t *testing.T) {
	s := ready(t)
	release := make(chan struct{})
	hostile := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(hostile.Close)
	t.Cleanup(func() { close(release) })
	s.store(func(store *eso.SecretStore) { store.Name, store.Spec.Provider.Vault.Server = "hostile", hostile.URL })
	for i := range 30 {
		s.mapping(fmt.Sprintf("stuck%d", i), func(es *eso.ExternalSecret) { es.Spec.SecretStoreRef.Name = "hostile" })
	}
	s.run(func(c *controller.Config) { c.Concurrency = 2 })
	s.mapping("db")
	s.holds("db", "password", "s3cr3t")
	s.wait("db", "True", eso.ReasonSynced)
}

// Vault loses a whole mount's content: nothing is deleted, and it is said.
func TestNeverDeletesAStoresSecretsInMasses(t *testing.T) {
	s := ready(t)
	names := []string{"a", "b", "c", "d", "e", "f"}
	for _, name := range names {
		s.mapping(name, func(es *eso.ExternalSecret) { es.Spec.Target.DeletionPolicy = eso.DeleteDelete })
	}
	s.run()
	for _, name := range names {
		s.wait(name, "True", eso.ReasonSynced)
	}
	if _, err := s.sb.RootVault(t).Logical().Delete(s.mount + "/metadata/app/db"); err != nil {
		t.Fatal(err)
	}
	store, err := s.clients.SecretStores(s.namespace).Get(t.Context(), "vault", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	retries := int32(1)
	store.Spec.RetrySettings = &eso.RetrySettings{MaxRetries: &retries}
	if _, err := s.clients.SecretStores(s.namespace).Update(t.Context(), store, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		s.wait(name, "False", eso.ReasonSyncError, eso.MessageNotDeleted, "6 of the 6 mappings", "--max-delete-percent")
		if s.secret(name) == nil {
			t.Errorf("secret %s was deleted", name)
		}
	}
	s.warning("a", "nothing is deleted")
}

// A mount that is gone is no proof that what was in it is gone.
func TestNeverDeletesWhenTheMountIsGone(t *testing.T) {
	s := ready(t)
	s.token("vault-token", s.sb.RootToken)
	s.run()
	s.mapping("db", func(es *eso.ExternalSecret) { es.Spec.Target.DeletionPolicy = eso.DeleteDelete })
	s.holds("db", "password", "s3cr3t")
	if err := s.sb.RootVault(t).Sys().Unmount(s.mount); err != nil {
		t.Fatal(err)
	}
	s.edit("db", func(es *eso.ExternalSecret) { es.Annotations = map[string]string{eso.AnnotationForceSync: "1"} })
	s.wait("db", "False", eso.ReasonSyncError, "spec.provider.vault.path")
	if s.secret("db") == nil {
		t.Error("the Secret was deleted")
	}
}

// The rendered role allows what the code calls, and nothing else. What it calls is
// what the API server saw of every test of this package that ran before; so that this
// one stands alone too, it calls all itself.
func TestNeverHoldsMoreRightsThanItUses(t *testing.T) {
	s := ready(t)
	s.token("bad", "hvs.none")
	s.run(s.restarting(), func(c *controller.Config) {
		c.Namespace, c.LeaderElect, c.LeaseNamespace = "", true, "vaultsecret-system"
	})
	s.useEverything()
	used := map[string]bool{}
	lines(t, s.sb.KubernetesAuditLog(), func(r kubeRequest) {
		if r.User.Username != account || r.ObjectRef.Resource == "" {
			return
		}
		resource := r.ObjectRef.Resource
		if r.ObjectRef.Subresource != "" {
			resource += "/" + r.ObjectRef.Subresource
		}
		used[r.Verb+" "+r.ObjectRef.APIGroup+"/"+resource] = true
		if r.Verb == "watch" { // an API server that does not stream lists is asked for them
			used["list "+r.ObjectRef.APIGroup+"/"+resource] = true
		}
	})
	// The API server asks for this right itself where it enforces owner references.
	used["update "+eso.Group+"/externalsecrets/finalizers"] = true
	// An event that repeats is counted on the event that is there.
	used["patch /events"] = true
	for _, rule := range s.rules(s.withRestart()) {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					if group == "*" || resource == "*" || verb == "*" {
						t.Errorf("a wildcard: %v", rule)
					}
					if right := verb + " " + group + "/" + resource; !used[right] {
						t.Errorf("a right that nothing uses: %s", right)
					}
				}
			}
		}
	}
}

// useEverything makes the controller call all that it may call.
func (s *stage) useEverything() {
	s.Helper()
	s.restartEverything()
	s.mapping("db", func(es *eso.ExternalSecret) {
		es.Finalizers = []string{eso.FinalizerExternalSecret}
		es.Spec.Target.Template = &eso.Template{TemplateFrom: []eso.TemplateFrom{{ConfigMap: &eso.TemplateRef{Name: "source", Items: []eso.TemplateRefItem{{Key: "k"}}}}}}
	})
	s.kubectl("-n", s.namespace, "create", "configmap", "source", "--from-literal=k={{ .password }}")
	s.wait("db", "True", eso.ReasonSynced)
	s.edit("db", func(es *eso.ExternalSecret) { es.Spec.Target.Template = nil })
	s.holds("db", "password", "s3cr3t")
	s.edit("db", func(es *eso.ExternalSecret) { es.Spec.Target.Name = "renamed" })
	s.holds("renamed", "password", "s3cr3t")
	cluster := &eso.ClusterSecretStore{
		TypeMeta:   metav1.TypeMeta{APIVersion: eso.GroupVersion().String(), Kind: eso.KindClusterSecretStore},
		ObjectMeta: metav1.ObjectMeta{Name: s.namespace},
		Spec: eso.StoreSpec{Provider: eso.Provider{Vault: &eso.VaultProvider{
			Server: s.sb.VaultAddress(0), Path: &s.mount,
			Auth: &eso.VaultAuth{Kubernetes: &eso.KubernetesAuth{Path: "kubernetes", Role: "app", ServiceAccountRef: &eso.ServiceAccountSelector{Name: "default", Namespace: &s.namespace}}},
		}}},
	}
	if _, err := s.clients.ClusterSecretStores().Create(s.Context(), cluster, metav1.CreateOptions{}); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { s.kubectlQuiet("delete", "clustersecretstore", s.namespace) })
	sandbox.Eventually(s, func() error {
		got, err := s.clients.ClusterSecretStores().Get(s.Context(), s.namespace, metav1.GetOptions{})
		if err == nil && got.Status.Ready() == nil {
			err = fmt.Errorf("ClusterSecretStore %s has no condition yet", s.namespace)
		}
		return err
	})
	s.kubectl("-n", s.namespace, "delete", "externalsecret", "db")
	// As a PushSecret of ESO's leaves them.
	for _, store := range [][]string{{"-n", s.namespace, "secretstore", "vault"}, {"clustersecretstore", s.namespace}} {
		s.kubectl(append([]string{"patch", "--type=merge", "-p", `{"metadata":{"finalizers":["` + eso.FinalizerStore + `"]}}`}, store...)...)
		s.kubectl(append([]string{"delete"}, store...)...)
	}
}

// restartEverything has a workload of each kind restarted.
func (s *stage) restartEverything() {
	s.Helper()
	s.deployment("web", "restarted")
	if _, err := s.clients.StatefulSets(s.namespace).Create(s.Context(), &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "db"}, Spec: appsv1.StatefulSetSpec{Selector: selector, Template: template("restarted")},
	}, metav1.CreateOptions{}); err != nil {
		s.Fatal(err)
	}
	if _, err := s.clients.DaemonSets(s.namespace).Create(s.Context(), &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Name: "agent"}, Spec: appsv1.DaemonSetSpec{Selector: selector, Template: template("restarted")},
	}, metav1.CreateOptions{}); err != nil {
		s.Fatal(err)
	}
	s.mapping("restarted", auto)
	s.wait("restarted", "True", eso.ReasonSynced)
	s.done("restarted")
	s.change("app/db", "second", "restarted")
	s.done("restarted")
	s.sb.Put(s, s.mount, "app/db", map[string]any{"user": "app", "password": "s3cr3t"})
}

// rules are those of a kustomization that are bound to the ServiceAccount.
func (s *stage) rules(kustomization string) []rbacv1.PolicyRule {
	s.Helper()
	var rules []rbacv1.PolicyRule
	for doc := range strings.SplitSeq(s.kubectl("kustomize", kustomization), "\n---\n") {
		var role rbacv1.ClusterRole
		if err := yaml.Unmarshal([]byte(doc), &role); err != nil {
			s.Fatal(err)
		}
		if slices.Contains([]string{"ClusterRole", "Role"}, role.Kind) && strings.HasPrefix(role.Name, "vaultsecret-controller") {
			rules = append(rules, role.Rules...)
		}
	}
	if len(rules) == 0 {
		s.Fatal("the manifests hold no rules")
	}
	return rules
}

// With --namespace the manifests grant nothing cluster-wide, and it works so.
func TestNeverNeedsTheClusterForOneNamespace(t *testing.T) {
	s := ready(t)
	root, err := sandbox.Root()
	if err != nil {
		t.Fatal(err)
	}
	rendered := s.kubectl("kustomize", filepath.Join(root, "manifests", "namespaced"))
	if strings.Contains(rendered, "kind: ClusterRole") {
		t.Error("the namespaced manifests hold a ClusterRole")
	}
	rendered = strings.NewReplacer("namespace: apps", "namespace: "+s.namespace).Replace(rendered)
	apply := exec.CommandContext(t.Context(), s.sb.Binary("kubectl"), "--kubeconfig="+s.sb.Kubeconfig(), "apply", "-f", "-")
	apply.Stdin = strings.NewReader(rendered)
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	kubeconfig, err := s.sb.ServiceAccountKubeconfig(t.Context(), s.namespace, "vaultsecret-controller")
	if err != nil {
		t.Fatal(err)
	}
	s.run(func(c *controller.Config) { c.Kubeconfig, c.RestartWorkloads = kubeconfig, true })
	s.mapping("db", auto)
	s.holds("db", "password", "s3cr3t")
	s.wait("db", "True", eso.ReasonSynced)
	// Restarts are asked for and not granted: it is said, and what is missing.
	s.event(eso.KindExternalSecret, "db", eso.EventRestartFailed, "listing the Deployments", "manifests/restart")
	restart := s.kubectl("kustomize", filepath.Join(root, "manifests", "restart", "namespaced"))
	if strings.Contains(restart, "kind: ClusterRole") {
		t.Error("the namespaced restart manifests hold a ClusterRole")
	}
}
