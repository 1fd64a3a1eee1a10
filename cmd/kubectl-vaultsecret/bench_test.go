package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// bench is where one case works: real Vault servers behind Pods, and the plugin as a
// process.
type bench struct {
	*testing.T
	sb *sandbox.Sandbox
	// dir is the plugin's working directory.
	dir string
	// env is what the plugin's environment has beside PATH.
	env map[string]string
	// nodes are the servers that run, by number.
	nodes []int
	// shares and root are what init returned.
	shares []string
	root   string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	sb := shared.Sandbox(t)
	dir := t.TempDir()
	return &bench{T: t, sb: sb, dir: dir, env: map[string]string{
		"KUBECONFIG": sb.Kubeconfig(), "VAULT_CACERT": sb.VaultCA(), "LANG": "C.UTF-8", "HOME": dir, "TMPDIR": os.TempDir(), runAsPlugin: "1",
	}}
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// servers wipes Vault and starts n servers that nobody has spoken to; the other Pods are
// not Vault's any more.
func (b *bench) servers(n int, change sandbox.VaultChange) {
	b.Helper()
	b.nodes, standing = nil, vaults{}
	for i := range 3 { // all of them first: a new server would join an old one
		b.must(b.sb.WipeVault(i))
	}
	for i := range 3 {
		b.sb.ChangeVault(i, change)
		component := "hidden"
		if i < n {
			component = "server"
			b.nodes = append(b.nodes, i)
			b.must(b.sb.StartVault(b.Context(), i))
		}
		patch := fmt.Sprintf(`{"metadata":{"labels":{"component":%q}}}`, component)
		_, err := b.sb.Client().CoreV1().Pods("vault").Patch(b.Context(), fmt.Sprintf("vault-%d", i), types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		b.must(err)
	}
}

// vaults are servers that the case before has left, to be used again.
type vaults struct {
	nodes  []int
	shares []string
	root   string
}

var standing vaults

// sealed is one server, initialized with five shares of which three unseal, and sealed.
func (b *bench) sealed() {
	b.Helper()
	if len(standing.nodes) != 1 {
		b.initialized(1, 5, 3)
		standing = vaults{b.nodes, b.shares, b.root}
		return
	}
	b.nodes, b.shares, b.root = standing.nodes, standing.shares, standing.root
	if b.left() == "open" {
		b.must(b.vault(0).Sys().SealWithContext(b.Context()))
		return
	}
	_, err := b.vault(0).Sys().ResetUnsealProcessWithContext(b.Context())
	b.must(err)
}

// initialized is one server, or three of a raft cluster that will join by themselves,
// the first one initialized and sealed.
func (b *bench) initialized(n, shares, threshold int) {
	b.Helper()
	b.servers(n, sandbox.VaultChange{Alone: n == 1})
	b.initialize(0, shares, threshold)
}

func (b *bench) initialize(i, shares, threshold int) {
	b.Helper()
	answer, err := b.vault(i).Sys().InitWithContext(b.Context(), &api.InitRequest{SecretShares: shares, SecretThreshold: threshold})
	b.must(err)
	b.shares, b.root = answer.KeysB64, answer.RootToken
}

// cluster is three raft servers that are open, and each of which votes.
func (b *bench) cluster() {
	b.Helper()
	if len(standing.nodes) == 3 {
		b.nodes, b.shares, b.root = standing.nodes, standing.shares, standing.root
		for i := range 3 {
			b.restart(i)
		}
		for i := range 3 {
			b.open(i)
		}
		return
	}
	b.initialized(3, 5, 3)
	b.open(0)
	client := b.vault(0)
	sandbox.Eventually(b, func() error {
		_, err := client.Logical().WriteWithContext(b.Context(), "sys/storage/raft/autopilot/configuration", map[string]any{"server_stabilization_time": "1s"})
		return err
	})
	b.open(1)
	b.open(2)
	sandbox.Eventually(b, func() error {
		pilot, err := client.Sys().RaftAutopilotStateWithContext(b.Context())
		if err == nil && len(pilot.Voters) < 3 {
			err = fmt.Errorf("%d of 3 vote", len(pilot.Voters))
		}
		return err
	})
	standing = vaults{b.nodes, b.shares, b.root}
}

// open gives server i three shares directly, once it can take them.
func (b *bench) open(i int) {
	b.Helper()
	sys := b.vault(i).Sys()
	sandbox.Eventually(b, func() error {
		status, err := sys.SealStatusWithContext(b.Context())
		if err == nil && !status.Initialized {
			err = errors.New("not initialized")
		}
		return err
	})
	for _, share := range b.shares[:3] {
		b.give(i, share)
	}
	sandbox.Eventually(b, func() error {
		status, err := sys.SealStatusWithContext(b.Context())
		if err == nil && status.Sealed {
			err = errors.New("sealed")
		}
		return err
	})
}

// give is what somebody else does with another tool.
func (b *bench) give(i int, share string) {
	b.Helper()
	_, err := b.vault(i).Sys().UnsealWithContext(b.Context(), share)
	b.must(err)
}

func (b *bench) restart(i int) { b.Helper(); b.must(b.sb.RestartVault(b.Context(), i)) }

func (b *bench) vault(i int) *api.Client {
	b.Helper()
	client, err := b.sb.VaultClient(i)
	b.must(err)
	client.SetToken(b.root)
	return client
}

// left is what the servers say of themselves, asked without the plugin.
func (b *bench) left() string {
	b.Helper()
	var parts []string
	for _, i := range b.nodes {
		status, err := b.vault(i).Sys().SealStatusWithContext(b.Context())
		text := ""
		switch {
		case err != nil:
			text = "does not answer"
		case !status.Initialized:
			text = "not initialized"
		case status.Sealed:
			text = fmt.Sprintf("sealed, %d of %d", status.Progress, status.T)
		default:
			text = "open"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " / ")
}

// file writes a file into the working directory and returns its name.
func (b *bench) file(name string, lines ...string) string {
	b.Helper()
	b.must(os.WriteFile(filepath.Join(b.dir, name), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return name
}

// result is what a person saw of one command.
type result struct {
	text string // of stdout and stderr
	code int
}

func (b *bench) command(args ...string) *exec.Cmd {
	b.Helper()
	self, err := os.Executable()
	b.must(err)
	cmd := exec.CommandContext(b.Context(), self, args...)
	cmd.Dir = b.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	for name, value := range b.env {
		if value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	return cmd
}

// plugin runs one command line with nothing on its standard input.
func (b *bench) plugin(args ...string) result { b.Helper(); return b.pluginWith(nil, args...) }

func (b *bench) pluginWith(in io.Reader, args ...string) result {
	b.Helper()
	var text bytes.Buffer
	cmd := b.command(args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &text, &text
	return result{code: exitCode(b, cmd.Run()), text: text.String()}
}

func exitCode(b *bench, err error) int {
	b.Helper()
	var exited *exec.ExitError
	if errors.As(err, &exited) {
		return exited.ExitCode()
	}
	b.must(err)
	return 0
}

// background is a context for cleanups.
func background() context.Context { return context.Background() }
