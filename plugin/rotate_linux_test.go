package plugin

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// session is a command that runs on a terminal of its own.
type session struct {
	t           *testing.T
	master, tty *os.File
	shown       *screen
	out         bytes.Buffer
	done        chan int
}

// onTerminal starts a command line on a terminal.
func onTerminal(t *testing.T, sb *sandbox.Sandbox, args ...string) *session {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, master: master, tty: tty, shown: &screen{}, done: make(chan int, 1)}
	t.Cleanup(func() { tty.Close(); master.Close() })
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			_, _ = s.shown.Write(b[:n])
			if err != nil {
				return
			}
		}
	}()
	go func() {
		s.done <- Run(context.Background(), append(args, "--kubeconfig="+sb.Kubeconfig()), genericiooptions.IOStreams{In: tty, Out: &s.out, ErrOut: tty})
	}()
	return s
}

// answers waits for a question and types the answer.
func (s *session) answers(question, answer string) {
	s.t.Helper()
	sandbox.Eventually(s.t, func() error {
		if !strings.Contains(s.shown.String(), question) {
			return fmt.Errorf("no %q in %q", question, s.shown)
		}
		return nil
	})
	if _, err := s.master.WriteString(answer + "\n"); err != nil {
		s.t.Fatal(err)
	}
}

// ends waits for the end; said is all that was shown.
func (s *session) ends(want int, says string) (said string) {
	s.t.Helper()
	if code := <-s.done; code != want {
		s.t.Errorf("exit code %d, want %d: %s", code, want, s.shown)
	}
	sandbox.Eventually(s.t, func() error {
		if !strings.Contains(s.shown.String()+s.out.String(), says) {
			return fmt.Errorf("no %q in %q and %q", says, s.shown, s.out.String())
		}
		return nil
	})
	return s.shown.String() + s.out.String()
}

// Somebody else writes while the question is on the screen: nothing of theirs is
// overwritten, and it is said who wrote and when.
func TestNeverOverwritesWhatSomebodyElseWrote(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, _ := scene(t, sb)
	t.Setenv("VAULT_TOKEN", sb.RootToken)
	t.Setenv("VAULT_ADDR", sb.VaultAddress(0))
	mount := mountOf(t, sb, namespace)
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte(rotated+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, line := range [][]string{
		{"rotate", "api-db", "--key=password", "--value-file=" + file},
		{"rollback", "api-db", "--to-version=1"},
	} {
		sb.Put(t, mount, "app/db", map[string]any{"user": "app", "password": "before", "link": "l"})
		s := onTerminal(t, sb, append(line, "-n", namespace, "--local")...)
		sandbox.Eventually(t, func() error {
			if !strings.Contains(s.shown.String(), "Write it? [y/N]") {
				return fmt.Errorf("%q", s.shown)
			}
			return nil
		})
		sb.Put(t, mount, "app/db", map[string]any{"user": "app", "password": "theirs", "link": "l"})
		s.answers("Write it? [y/N]", "y")
		said := s.ends(ExitFailed, "another version was written meanwhile")
		if !strings.Contains(said, "nothing was overwritten: version ") || !strings.Contains(said, " was written by root at 20") {
			t.Errorf("%v: who and when is not said: %s", line, said)
		}
		secret, err := sb.RootVault(t).KVv2(mount).Get(t.Context(), "app/db")
		if err != nil || secret.Data["password"] != "theirs" {
			t.Errorf("%v: theirs is overwritten: %v", line, err)
		}
	}
}

// A value that is typed is not shown, has to be typed twice, and an answer other than
// yes writes nothing.
func TestNeverEchoesANewValue(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, _ := scene(t, sb)
	t.Setenv("VAULT_TOKEN", "")
	t.Setenv("VAULT_ADDR", sb.VaultAddress(0))
	t.Setenv("HOME", t.TempDir())
	mount := mountOf(t, sb, namespace)
	rotate := []string{"rotate", "api-db", "--key=password", "-n", namespace, "--local"}

	s := onTerminal(t, sb, rotate...)
	s.answers("Vault token (hidden): ", sb.RootToken)
	s.answers("New value (hidden): ", rotated)
	s.answers("The same again: ", "something else")
	s.ends(ExitFailed, "the two values differ; nothing was changed")

	t.Setenv("VAULT_TOKEN", sb.RootToken)
	s = onTerminal(t, sb, rotate...)
	s.answers("New value (hidden): ", rotated)
	s.answers("The same again: ", rotated)
	s.answers("Write it? [y/N]", "n")
	said := s.ends(ExitFailed, "not confirmed; nothing was changed")
	versions, err := sb.RootVault(t).KVv2(mount).GetMetadata(t.Context(), "app/db")
	if err != nil || versions.CurrentVersion != 1 {
		t.Errorf("it was written: %v, %v", versions, err)
	}

	s = onTerminal(t, sb, rotate...)
	s.answers("New value (hidden): ", rotated)
	s.answers("The same again: ", rotated)
	s.answers("Write it? [y/N]", "y")
	said += s.ends(ExitOK, "1 key changed (password)")
	if strings.Contains(said, rotated) || strings.Contains(said, sb.RootToken) {
		t.Errorf("what was typed shows: %s", said)
	}
}

// Before a token goes to a server that only a SecretStore names, its owner is asked, before
// the token is; --yes answers another question.
func TestAsksBeforeATokenGoesWhereOnlyATenantSays(t *testing.T) {
	sb := shared.Sandbox(t)
	namespace, _ := scene(t, sb)
	l := listening(t, sb, namespace)
	t.Setenv("VAULT_TOKEN", "")
	t.Setenv("VAULT_ADDR", "")
	t.Setenv("HOME", t.TempDir())
	line := []string{"rotate", "api-db", "--key=password", "--generate=16", "-n", namespace, "--local", "--yes"}
	question := "Send your own Vault token to " + l.address + "? [y/N]"

	s := onTerminal(t, sb, line...)
	s.answers(question, "n")
	said := s.ends(ExitFailed, "not confirmed; nothing was changed")
	if !strings.Contains(said, "only SecretStore vault in namespace "+namespace+" names the server "+l.address) || strings.Contains(said, "Vault token (hidden)") {
		t.Errorf("it says %s", said)
	}
	s = onTerminal(t, sb, line...)
	s.answers(question, "y")
	s.answers("Vault token (hidden): ", sb.RootToken)
	s.ends(ExitOK, "1 key changed (password)")
	if !l.heard(sb.RootToken) {
		t.Error("agreed, and the server was not asked")
	}
}

// mountOf is the KV mount of the scene's store.
func mountOf(t *testing.T, sb *sandbox.Sandbox, namespace string) string {
	t.Helper()
	clients, err := kube.NewClients(sb.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	store, err := clients.SecretStores(namespace).Get(t.Context(), "vault", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return store.Spec.Provider.Vault.Mount()
}
