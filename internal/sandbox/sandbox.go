package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
)

// The states in which Vault is handed over.
const (
	// VaultUnsealed: initialised with five shares, threshold three, and unsealed.
	VaultUnsealed = "unsealed"
	// VaultSealed: initialised, then sealed; the shares stand in DIR/vault-init.json.
	VaultSealed = "sealed"
	// VaultUninitialized: a server that nobody has spoken to.
	VaultUninitialized = "uninitialized"
	// VaultNone: no Vault, and no Pods of it.
	VaultNone = "none"
)

// Config says what to start. The zero value, with a Dir, is one unsealed Vault
// without TLS beside a cluster without CRDs.
type Config struct {
	// Dir holds everything; it is made when it is missing.
	Dir string
	// Vault is one of the Vault… states; empty is VaultUnsealed.
	Vault string
	// VaultNodes is 1 (also when 0) or 3.
	VaultNodes int
	// VaultTLS serves Vault by TLS, by a CA in DIR/vault-ca.pem.
	VaultTLS bool
	// CRDs applies manifests/crds before the garbage collector starts. CRDs that
	// come later are seen by it only after up to half a minute.
	CRDs bool
	// Detach lets the parts outlive this process. Without it they end with it, on
	// Linux even when it is killed.
	Detach bool
	// Progress receives a line for each binary that has to be built; nil is silent.
	Progress io.Writer
}

func (c Config) complete() (Config, error) {
	if c.Vault == "" {
		c.Vault = VaultUnsealed
	}
	if c.VaultNodes == 0 {
		c.VaultNodes = 1
	}
	if c.Progress == nil {
		c.Progress = io.Discard
	}
	switch c.Vault {
	case VaultUnsealed, VaultSealed, VaultUninitialized, VaultNone:
	default:
		return c, fmt.Errorf("vault state %q: want unsealed, sealed, uninitialized or none", c.Vault)
	}
	if c.VaultNodes != 1 && c.VaultNodes != 3 {
		return c, fmt.Errorf("%d vault nodes: want 1 or 3", c.VaultNodes)
	}
	if c.Dir == "" {
		return c, errors.New("a sandbox needs a directory")
	}
	dir, err := filepath.Abs(c.Dir)
	c.Dir = dir
	return c, err
}

func (c Config) binaries() []string {
	names := []string{"etcd", "kube-apiserver", "kube-controller-manager", "kubectl", "kwok"}
	if c.Vault != VaultNone {
		names = append(names, "vault")
	}
	return names
}

// Sandbox is a running stack. Its methods are safe for concurrent use, but for Stop.
type Sandbox struct {
	// Dir holds everything: logs, data, kubeconfig, env.
	Dir string
	// RootToken is Vault's; empty while Vault is not initialised.
	RootToken string
	// Shares are the five unseal keys, base64; any three of them unseal.
	Shares []string

	root   string // of the repository
	detach bool
	client *kubernetes.Clientset
	proxy  io.Closer // nil when it is a process

	mu      sync.Mutex
	state   state
	changes map[int]VaultChange
}

// Start brings a stack up and returns when every part of it is ready. After an
// error nothing of it runs; its logs stay in Dir.
func Start(ctx context.Context, config Config) (*Sandbox, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	root, err := Root()
	if err != nil {
		return nil, err
	}
	binaries, err := Build(ctx, root, config.Progress, config.binaries()...)
	if err != nil {
		return nil, err
	}
	if err := claim(ctx, config.Dir); err != nil {
		return nil, err
	}
	// A port is free when it is chosen; somebody else may take it before the part
	// listens, so such a start is tried again on other ports.
	for attempt := 1; ; attempt++ {
		s := &Sandbox{Dir: config.Dir, root: root, detach: config.Detach, state: newState(config, binaries)}
		err := s.startAll(ctx, config)
		if err == nil {
			return s, nil
		}
		err = errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
		if attempt == 3 || ctx.Err() != nil || !s.portTaken() {
			return nil, err
		}
	}
}

// claim makes the directory ready: nothing runs in it, and no log is old.
func claim(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	old, err := Load(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if old.anyAlive() {
		return fmt.Errorf("a sandbox runs in %s already; end it first: sandbox down --dir %s", dir, dir)
	}
	return old.Stop(ctx)
}

func (s *Sandbox) startAll(ctx context.Context, config Config) error {
	for _, log := range s.logs() {
		_ = os.Remove(log)
	}
	if err := s.choosePorts(config); err != nil {
		return err
	}
	parts, ctx := errgroup.WithContext(ctx)
	parts.Go(func() error { return s.startProxy(ctx) })
	parts.Go(func() error { return s.bringUpVault(ctx, config.Vault) })
	parts.Go(func() error { return s.startKubernetes(ctx, config.CRDs) })
	if err := parts.Wait(); err != nil {
		return err
	}
	if err := s.writeEnv(config.Vault == VaultUnsealed); err != nil {
		return fmt.Errorf("writing %s: %w", s.path("env"), err)
	}
	return nil
}

// Stop ends every part that this sandbox started and removes their data and
// credentials; the logs stay. It may be called more than once.
func (s *Sandbox) Stop(ctx context.Context) error {
	s.stop("controller") // gracefully: it may hold a lease and has writes to finish
	if s.proxy != nil {
		_ = s.proxy.Close()
	}
	// The data goes too, so the rest need not end gracefully.
	err := s.killAll(ctx)
	entries, readErr := os.ReadDir(s.Dir)
	if readErr != nil && !errors.Is(readErr, os.ErrNotExist) {
		err = errors.Join(err, readErr)
	}
	for _, entry := range entries {
		if name := entry.Name(); ours(name) {
			err = errors.Join(err, os.RemoveAll(s.path(name)))
		}
	}
	return err
}

// ours tells whether a name in Dir is one that a sandbox makes and Stop removes.
func ours(name string) bool {
	switch name {
	case "etcd", "pki", "env", stateFile, initFile, caFile, "kwok.yaml", "audit-policy.yaml", "plugins":
		return true
	}
	if strings.HasSuffix(name, ".log") {
		return false
	}
	return strings.HasPrefix(name, "kubeconfig") || strings.HasPrefix(name, "vault-")
}

// logs are the log files that are in Dir now.
func (s *Sandbox) logs() []string {
	logs, _ := filepath.Glob(s.path("*.log")) // fails only on a malformed pattern
	return logs
}

func (s *Sandbox) path(elements ...string) string {
	return filepath.Join(append([]string{s.Dir}, elements...)...)
}

// Binary is the path of one of the sandbox's programs (kubectl, vault, …).
func (s *Sandbox) Binary(name string) string {
	if path, ok := s.state.Binaries[name]; ok {
		return path
	}
	return filepath.Join(s.root, "bin", name)
}
