package controller_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/controller"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// restarting turns restarts on, under the rights of manifests/restart.
func (s *stage) restarting() func(*controller.Config) {
	s.Helper()
	s.kubectl("apply", "--server-side", "--force-conflicts", "-k", s.withRestart())
	return func(c *controller.Config) { c.RestartWorkloads = true }
}

// withRestart is a kustomization of manifests/ with the component manifests/restart.
func (s *stage) withRestart() string {
	s.Helper()
	root, err := sandbox.Root()
	if err != nil {
		s.Fatal(err)
	}
	dir := s.TempDir()
	rel, err := filepath.Rel(dir, filepath.Join(root, "manifests"))
	if err != nil {
		s.Fatal(err)
	}
	text := fmt.Sprintf("resources: [%s]\ncomponents: [%s]\n", rel, filepath.Join(rel, "restart"))
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
	return dir
}

func auto(es *eso.ExternalSecret) {
	es.Annotations = map[string]string{eso.AnnotationRestart: "auto"}
}

// template is a Pod that takes its environment from Secrets.
func template(secrets ...string) corev1.PodTemplateSpec {
	c := corev1.Container{Name: "app", Image: "registry.example/app:1"}
	for _, name := range secrets {
		c.EnvFrom = append(c.EnvFrom, corev1.EnvFromSource{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}})
	}
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "x"}}, Spec: corev1.PodSpec{Containers: []corev1.Container{c}},
	}
}

var selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}}

// deployment creates one whose Pods take their environment from Secrets.
func (s *stage) deployment(name string, secrets ...string) {
	s.Helper()
	_, err := s.clients.Deployments(s.namespace).Create(s.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       appsv1.DeploymentSpec{Selector: selector, Template: template(secrets...)},
	}, metav1.CreateOptions{})
	if err != nil {
		s.Fatal(err)
	}
}

// restarts returns once a Deployment was restarted so many times, and the Secrets that
// it was restarted for last.
func (s *stage) restarts(name string, times int64) []string {
	s.Helper()
	var secrets []string
	sandbox.Eventually(s, func() error {
		d, err := s.clients.Deployments(s.namespace).Get(s.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if d.Generation-1 != times {
			return fmt.Errorf("deployment %s was restarted %d times, want %d", name, d.Generation-1, times)
		}
		secrets = nil
		for part := range strings.SplitSeq(d.Spec.Template.Annotations[kube.AnnotationRestarted], ",") {
			secret, _, _ := strings.Cut(part, "=")
			secrets = append(secrets, secret)
		}
		return nil
	})
	return secrets
}

// done returns once nothing is owed for a Secret.
func (s *stage) done(secret string) {
	s.Helper()
	sandbox.Eventually(s, func() error {
		if read := s.secret(secret); read == nil || read.Annotations[eso.AnnotationRestartPending] != "" {
			return fmt.Errorf("workloads are owed a restart for secret %s", secret)
		}
		return nil
	})
}

// change writes a password to Vault and asks the mappings for it.
func (s *stage) change(path, password string, mappings ...string) {
	s.Helper()
	s.sb.Put(s, s.mount, path, map[string]any{"user": "app", "password": password})
	for _, name := range mappings {
		s.forceSync(name)
		s.holds(name, "password", password)
	}
}

// forceSync asks for a sync and returns once it was made.
func (s *stage) forceSync(name string) {
	s.Helper()
	s.edit(name, func(es *eso.ExternalSecret) {
		es.Annotations = maps.Clone(es.Annotations)
		if es.Annotations == nil {
			es.Annotations = map[string]string{}
		}
		es.Annotations[eso.AnnotationForceSync] += "x"
	})
	sandbox.Eventually(s, func() error {
		es, err := s.clients.ExternalSecrets(s.namespace).Get(s.Context(), name, metav1.GetOptions{})
		if err == nil && es.Status.SyncedResourceVersion != eso.SyncedResourceVersion(&es.ObjectMeta) {
			err = fmt.Errorf("%s was not synced yet", name)
		}
		return err
	})
}

// event returns once an object has an event of the reason that holds each part.
func (s *stage) event(kind, name, reason string, parts ...string) {
	s.Helper()
	sandbox.Eventually(s, func() error {
		events, err := s.clients.Events(s.namespace).List(s.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		var texts []string
		for _, e := range events.Items {
			if e.InvolvedObject.Kind != kind || e.InvolvedObject.Name != name || e.Reason != reason {
				continue
			}
			texts = append(texts, e.Message)
			if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(e.Message, part) }) {
				return nil
			}
		}
		return fmt.Errorf("no event %s on %s %s holds %q: %q", reason, kind, name, parts, texts)
	})
}

func TestRestartsWhatUsesTheSecretOncePerChange(t *testing.T) {
	s := ready(t)
	for name, secrets := range map[string][]string{"web": {"db"}, "worker": {"db", "other"}, "aside": {"other"}} {
		s.deployment(name, secrets...)
	}
	r := s.run(s.restarting())
	s.mapping("db", auto)
	s.wait("db", "True", eso.ReasonSynced)
	s.done("db")
	s.change("app/db", "second", "db")
	s.restarts("web", 1)
	s.restarts("worker", 1)
	s.done("db")
	s.change("app/db", "third", "db")
	s.restarts("web", 2)
	s.restarts("worker", 2)
	s.done("db")
	s.forceSync("db") // nothing changed
	s.done("db")
	s.restarts("web", 2)
	s.restarts("aside", 0)
	s.event("Deployment", "web", eso.EventRestarted, "Secret db")
	s.event(eso.KindExternalSecret, "db", eso.EventRestarted, "deployment/web", "Secret db")
	if line := r.scrapeLine(t, `vaultsecret_workload_restarts_total{namespace="`+s.namespace+`",result="success",workload="deployment/web"}`); !strings.HasSuffix(line, " 2\n") {
		t.Errorf("the metric says %q", line)
	}
}

