package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

const stateFile = "sandbox.json"

// state is what DIR/sandbox.json holds: all that another process needs to use or
// end the sandbox. It is written after every start and stop of a part, so that
// `sandbox down` finds what a killed `sandbox up` left behind.
type state struct {
	Owner     process           `json:"owner"` // who started it
	Processes []process         `json:"processes"`
	Binaries  map[string]string `json:"binaries"`
	TLS       bool              `json:"vaultTLS"`
	Ports     ports             `json:"ports"`
}

type ports struct {
	EtcdClient, EtcdPeer, API, ControllerManager, Kubelet, Proxy int
	Health, Metrics                                              int // the controller's
	Vaults                                                       []vaultPorts
}

type vaultPorts struct{ API, Cluster int }

func newState(config Config, binaries map[string]string) state {
	return state{Owner: thisProcess(), Binaries: binaries, TLS: config.VaultTLS}
}

func (s *Sandbox) choosePorts(config Config) error {
	nodes := config.VaultNodes
	if config.Vault == VaultNone {
		nodes = 0
	}
	free, err := freePorts(8 + 2*nodes)
	if err != nil {
		return err
	}
	p := ports{free[0], free[1], free[2], free[3], free[4], free[5], free[6], free[7], nil}
	for pair := range slices.Chunk(free[8:], 2) {
		p.Vaults = append(p.Vaults, vaultPorts{pair[0], pair[1]})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Ports = p
	return s.save()
}

// save writes the state; the caller holds mu.
func (s *Sandbox) save() error {
	raw, err := json.MarshalIndent(s.state, "", "  ")
	if err != nil {
		return err
	}
	// By rename, so that nobody reads half of it.
	if err := os.WriteFile(s.path(stateFile+".new"), raw, 0o600); err != nil {
		return err
	}
	return os.Rename(s.path(stateFile+".new"), s.path(stateFile))
}

// Load attaches to a sandbox that another process started. The error is
// os.ErrNotExist when none is recorded in dir.
func Load(dir string) (*Sandbox, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return nil, err
	}
	s := &Sandbox{Dir: dir, detach: true}
	if err := json.Unmarshal(raw, &s.state); err != nil {
		return nil, fmt.Errorf("reading %s: %w", s.path(stateFile), err)
	}
	if s.root, err = Root(); err != nil {
		return nil, err
	}
	if err := s.loadKeys(); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if _, err := os.Stat(s.path("env")); errors.Is(err, os.ErrNotExist) {
		return s, nil // its start has not come to an end: it can only be stopped
	}
	return s, s.connect()
}
