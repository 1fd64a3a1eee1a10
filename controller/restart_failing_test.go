package controller_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// refuseChanges has the API server refuse every change of a Deployment.
func (s *stage) refuseChanges(deployment string) {
	s.Helper()
	name, admission := "refuse-"+s.namespace, s.sb.Client().AdmissionregistrationV1()
	if _, err := admission.ValidatingAdmissionPolicies().Create(s.Context(), &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{
				ResourceNames: []string{deployment},
				RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Update},
					Rule:       admissionv1.Rule{APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments"}},
				},
			}}},
			Validations: []admissionv1.Validation{{Expression: "false", Message: "frozen"}},
		},
	}, metav1.CreateOptions{}); err != nil {
		s.Fatal(err)
	}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
			MatchResources: &admissionv1.MatchResources{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": s.namespace}}},
		},
	}
	if _, err := admission.ValidatingAdmissionPolicyBindings().Create(s.Context(), binding, metav1.CreateOptions{}); err != nil {
		s.Fatal(err)
	}
	sandbox.Eventually(s, func() error {
		_, err := s.clients.Deployments(s.namespace).Patch(s.Context(), deployment, types.MergePatchType, []byte(`{"metadata":{"labels":{"try":"it"}}}`), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil || !strings.Contains(err.Error(), "frozen") {
			return fmt.Errorf("changes of deployment %s are not refused yet: %v", deployment, err)
		}
		return nil
	})
}

// A list names two workloads, and one of them cannot be restarted: two Secrets stay owed
// and are tried in turns. The other workload is restarted once for each all the same,
// and the failure is told once.
func TestNeverRestartsAgainBecauseAnotherWorkloadFails(t *testing.T) {
	s := ready(t)
	s.sb.Put(t, s.mount, "app/mq", map[string]any{"password": "mq"})
	s.deployment("reads")  // through the API
	s.deployment("frozen") // so does this
	r := s.run(s.restarting())
	list := func(es *eso.ExternalSecret) {
		es.Annotations = map[string]string{eso.AnnotationRestart: "deployment/reads, deployment/frozen"}
	}
	s.mapping("db", list)
	s.mapping("mq", list, func(es *eso.ExternalSecret) { es.Spec.Data[0].RemoteRef.Key = "app/mq" })
	for _, name := range []string{"db", "mq"} {
		s.wait(name, "True", eso.ReasonSynced)
		s.done(name)
	}
	failures := func(want int) {
		t.Helper()
		sandbox.Eventually(t, func() error {
			line := r.scrapeLine(t, `vaultsecret_workload_restarts_total{namespace="`+s.namespace+`",result="error",workload="deployment/frozen"}`)
			fields := strings.Fields(line)
			if len(fields) == 0 {
				return fmt.Errorf("no restart has failed yet")
			}
			if n, err := strconv.Atoi(fields[len(fields)-1]); err != nil || n < want {
				return fmt.Errorf("%s: want %d", line, want)
			}
			return nil
		})
	}
	s.refuseChanges("frozen")
	s.change("app/db", "db2", "db")
	s.restarts("reads", 1)
	failures(4) // it rests for eight seconds now, so the next change comes alone
	s.change("app/mq", "mq2", "mq")
	s.restarts("reads", 2)
	failures(10) // the first one was tried again among them
	s.restarts("reads", 2)
	for _, name := range []string{"db", "mq"} {
		s.event(eso.KindExternalSecret, name, eso.EventRestartFailed, "frozen")
		if n := strings.Count(r.log.String(), `workloads could not be restarted" namespace=`+s.namespace+" name="+name+" "); n != 1 {
			t.Errorf("the failure of %s was told %d times", name, n)
		}
	}
}

// The metrics that name no mapping go with the last mapping behind them.
func TestMetricsForgetWhatIsGone(t *testing.T) {
	s := ready(t)
	s.deployment("web", "db")
	r := s.run(s.restarting())
	s.mapping("db", auto)
	s.mapping("other", auto)
	for _, name := range []string{"db", "other"} {
		s.wait(name, "True", eso.ReasonSynced)
		s.done(name)
	}
	s.change("app/db", "second", "db")
	s.restarts("web", 1)
	for i, name := range []string{"db", "other"} {
		s.forceSync(name)
		s.writeStatus(name, "external-secrets", fmt.Sprintf("2026-01-0%dT00:00:00Z", i+1))
	}
	restarts := `vaultsecret_workload_restarts_total{namespace="` + s.namespace + `"`
	rivals := `vaultsecret_foreign_status_writes_total{manager="external-secrets"} `
	shows := func(metric, end string) {
		t.Helper()
		sandbox.Eventually(t, func() error {
			if line := r.scrapeLine(t, metric); (line == "") != (end == "") || !strings.HasSuffix(line, end) {
				return fmt.Errorf("%s: %q, want %q", metric, line, end)
			}
			return nil
		})
	}
	shows(rivals, " 2\n")
	shows(restarts, " 1\n")
	s.kubectl("-n", s.namespace, "delete", "externalsecret", "db")
	shows(restarts, "")
	shows(rivals, " 2\n")
	s.kubectl("-n", s.namespace, "delete", "externalsecret", "other")
	shows(rivals, "")
}
