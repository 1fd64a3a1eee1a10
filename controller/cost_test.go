package controller_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// lines decodes a file of JSON lines.
func lines[T any](t testing.TB, path string, each func(T)) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		var line T
		if json.Unmarshal(scanner.Bytes(), &line) == nil {
			each(line)
		}
	}
}

// vaultRequests counts the requests whose path holds part, by path.
func vaultRequests(t testing.TB, log, part string) map[string]int {
	counts := map[string]int{}
	lines(t, log, func(line struct {
		Type    string
		Request struct{ Path string }
	},
	) {
		if line.Type == "request" && strings.Contains(line.Request.Path, part) {
			counts[line.Request.Path]++
		}
	})
	return counts
}

// kubeRequest is a line of the API server's audit log.
type kubeRequest struct {
	Stage, Verb string
	User        struct{ Username string }
	ObjectRef   struct{ Resource, Subresource, Namespace, Name, APIGroup string }
}

const account = "system:serviceaccount:vaultsecret-system:vaultsecret-controller"

// kubeRequests counts what the controller asked of the API server about a namespace,
// watches aside.
func (s *stage) kubeRequests() map[string]int {
	counts := map[string]int{}
	lines(s, s.sb.KubernetesAuditLog(), func(r kubeRequest) {
		if r.Stage != "ResponseComplete" || r.User.Username != account || r.ObjectRef.Namespace != s.namespace || r.Verb == "watch" || r.Verb == "list" {
			return
		}
		what := r.Verb + " " + r.ObjectRef.Resource
		if r.ObjectRef.Subresource != "" {
			what += "/" + r.ObjectRef.Subresource
		}
		counts[what]++
	})
	return counts
}

func total(counts map[string]int) int {
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum
}

// A hundred mappings over ten paths cost ten reads a pass, and an unchanged refresh
// writes nothing.
func TestCostOfAHundredMappings(t *testing.T) {
	const mappings, paths = 100, 10
	s := newStage(t)
	audit := s.audit()
	for i := range paths {
		s.sb.Put(t, s.mount, fmt.Sprintf("app/%d", i), map[string]any{"user": "app", "password": "s3cr3t"})
	}
	before := total(vaultRequests(t, audit, "auth/token/lookup-self"))
	s.token("vault-token", s.readToken())
	s.store()
	for i := range mappings {
		s.mapping(fmt.Sprintf("m%d", i), func(es *eso.ExternalSecret) {
			es.Spec.RefreshInterval = eso.NewDuration(15 * time.Second)
			es.Spec.Data = nil
			es.Spec.DataFrom = []eso.DataFrom{{Extract: &eso.RemoteRef{Key: fmt.Sprintf("app/%d", i%paths)}}}
		})
	}
	writesBefore := total(vaultRequests(t, audit, s.mount+"/data/"))
	r := s.run()
	rounds := func(n int) {
		sandbox.Eventually(t, func() error {
			if got := strings.Count(r.log.String(), "msg=synced"); got < n*mappings {
				return fmt.Errorf("%d of %d syncs", got, n*mappings)
			}
			return nil
		})
	}
	reads := func() int { return total(vaultRequests(t, audit, s.mount+"/data/")) - writesBefore }
	rounds(1)
	s.wait("m99", "True", eso.ReasonSynced)
	want := map[string]int{
		"create secrets": mappings, "patch externalsecrets/status": mappings, "create events": mappings + 1,
		"patch secretstores/status": 1, "get secrets": 1,
	}
	sandbox.Eventually(t, func() error {
		if got := s.kubeRequests(); fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Errorf("first sync asked Kubernetes for %v, want %v", got, want)
		}
		return nil
	})
	first := reads()
	t.Logf("first sync of %d mappings over %d paths: Vault: %d reads, %d lookup-self; Kubernetes: %v",
		mappings, paths, first, total(vaultRequests(t, audit, "auth/token/lookup-self"))-before, s.kubeRequests())
	if first != paths {
		t.Errorf("first sync: %d reads of Vault, want %d", first, paths)
	}
	rounds(2)
	second, after := reads()-first, s.kubeRequests()
	t.Logf("refresh without change: Vault: %d reads; Kubernetes: %d requests", second, total(after)-total(want))
	if second != paths {
		t.Errorf("refresh: %d reads of Vault, want %d", second, paths)
	}
	if fmt.Sprint(after) != fmt.Sprint(want) {
		t.Errorf("a refresh without change asked Kubernetes for more: %v", after)
	}
}

// A controller that starts anew trusts what the status says and reads nothing.
func TestNeverReadsAfterARestart(t *testing.T) {
	s := ready(t)
	audit := s.audit()
	first := s.run()
	for i := range 5 {
		s.mapping(fmt.Sprintf("m%d", i))
	}
	for i := range 5 {
		s.wait(fmt.Sprintf("m%d", i), "True", eso.ReasonSynced)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	reads, asked := total(vaultRequests(t, audit, s.mount+"/data/")), s.kubeRequests()
	s.run()
	s.mapping("later") // once it is synced, the rest has been judged
	s.wait("later", "True", eso.ReasonSynced)
	if got := total(vaultRequests(t, audit, s.mount+"/data/")) - reads; got != 1 {
		t.Errorf("a restart and one new mapping read Vault %d times, want 1", got)
	}
	if got := s.kubeRequests()["create secrets"] + s.kubeRequests()["update secrets"] - asked["create secrets"] - asked["update secrets"]; got != 1 {
		t.Errorf("a restart and one new mapping wrote %d Secrets, want 1", got)
	}
}

// A deleted or edited Secret comes back at once.
func TestSecretIsRepaired(t *testing.T) {
	s := ready(t)
	s.run()
	s.mapping("db")
	s.holds("db", "password", "s3cr3t")
	secrets := s.clients.Secrets(s.namespace)
	edited := s.secret("db")
	edited.Data["password"] = []byte("by hand")
	if _, err := secrets.Update(t.Context(), edited, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.holds("db", "password", "s3cr3t")
	if err := secrets.Delete(t.Context(), "db", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	s.holds("db", "password", "s3cr3t")
	s.wait("db", "True", eso.ReasonSynced)
}