// Taking the note away is a write of the Secret that makes no mapping due.
func TestRestartCostsNoFurtherSync(t *testing.T) {
	s := ready(t)
	s.deployment("web", "db")
	r := s.run(s.restarting())
	s.mapping("db", auto)
	s.wait("db", "True", eso.ReasonSynced)
	s.done("db")
	s.change("app/db", "second", "db")
	s.restarts("web", 1)
	s.done("db")
	s.mapping("later", func(es *eso.ExternalSecret) { es.Spec.SecretStoreRef.Name = "vault" })
	s.wait("later", "True", eso.ReasonSynced)
	// Made, its annotation set by the edit: two. The notes that went: none.
	if line := r.scrapeLine(t, `externalsecret_sync_calls_total{name="db"`); !strings.HasSuffix(line, " 2\n") {
		t.Errorf("%q, want 2 syncs", line)
	}
}

func TestRestartBatchesTheSecretsOfAWorkload(t *testing.T) {
	s := ready(t)
	s.sb.Put(t, s.mount, "app/mq", map[string]any{"password": "mq"})
	s.deployment("web", "db", "mq")
	s.run(s.restarting())
	s.mapping("db", auto)
	s.mapping("mq", auto, func(es *eso.ExternalSecret) { es.Spec.Data[0].RemoteRef.Key = "app/mq" })
	for _, name := range []string{"db", "mq"} {
		s.wait(name, "True", eso.ReasonSynced)
		s.done(name)
	}
	// Both change in Vault, one is asked for: the other is not due for an hour.
	s.change("app/mq", "mq2")
	s.change("app/db", "db2", "db")
	if for1 := s.restarts("web", 1); !slices.Equal(for1, []string{"db", "mq"}) {
		t.Errorf("restarted for %v, want both", for1)
	}
	s.holds("mq", "password", "mq2")
	s.done("db")
	s.done("mq")
	s.restarts("web", 1)
}

func TestRestartOfAList(t *testing.T) {
	s := ready(t)
	s.deployment("web", "db")
	s.deployment("elsewhere") // reads the Secret through the API
	s.run(s.restarting())
	s.mapping("db", func(es *eso.ExternalSecret) {
		es.Annotations = map[string]string{eso.AnnotationRestart: "deploy/elsewhere, statefulset/gone"}
	})
	s.wait("db", "True", eso.ReasonSynced)
	s.done("db")
	s.change("app/db", "second", "db")
	s.restarts("elsewhere", 1)
	s.done("db")
	s.event(eso.KindExternalSecret, "db", eso.EventRestartFailed, "statefulset/gone does not exist in namespace "+s.namespace)
	s.restarts("web", 0)
}

func TestRestartAnnotationThatMeansNothing(t *testing.T) {
	s := ready(t)
	s.deployment("web", "db")
	s.run(s.restarting())
	s.mapping("db", func(es *eso.ExternalSecret) {
		es.Annotations = map[string]string{eso.AnnotationRestart: "web"}
	})
	s.wait("db", "True", eso.ReasonSynced)
	s.event(eso.KindExternalSecret, "db", eso.EventRestartRefused, "metadata.annotations["+eso.AnnotationRestart+"]", `"web"`, "deployment/web,statefulset/db")
	s.change("app/db", "second", "db")
	s.restarts("web", 0)
}

func TestRestartsAreOffUnlessAskedFor(t *testing.T) {
	s := ready(t)
	s.deployment("web", "db")
	s.run()
	s.mapping("db", auto)
	s.wait("db", "True", eso.ReasonSynced)
	s.event(eso.KindExternalSecret, "db", eso.EventRestartRefused, "--restart-workloads", "manifests/restart")
	s.change("app/db", "second", "db")
	s.restarts("web", 0)
	if note, noted := s.secret("db").Annotations[eso.AnnotationRestartPending]; noted {
		t.Errorf("a note that nobody acts on: %q", note)
	}
}

// ended runs a controller until it ends by itself.
func (s *stage) ended(change ...func(*controller.Config)) error {
	s.Helper()
	log := new(buffer)
	err := controller.Run(s.Context(), s.config(change...), log)
	s.Logf("the controller's log:\n%s", log)
	return err
}

func TestOnceRestartsToo(t *testing.T) {
	s := ready(t)
	s.deployment("web", "db")
	once := func(c *controller.Config) { c.Once = true }
	s.mapping("db", auto)
	restarting := s.restarting()
	if err := s.ended(restarting, once); err != nil {
		t.Fatal(err)
	}
	s.change("app/db", "second")
	if err := s.ended(restarting, once); err != nil {
		t.Fatal(err)
	}
	s.holds("db", "password", "second")
	s.restarts("web", 1)
	s.done("db")
}
