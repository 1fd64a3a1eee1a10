package controller_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// What started with a content is not restarted for it: neither what waited for the
// Secret, nor what was made after the change.
func TestNeverRestartsWhatStartedWithTheContent(t *testing.T) {
	s := ready(t)
	s.deployment("waiting", "db")
	restarting := s.restarting()
	r := s.run(restarting)
	s.mapping("db", auto)
	s.wait("db", "True", eso.ReasonSynced)
	s.done("db")
	s.restarts("waiting", 0)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	// The next process finds a change that is not done, and a workload that is newer.
	s.note("db", "password")
	s.deployment("newer", "db")
	s.run(restarting)
	s.restarts("waiting", 1)
	s.done("db")
	s.restarts("newer", 0)
}

// note leaves on a Secret what a controller leaves that ends after it wrote a new
// content.
func (s *stage) note(secret, keys string) {
	s.Helper()
	sandbox.Eventually(s, func() error {
		read := s.secret(secret)
		read.Annotations[eso.AnnotationRestartPending] = keys
		_, err := s.clients.Secrets(s.namespace).Update(s.Context(), read, metav1.UpdateOptions{FieldManager: eso.FieldManager(secret)})
		return err
	})
}

func TestNeverRestartsBecauseTheControllerDid(t *testing.T) {
	s := ready(t)
	s.deployment("web", "db", "random")
	restarting := s.restarting()
	r := s.run(restarting)
	s.mapping("db", auto)
	s.mapping("random", auto, func(es *eso.ExternalSecret) {
		es.Spec.Target.Template = &eso.Template{Data: map[string]string{"password": "{{ .password }}", "salt": "{{ randAlphaNum 20 }}"}}
	})
	s.wait("random", "True", eso.ReasonSynced)
	s.wait("db", "True", eso.ReasonSynced)
	s.done("db")
	s.done("random")
	s.change("app/db", "second", "db", "random")
	s.restarts("web", 1)
	s.done("db")
	s.done("random")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	salt := string(s.secret("random").Data["salt"])
	s.run(restarting)
	s.forceSync("db")
	s.forceSync("random") // a template that gives another result each time
	if now := string(s.secret("random").Data["salt"]); now == salt {
		t.Fatal("the template gave the same result, so this proves nothing")
	}
	s.done("db")
	s.done("random")
	s.restarts("web", 1)
}

// Argo CD takes an annotation off that is not in Git, which rolls the workload. That is
// no reason to put it back, which would roll it again, and so on.
func TestNeverInARestartLoopWithArgoCD(t *testing.T) {
	s := ready(t)
	s.deployment("web", "db")
	s.run(s.restarting())
	s.mapping("db", auto)
	s.wait("db", "True", eso.ReasonSynced)
	s.done("db")
	s.change("app/db", "second", "db")
	s.restarts("web", 1)
	s.done("db")
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{
		"annotations": map[string]any{kube.AnnotationRestarted: nil},
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.clients.Deployments(s.namespace).Patch(t.Context(), "web", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	s.forceSync("db")
	s.done("db")
	s.change("app/db", "third", "db")
	s.done("db")
	s.restarts("web", 3) // the change, what Argo CD did, the next change
}

// An edit of the Secret that is undone, or a Secret that is deleted and made anew with
// what it held, is no new content.
func TestNeverInARestartLoopWithWhoEditsTheSecret(t *testing.T) {
	s := ready(t)
	s.deployment("web", "db")
	s.run(s.restarting())
	s.mapping("db", auto)
	s.wait("db", "True", eso.ReasonSynced)
	s.done("db")
	for i := range 3 {
		s.kubectl("-n", s.namespace, "patch", "secret", "db", "--type=merge", "-p", fmt.Sprintf(`{"stringData":{"password":"edit-%d"}}`, i))
		s.holds("db", "password", "s3cr3t")
		s.done("db")
	}
	s.kubectl("-n", s.namespace, "delete", "secret", "db")
	s.holds("db", "password", "s3cr3t")
	s.done("db")
	s.restarts("web", 0)
	s.change("app/db", "second", "db")
	s.restarts("web", 1)
	s.done("db")
	s.kubectl("-n", s.namespace, "delete", "secret", "db")
	s.holds("db", "password", "second")
	s.done("db")
	s.restarts("web", 1)
}

// Two mappings that undo each other change the Secret for real, each time, and far more
// often than the workload is restarted.
func TestNeverInARestartLoopWithTwoMappings(t *testing.T) {
	s := ready(t)
	s.sb.Put(t, s.mount, "app/mq", map[string]any{"password": "another"})
	s.deployment("web", "shared")
	s.kubectl("-n", s.namespace, "create", "secret", "generic", "shared")
	r := s.run(s.restarting())
	for name, path := range map[string]string{"db": "app/db", "mq": "app/mq"} {
		s.mapping(name, auto, func(es *eso.ExternalSecret) {
			es.Spec.Target.Name, es.Spec.Target.CreationPolicy = "shared", eso.CreateMerge
			es.Spec.Data[0].RemoteRef.Key = path
		})
	}
	sandbox.Eventually(t, func() error {
		if n := strings.Count(r.log.String(), "changed=[password]"); n < 14 {
			return fmt.Errorf("%d changes of the Secret", n)
		}
		return nil
	})
	web, err := s.clients.Deployments(s.namespace).Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if restarts := web.Generation - 1; restarts > 3 {
		t.Errorf("restarted %d times", restarts)
	}
}

// What changes again and again restarts less and less often, and that is said.
func TestNeverRestartsMoreThanAFewTimesInARow(t *testing.T) {
	s := ready(t)
	s.deployment("web", "db")
	s.run(s.restarting())
	s.mapping("db", auto)
	s.wait("db", "True", eso.ReasonSynced)
	s.done("db")
	for i := range int64(3) {
		s.change("app/db", fmt.Sprintf("change-%d", i), "db")
		s.restarts("web", i+1)
		s.done("db")
	}
	s.change("app/db", "one more", "db")
	s.event(eso.KindExternalSecret, "db", eso.EventRestartHeld, "deployment/web was restarted 3 times in a row", "same target")
	s.restarts("web", 3)
	if note := s.secret("db").Annotations[eso.AnnotationRestartPending]; note != "password" {
		t.Errorf("the note %q does not wait for its time", note)
	}
}

// Only what is used of a Secret counts.
func TestNeverRestartsForAKeyThatIsNotUsed(t *testing.T) {
	s := ready(t)
	s.deployment("all", "db")
	s.kubectl("-n", s.namespace, "create", "deployment", "one", "--image=registry.example/app:1")
	s.kubectl("-n", s.namespace, "patch", "deployment", "one", "-p",
		`{"spec":{"template":{"spec":{"containers":[{"name":"app","env":[{"name":"U","valueFrom":{"secretKeyRef":{"name":"db","key":"user"}}}]}]}}}}`)
	s.run(s.restarting())
	s.mapping("db", auto, func(es *eso.ExternalSecret) {
		es.Spec.Data = append(es.Spec.Data, eso.Data{SecretKey: "user", RemoteRef: eso.RemoteRef{Key: "app/db", Property: "user"}})
	})
	s.wait("db", "True", eso.ReasonSynced)
	s.done("db")
	s.change("app/db", "second", "db")
	s.restarts("all", 1)
	s.done("db")
	s.restarts("one", 1) // its patch above
}
