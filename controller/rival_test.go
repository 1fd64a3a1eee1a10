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

// writeStatus writes a mapping's refreshTime as another controller does.
func (s *stage) writeStatus(name, manager, refreshTime string) {
	s.Helper()
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"refreshTime": refreshTime}})
	if err != nil {
		s.Fatal(err)
	}
	if _, err := s.clients.ExternalSecrets(s.namespace).Patch(s.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: manager}, "status"); err != nil {
		s.Fatal(err)
	}
}

// ESO was not stopped: it goes on writing what this controller writes.
func TestTellsOfESOOnTheSameClass(t *testing.T) {
	s := ready(t)
	s.mapping("db")
	s.writeStatus("db", "external-secrets", "2026-01-01T00:00:00Z") // before the take-over: no rival
	r := s.run()
	s.wait("db", "True", eso.ReasonSynced)
	s.forceSync("db")
	s.edit("db", func(es *eso.ExternalSecret) { es.Labels = map[string]string{"team": "a"} })
	s.forceSync("db")
	s.writeStatus("db", "kubectl-edit", "2026-01-02T00:00:00Z")
	s.forceSync("db")
	if line := r.scrapeLine(t, "vaultsecret_foreign_status_writes_total"); line != "" {
		t.Fatalf("a rival where there is none: %s\n%s", line, r.log)
	}
	s.writeStatus("db", "external-secrets", "2026-01-03T00:00:00Z")
	s.event(eso.KindExternalSecret, "db", eso.EventAnotherController, "external-secrets, not this process", "class default", "spec.controller")
	sandbox.Eventually(t, func() error {
		if line := r.scrapeLine(t, `vaultsecret_foreign_status_writes_total{manager="external-secrets"}`); !strings.HasSuffix(line, " 1\n") {
			return fmt.Errorf("the metric says %q", line)
		}
		return nil
	})
	if !strings.Contains(r.log.String(), "two controllers on one class") {
		t.Error("the log does not tell of it")
	}
}

// Two of our own, without a common Lease: a status by our name that this process did not
// write.
func TestTellsOfItsTwin(t *testing.T) {
	s := ready(t)
	r := s.run()
	s.mapping("db")
	s.wait("db", "True", eso.ReasonSynced)
	s.forceSync("db")
	s.writeStatus("db", kube.Manager, "2026-01-03T00:00:00Z")
	s.event(eso.KindExternalSecret, "db", eso.EventAnotherController, "vaultsecret-controller, not this process", "--leader-elect")
	if !strings.Contains(r.log.String(), "two controllers on one class") {
		t.Error("the log does not tell of it")
	}
}
