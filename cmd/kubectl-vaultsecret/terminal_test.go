package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/creack/pty"

	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// terminal is the plugin on a terminal of its own, as its session's leader: Ctrl-C there
// is a real one.
type terminal struct {
	b      *bench
	cmd    *exec.Cmd
	master *os.File
	read   chan struct{} // closed when all was read

	mu   sync.Mutex
	text strings.Builder
}

func (b *bench) terminal(args ...string) *terminal {
	b.Helper()
	t := &terminal{b: b, cmd: b.command(args...), read: make(chan struct{})}
	master, err := pty.Start(t.cmd)
	b.must(err)
	t.master = master
	b.Cleanup(func() { master.Close() })
	go func() {
		defer close(t.read)
		chunk := make([]byte, 4096)
		for {
			n, err := master.Read(chunk)
			t.mu.Lock()
			t.text.Write(chunk[:n])
			t.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return t
}

func (t *terminal) shown() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ReplaceAll(t.text.String(), "\r\n", "\n")
}

// await waits until a text is shown.
func (t *terminal) await(text string) {
	t.b.Helper()
	sandbox.Eventually(t.b, func() error {
		if shown := t.shown(); !strings.Contains(shown, text) {
			return fmt.Errorf("%q is not shown: %q", text, shown)
		}
		return nil
	})
}

// answer waits for the question after n shares and types a line.
func (t *terminal) answer(n int, line string) {
	t.b.Helper()
	t.await(fmt.Sprintf("Key share %d of ", n+1))
	t.keys(line + "\n")
}

func (t *terminal) keys(text string) {
	t.b.Helper()
	_, err := t.master.WriteString(text)
	t.b.must(err)
}

// end waits for the plugin's end.
func (t *terminal) end() result {
	t.b.Helper()
	code := exitCode(t.b, t.cmd.Wait())
	<-t.read
	return result{text: t.shown(), code: code}
}
