package plugin

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// screen is what a terminal shows.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// The prompt on a real terminal: three shares typed, none shown, echo back on.
func TestNeverEchoesAShare(t *testing.T) {
	sb := sealable(t)
	if err := sb.SealVault(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer tty.Close()
	shown := &screen{}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			_, _ = shown.Write(b[:n])
			if err != nil {
				return
			}
		}
	}()
	var out bytes.Buffer
	done := make(chan int, 1)
	go func() {
		done <- Run(context.Background(), []string{"unseal", "--kubeconfig", sb.Kubeconfig()}, genericiooptions.IOStreams{In: tty, Out: &out, ErrOut: tty})
	}()
	for i, share := range sb.Shares[:3] {
		sandbox.Eventually(t, func() error {
			if !strings.Contains(shown.String(), fmt.Sprintf("Key share %d of 3", i+1)) || echoes(t, tty) {
				return fmt.Errorf("no hidden prompt for share %d: %q", i+1, shown)
			}
			return nil
		})
		if _, err := master.WriteString(share + "\n"); err != nil {
			t.Fatal(err)
		}
	}
	if code := <-done; code != ExitOK {
		t.Errorf("exit code %d: %s", code, shown)
	}
	sandbox.Eventually(t, func() error {
		if !strings.Contains(shown.String(), "Vault is unsealed.") {
			return fmt.Errorf("shown: %q", shown)
		}
		return nil
	})
	for i, share := range sb.Shares {
		if strings.Contains(shown.String()+out.String(), share) {
			t.Errorf("share %d was shown", i+1)
		}
	}
	if !echoes(t, tty) {
		t.Error("the terminal's echo stays off")
	}
	if out.Len() != 0 {
		t.Errorf("stdout got %q", out.String())
	}
}

func echoes(t *testing.T, tty *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}
