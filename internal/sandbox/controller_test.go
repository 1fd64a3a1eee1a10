package sandbox

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The controller becomes ready with no more than what manifests/ grants it.
func TestControllerIsReadyWithItsOwnRights(t *testing.T) {
	sb := shared.Sandbox(t)
	build := exec.Command("go", "build", "-o", filepath.Join(sb.root, "bin", "vaultsecret-controller"), "./cmd/vaultsecret-controller")
	build.Dir = sb.root
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the controller: %v\n%s", err, text)
	}
	if err := sb.StartController(t.Context()); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(sb.MetricsURL())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("%s answers %s", sb.MetricsURL(), resp.Status)
	}
	running, _ := sb.process("controller")
	sb.StopController()
	if running.alive() {
		t.Error("the controller outlives StopController")
	}
	const user = "system:serviceaccount:" + controllerNamespace + ":" + controllerAccount
	if n := requests(t, sb, user, http.StatusOK); n == 0 {
		t.Error("the audit log knows no request of the controller")
	}
	if n := requests(t, sb, user, http.StatusForbidden); n > 0 {
		t.Errorf("%d requests of the controller were forbidden; see %s", n, sb.KubernetesAuditLog())
	}
}

// requests counts, in the API server's audit log, a user's requests with that answer.
func requests(t *testing.T, sb *Sandbox, user string, code int) int {
	t.Helper()
	log, err := os.Open(sb.KubernetesAuditLog())
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	count := 0
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			User           struct{ Username string }
			ResponseStatus struct{ Code int }
		}
		if json.Unmarshal(lines.Bytes(), &event) != nil {
			continue // the last line may be half written
		}
		if event.User.Username == user && event.ResponseStatus.Code == code {
			count++
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return count
}
