package sandbox

import (
	"context"
	"fmt"
	"os"
	"syscall"
)

// VaultChange makes one server differ from the others, from its next start on.
type VaultChange struct {
	// Alone leaves retry_join out: the server joins no cluster by itself.
	Alone bool
	// Extra is appended to its configuration, e.g. a seal stanza.
	Extra string
}

// ChangeVault sets what node i is started with the next time.
func (s *Sandbox) ChangeVault(i int, change VaultChange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes == nil {
		s.changes = map[int]VaultChange{}
	}
	s.changes[i] = change
}

func (s *Sandbox) vaultChange(i int) VaultChange {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changes[i]
}

// WipeVault ends node i and removes its data: the next start is the first of a server
// that nobody has spoken to.
func (s *Sandbox) WipeVault(i int) error {
	s.StopVault(i)
	return os.RemoveAll(s.path(vaultName(i), "data"))
}

// RestartVault ends node i and starts it anew; it comes back sealed.
func (s *Sandbox) RestartVault(ctx context.Context, i int) error {
	s.StopVault(i)
	return s.StartVault(ctx, i)
}

// FreezeVault stops node i's process without ending it: connections stay open and
// nothing is answered until thaw is called.
func (s *Sandbox) FreezeVault(i int) (thaw func(), err error) {
	p, found := s.process(vaultName(i))
	if !found || !p.alive() {
		return nil, fmt.Errorf("%s does not run", vaultName(i))
	}
	p.signal(syscall.SIGSTOP)
	return func() { p.signal(syscall.SIGCONT) }, nil
}

// VaultLog is the path of node i's log.
func (s *Sandbox) VaultLog(i int) string { return s.path(vaultName(i) + ".log") }
