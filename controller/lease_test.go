package controller_test

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/controller"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// Of two controllers one syncs; when it ends, the other takes over at once.
func TestNeverTwoLeaders(t *testing.T) {
	s := ready(t)
	elect := func(c *controller.Config) { c.LeaderElect, c.LeaseNamespace = true, s.namespace }
	role := `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"lease","namespace":"` + s.namespace + `"},
		"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"admin"},
		"subjects":[{"kind":"ServiceAccount","name":"vaultsecret-controller","namespace":"vaultsecret-system"}]}`
	apply := exec.CommandContext(t.Context(), s.sb.Binary("kubectl"), "--kubeconfig="+s.sb.Kubeconfig(), "apply", "-f", "-")
	apply.Stdin = strings.NewReader(role)
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.kubectl("-n", s.namespace, "create", "role", "lease", "--verb=get,create,update", "--resource=leases.coordination.k8s.io")
	s.kubectl("-n", s.namespace, "create", "rolebinding", "lease2", "--role=lease", "--serviceaccount=vaultsecret-system:vaultsecret-controller")
	first := s.run(elect)
	s.mapping("db")
	s.holds("db", "password", "s3cr3t")
	second := s.run(elect)
	sandbox.Eventually(t, func() error {
		if !strings.Contains(second.log.String(), "waiting for the Lease") {
			return fmt.Errorf("the second has not started")
		}
		return nil
	})
	if leads(t, second) || !leads(t, first) {
		t.Error("not exactly the first leads")
	}
	if err := first.stop(); err != nil {
		t.Error(err)
	}
	ended := time.Now()
	sandbox.Eventually(t, func() error {
		if !leads(t, second) {
			return fmt.Errorf("the second does not lead yet")
		}
		return nil
	})
	t.Logf("took over %s after the end of the first", time.Since(ended).Round(time.Millisecond))
	s.mapping("later")
	s.holds("later", "password", "s3cr3t")
}

func leads(t testing.TB, r *running) bool {
	return strings.TrimSpace(r.scrapeLine(t, "vaultsecret_leader")) == "vaultsecret_leader 1"
}

// A taken port, a kubeconfig that is not there: said clearly, and no hanging.
func TestCannotRun(t *testing.T) {
	s := newStage(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for want, change := range map[string]func(*controller.Config){
		"--metrics-bind-address": func(c *controller.Config) { c.MetricsAddress = taken.Addr().String() },
		"reaching Kubernetes":    func(c *controller.Config) { c.Kubeconfig = "/does/not/exist" },
		"--log-level":            func(c *controller.Config) { c.LogLevel = "loud" },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		if err := controller.Run(ctx, s.config(change), new(buffer)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		cancel()
	}
}
