package main

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// echoes asks the terminal itself.
func (t *terminal) echoes() bool {
	t.b.Helper()
	mode, err := unix.IoctlGetTermios(int(t.master.Fd()), unix.TCGETS)
	t.b.must(err)
	return mode.Lflag&unix.ECHO != 0
}

// A share is hidden from the moment its question shows until the terminal is put back, and
// that happens however the plugin ends; what is pasted in one go is hidden too.
func TestNeverLeavesATerminalWithoutEcho(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*terminal)
		code int
	}{
		"Ctrl-C":     {func(t *terminal) { t.keys("\x03") }, 130},
		"Ctrl-\\":    {func(t *terminal) { t.keys("\x1c") }, 131},
		"SIGTERM":    {func(t *terminal) { t.b.must(t.cmd.Process.Signal(syscall.SIGTERM)) }, 143},
		"SIGHUP":     {func(t *terminal) { t.b.must(t.cmd.Process.Signal(syscall.SIGHUP)) }, 129},
		"Ctrl-D":     {func(t *terminal) { t.keys("\x04") }, 2},
		"empty line": {func(t *terminal) { t.keys("\n") }, 2},
		"pasted":     {func(t *terminal) { t.keys(strings.Join(t.b.shares[:3], "\n") + "\n") }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.sealed()
			plugin := b.terminal("unseal")
			plugin.await("Key share 1 of 3")
			if plugin.echoes() {
				t.Error("the question shows while the terminal still echoes")
			}
			c.end(plugin)
			got := plugin.end()
			if got.code != c.code {
				t.Errorf("exit code %d, want %d:\n%s", got.code, c.code, got.text)
			}
			if !plugin.echoes() {
				t.Error("the terminal's echo stays off")
			}
			for i, share := range b.shares {
				if strings.Contains(got.text, share) {
					t.Errorf("share %d is shown", i+1)
				}
			}
		})
	}
}

// A second Ctrl-C does not wait for the clean end that the first one began: here for a
// Vault that does not answer.
func TestSecondInterruptEndsAtOnce(t *testing.T) {
	b := newBench(t)
	b.sealed()
	plugin := b.terminal("unseal")
	plugin.await("Key share 1 of 3")
	thaw, err := b.sb.FreezeVault(0)
	b.must(err)
	defer thaw()
	plugin.keys("\x03")
	sandbox.Eventually(t, func() error {
		if !plugin.echoes() {
			return errors.New("the terminal does not echo")
		}
		return nil
	})
	plugin.keys("\x03")
	if got := plugin.end(); got.code != 130 || strings.Contains(got.text, "State now") {
		t.Errorf("exit code %d: %s", got.code, got.text)
	}
}
