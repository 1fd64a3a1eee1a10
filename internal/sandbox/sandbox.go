package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// The states in which Vault can be handed over.
const (
	VaultUnsealed      = "unsealed"
	VaultSealed        = "sealed"
	VaultUninitialized = "uninitialized"
	VaultNone          = "none"
)

// Config says what to start.
type Config struct {
	// Dir holds everything; it is created. Absolute, or relative to the working directory.
	Dir string
	// Vault is one of the Vault… constants; empty is VaultUnsealed.
	Vault string
	// VaultNodes is 1 (also when 0) or 3.
	VaultNodes int
	// VaultTLS serves Vault by TLS, by a CA in DIR/vault-ca.crt.
	VaultTLS bool
	// Detach lets the parts outlive this process.
	Detach bool
	// Progress receives a line for each binary that has to be built; nil is silent.
	Progress io.Writer
}

// Sandbox is a running stack. Its exported fields are what DIR/sandbox.json holds.
type Sandbox struct {
	Dir       string      `json:"dir"`
	Processes []process   `json:"processes"`
	APIPort   int         `json:"apiPort"`
	Vaults    []vaultNode `json:"vaults"`
	TLS       bool        `json:"tls"`
	RootToken string      `json:"-"`
	Shares    []string    `json:"-"`
	ProxyPort int         `json:"proxyPort"`

	root     string
	binaries map[string]string
	config   Config
	mu       sync.Mutex
	proxy    io.Closer
}

// Start brings a stack up and returns when every part of it is ready. After an
// error nothing of it runs.
func Start(ctx context.Context, config Config) (*Sandbox, error) {
	if config.Vault == "" {
		config.Vault = VaultUnsealed
	}
	if config.VaultNodes == 0 {
		config.VaultNodes = 1
	}
	switch config.Vault {
	case VaultUnsealed, VaultSealed, VaultUninitialized, VaultNone:
	default:
		return nil, fmt.Errorf("vault state %q: want unsealed, sealed, uninitialized or none", config.Vault)
	}
	if config.VaultNodes != 1 && config.VaultNodes != 3 {
		return nil, fmt.Errorf("%d vault nodes: want 1 or 3", config.VaultNodes)
	}
	root, err := Root()
	if err != nil {
		return nil, err
	}
	if config.Progress == nil {
		config.Progress = io.Discard
	}
	binaries, err := Build(ctx, root, config.Progress, "etcd", "kube-apiserver", "kube-controller-manager", "kubectl", "vault", "kwok")
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(config.Dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, "sandbox.json")); err == nil {
		return nil, fmt.Errorf("%s holds a sandbox already; end it first (sandbox down --dir %s)", dir, dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	// Ports are free when they are chosen; another sandbox may take one before we
	// listen on it, so a failed start is tried again with other ports.
	for attempt := 1; ; attempt++ {
		s := &Sandbox{Dir: dir, TLS: config.VaultTLS, root: root, binaries: binaries, config: config}
		err := s.startAll(ctx)
		if err == nil {
			return s, nil
		}
		s.Stop()
		if attempt == 3 || ctx.Err() != nil || !strings.Contains(err.Error(), "address already in use") {
			return nil, err
		}
	}
}

func (s *Sandbox) startAll(ctx context.Context) error {
	ports, err := freePorts(6 + 2*s.config.VaultNodes)
	if err != nil {
		return err
	}
	if s.config.Vault != VaultNone {
		for i := range s.config.VaultNodes {
			s.Vaults = append(s.Vaults, vaultNode{API: ports[6+2*i], Cluster: ports[7+2*i]})
		}
	}
	vault := make(chan error, 1)
	go func() { vault <- s.startVault(ctx) }()
	err = s.startKubernetes(ctx, ports)
	if err = errors.Join(err, <-vault); err != nil {
		return err
	}
	if err := s.startPods(ctx, ports[4]); err != nil {
		return err
	}
	if err := s.startProxy(ctx, ports[5]); err != nil {
		return err
	}
	if err := s.writeEnv(); err != nil {
		return err
	}
	return s.save()
}

// Load attaches to a sandbox that another process started.
func Load(dir string) (*Sandbox, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(filepath.Join(dir, "sandbox.json"))
	if err != nil {
		return nil, err
	}
	s := new(Sandbox)
	if err := json.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.Join(dir, "sandbox.json"), err)
	}
	s.Dir = dir
	if s.root, err = Root(); err != nil {
		return nil, err
	}
	s.config.Detach = true
	return s, s.loadKeys()
}

func (s *Sandbox) save() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(s.path("sandbox.json"), raw, 0o600)
}

// Stop ends every part that this sandbox started and removes their data; the logs
// stay. It may be called more than once.
func (s *Sandbox) Stop() {
	if s.proxy != nil {
		s.proxy.Close()
	}
	s.mu.Lock()
	ending := s.Processes
	s.Processes = nil
	s.mu.Unlock()
	var all sync.WaitGroup
	for _, p := range ending {
		all.Go(p.end)
	}
	all.Wait()
	for _, name := range []string{"etcd", "vault-0", "vault-1", "vault-2", "pki", "sandbox.json", "env", "vault-init.json", "kubeconfig", "kwok.yaml"} {
		_ = os.RemoveAll(s.path(name))
	}
}

// Kubeconfig is the path of the administrator's kubeconfig.
func (s *Sandbox) Kubeconfig() string { return s.path("kubeconfig") }

// RESTConfig is the administrator's.
func (s *Sandbox) RESTConfig() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig())
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	return config, nil
}

// Binary is the path of one of the sandbox's binaries.
func (s *Sandbox) Binary(name string) string {
	if path, ok := s.binaries[name]; ok {
		return path
	}
	return filepath.Join(s.root, "bin", name)
}

// writeEnv writes the shell file that people and scripts source.
func (s *Sandbox) writeEnv() error {
	var b strings.Builder
	export := func(name, value string) { fmt.Fprintf(&b, "export %s='%s'\n", name, value) }
	export("KUBECONFIG", s.Kubeconfig())
	if len(s.Vaults) > 0 {
		export("VAULT_ADDR", s.VaultAddress(0))
		export("SANDBOX_HTTP_PROXY", s.ProxyURL())
		if s.TLS {
			export("VAULT_CACERT", s.path("vault-ca.crt"))
		}
		if s.config.Vault == VaultUnsealed {
			export("VAULT_TOKEN", s.RootToken)
		}
	}
	dirs := []string{filepath.Join(s.root, "bin")}
	for _, name := range []string{"kubectl", "vault"} {
		if dir := filepath.Dir(s.Binary(name)); !contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	fmt.Fprintf(&b, "export PATH='%s':\"$PATH\"\n", strings.Join(dirs, ":"))
	return os.WriteFile(s.path("env"), []byte(b.String()), 0o600)
}
