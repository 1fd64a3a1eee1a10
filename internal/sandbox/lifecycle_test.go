package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// command builds hack/sandbox and returns a function that runs it.
func command(t *testing.T) func(args ...string) (string, error) {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "sandbox")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", binary, "./hack/sandbox")
	build.Dir = root
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building hack/sandbox: %v\n%s", err, text)
	}
	return func(args ...string) (string, error) {
		text, err := exec.Command(binary, args...).CombinedOutput()
		return string(text), err
	}
}

// A sandbox by the command, beside the one that the tests share: three nodes, TLS,
// sealed. It outlives the command, and `down` leaves nothing but logs.
func TestCommandUpAndDown(t *testing.T) {
	other := shared.Sandbox(t)
	run := command(t)
	dir := filepath.Join(t.TempDir(), "it's here")
	t.Cleanup(func() {
		if text, err := run("down", "--dir", dir); err != nil {
			t.Errorf("a second down: %v\n%s", err, text)
		}
	})
	if text, err := run("up", "--dir", dir, "--vault-nodes=3", "--vault-tls", "--vault=sealed"); err != nil {
		t.Fatalf("up: %v\n%s", err, text)
	}
	sb, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	wantParts(t, sb)
	if text, err := run("up", "--dir", dir); err == nil || !strings.Contains(text, "runs in "+dir+" already") {
		t.Errorf("a second up in the same directory: %v\n%s", err, text)
	}
	wantEnv(t, sb)
	wantThreeNodes(t, sb)
	if _, err := other.Client().Discovery().ServerVersion(); err != nil {
		t.Errorf("the other sandbox: %v", err)
	}

	running := slices.Clone(sb.state.Processes)
	if text, err := run("down", "--dir", dir); err != nil {
		t.Fatalf("down: %v\n%s", err, text)
	}
	for _, p := range running {
		if p.alive() {
			t.Errorf("%s still runs after down", p.Name)
		}
	}
	wantOnlyLogs(t, dir)
	if clusterID(t, other.RootVault(t).CloneConfig().HttpClient.Transport, other.VaultAddress(0)) == "" {
		t.Error("down ended the other sandbox's Vault")
	}
}

func wantParts(t *testing.T, sb *Sandbox) {
	t.Helper()
	var alive []string
	for _, p := range sb.state.Processes {
		if p.alive() {
			alive = append(alive, p.Name)
		}
	}
	slices.Sort(alive)
	want := []string{"etcd", "kube-apiserver", "kube-controller-manager", "kwok", "proxy", "vault-0", "vault-1", "vault-2"}
	if diff := cmp.Diff(want, alive); diff != "" {
		t.Errorf("the parts that run (-want +got):\n%s", diff)
	}
}

// wantEnv sources DIR/env in a shell, as people do.
func wantEnv(t *testing.T, sb *Sandbox) {
	t.Helper()
	for _, name := range []string{"env", initFile, "kubeconfig"} {
		info, err := os.Stat(sb.path(name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o, want 600", name, info.Mode().Perm())
		}
	}
	script := `. "$1" && printf '%s\n' "$KUBECONFIG" "$VAULT_ADDR" "$VAULT_CACERT" "$SANDBOX_HTTP_PROXY" "${VAULT_TOKEN-none}" "${PATH%%:*}" &&
		kubectl -n vault get pods --no-headers -o custom-columns=:metadata.name`
	text, err := exec.Command("sh", "-c", script, "sh", sb.path("env")).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{sb.Kubeconfig(), sb.VaultAddress(0), sb.path("vault-ca.pem"), sb.ProxyURL(), "none", filepath.Join(sb.root, "bin"), "vault-0", "vault-1", "vault-2"}
	if diff := cmp.Diff(want, strings.Fields(strings.ReplaceAll(string(text), sb.Dir, "DIR")), cmp.Transformer("dir", func(s string) string {
		return strings.ReplaceAll(s, sb.Dir, "DIR")
	})); diff != "" {
		t.Errorf("what the shell sees (-want +got):\n%s", diff)
	}
}

func wantThreeNodes(t *testing.T, sb *Sandbox) {
	t.Helper()
	for i := range 3 {
		wantSealed(t, sb, i, true)
	}
	if err := sb.UnsealVault(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantPeers(t, sb)
	// The leader goes; the others elect another, and vault.vault is that one.
	first := sb.activeVault(t.Context())
	sb.StopVault(first)
	Eventually(t, func() error {
		if now := sb.activeVault(t.Context()); now == first {
			return fmt.Errorf("vault-%d leads though it was stopped", now)
		}
		return nil
	})
	if err := sb.StartVault(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	wantSealed(t, sb, first, true)
}

func wantPeers(t *testing.T, sb *Sandbox) {
	t.Helper()
	client, err := sb.VaultClient(0)
	if err != nil {
		t.Fatal(err)
	}
	Eventually(t, func() error {
		raft, err := client.Logical().ReadWithContext(t.Context(), "sys/storage/raft/configuration")
		if err != nil {
			return err
		}
		servers := raft.Data["config"].(map[string]any)["servers"].([]any)
		voters := 0
		for _, server := range servers {
			if server.(map[string]any)["voter"] == true {
				voters++
			}
		}
		if voters != 3 {
			return fmt.Errorf("%d of %d raft peers vote, want 3", voters, len(servers))
		}
		return nil
	})
}

func wantOnlyLogs(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".log") {
			t.Errorf("down left %s", entry.Name())
		}
	}
}

func TestStartNamesThePartThatFailed(t *testing.T) {
	vault := script(t, t.TempDir(), "vault", `[ "$1" = --version ] && echo "Vault v1.99.0" && exit; echo "the disk is full" >&2; exit 3`)
	t.Setenv("VAULT_BIN", vault)
	dir := t.TempDir()
	_, err := Start(t.Context(), Config{Dir: dir})
	if err == nil {
		t.Fatal("a Vault that ends at once is ready")
	}
	for _, want := range []string{"vault-0 has ended", "the disk is full", filepath.Join(dir, "vault-0.log")} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	if _, err := Load(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after the failure a sandbox is recorded: %v", err)
	}
	wantOnlyLogs(t, dir)
}

func TestStartRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, config := range []Config{{}, {Dir: "x", Vault: "open"}, {Dir: "x", VaultNodes: 2}} {
		if sb, err := Start(t.Context(), config); err == nil {
			_ = sb.Stop(t.Context())
			t.Errorf("Start(%+v) succeeds", config)
		}
	}
}
