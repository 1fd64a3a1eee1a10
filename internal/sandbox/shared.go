package sandbox

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// tempPrefix starts the names of the directories that tests make.
const tempPrefix = "vaultsecret-sandbox-"

// Shared is one sandbox for the tests of a package. It starts when the first test
// asks for it and ends after the last, by
//
//	var shared = sandbox.Shared{}
//
//	func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }
//
//	func TestSomething(t *testing.T) { sb := shared.Sandbox(t); … }
//
// Each test makes its own namespaces and mounts in it. A test that seals or stops
// Vault leaves it unsealed, and does not run in parallel with others.
//
// VAULTSECRET_SANDBOX=DIR takes the sandbox that runs in DIR (sandbox up --dir DIR
// --crds) and leaves it running; a Config of another shape of Vault ignores that.
type Shared struct {
	// Config is what to start; Dir and Progress are set by Shared.
	Config Config

	once    sync.Once
	sandbox *Sandbox
	err     error
	stop    func(failed bool)
}

// Main runs the tests, ends the sandbox and returns the exit code.
func (s *Shared) Main(m *testing.M) int {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		s.once.Do(func() {}) // wait for a start that is on its way
		s.end(false)
		os.Exit(1)
	}()
	code := m.Run()
	s.end(code != 0)
	return code
}

// Sandbox is the one that all tests of the package share. A start that failed
// fails every test.
func (s *Shared) Sandbox(t testing.TB) *Sandbox {
	t.Helper()
	s.once.Do(func() {
		s.sandbox, s.stop, s.err = s.start(context.Background())
	})
	if s.err != nil {
		t.Fatalf("starting the sandbox: %v", s.err)
	}
	return s.sandbox
}

func (s *Shared) end(failed bool) {
	if s.stop != nil {
		s.stop(failed)
	}
}

func (s *Shared) start(ctx context.Context) (*Sandbox, func(bool), error) {
	if dir := os.Getenv("VAULTSECRET_SANDBOX"); dir != "" && s.Config.plain() {
		running, err := Load(dir)
		return running, nil, err
	}
	sweep(ctx)
	dir, err := os.MkdirTemp("", tempPrefix)
	if err != nil {
		return nil, nil, err
	}
	config := s.Config
	config.Dir, config.Progress = dir, os.Stderr
	started, err := Start(ctx, config)
	if err != nil {
		return nil, nil, err // its text names logs in dir, so dir stays
	}
	return started, func(failed bool) {
		if err := started.Stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "ending the sandbox:", err)
		}
		if failed {
			fmt.Fprintln(os.Stderr, "the sandbox's logs are in", dir)
			return
		}
		_ = os.RemoveAll(dir)
	}, nil
}

func (c Config) plain() bool {
	return (c.Vault == "" || c.Vault == VaultUnsealed) && c.VaultNodes <= 1 && !c.VaultTLS
}

// sweep ends and removes what killed tests left behind.
func sweep(ctx context.Context) {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), tempPrefix+"*", stateFile))
	for _, file := range left {
		old, err := Load(filepath.Dir(file))
		if err != nil || old.state.Owner.alive() {
			continue
		}
		if old.Stop(ctx) == nil {
			_ = os.RemoveAll(old.Dir)
		}
	}
}
