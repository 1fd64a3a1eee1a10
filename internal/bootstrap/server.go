package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// Server is one Vault server.
type Server struct {
	// Name is what people know it by: its Pod, or its address.
	Name   string
	Client *vault.Client
	// Down says why the server cannot be asked at all; Client is nil then.
	Down error
}

// State is what one server says of itself; Err when it could not be asked.
type State struct {
	Server string
	vault.SealStatus
	// Active is known for unsealed servers.
	Active bool
	Err    error
}

// askBound is how long one server may take to tell its state.
const askBound = 15 * time.Second

// States asks every server, in parallel; the result has their order.
func States(ctx context.Context, servers []Server) []State {
	states := make([]State, len(servers))
	var all sync.WaitGroup
	for i, s := range servers {
		all.Go(func() { states[i] = s.state(ctx) })
	}
	all.Wait()
	return states
}

func (s Server) state(ctx context.Context) State {
	if s.Down != nil {
		return State{Server: s.Name, Err: s.Down}
	}
	state := State{Server: s.Name}
	state.SealStatus, state.Err = s.status(ctx)
	state.Err = mendable(state.Err)
	if state.Open() {
		if leader, err := s.Client.Leader(ctx); err == nil {
			state.Active = leader.Self || !leader.HA
		}
	}
	return state
}

func (s Server) status(ctx context.Context) (vault.SealStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, askBound)
	defer cancel()
	return s.Client.SealStatus(ctx)
}

// mendable names what mends a failed TLS handshake here: the words of vault's errors are
// those of a store.
func mendable(err error) error {
	switch {
	case errors.Is(err, vault.ErrUnknownAuthority):
		return fmt.Errorf("%w; give the CA of its certificate with --ca-cert FILE or VAULT_CACERT", vault.ErrUnknownAuthority)
	case errors.Is(err, vault.ErrOtherName):
		return fmt.Errorf("%w; choose one of the certificate's names with --vault-tls-server-name", err)
	}
	return err
}

// Open reports whether the server is known to be unsealed.
func (s State) Open() bool { return s.Err == nil && s.Initialized && !s.Sealed }

// String says a server's state in a few words.
func (s State) String() string {
	switch {
	case s.Err != nil:
		return "unknown: " + s.Err.Error()
	case !s.Initialized:
		return "not initialized"
	case s.Sealed && s.AutoUnseals():
		return "sealed, waits for its key service"
	case s.Sealed && s.Progress > 0:
		return fmt.Sprintf("sealed, %d of %d shares given (nonce %s)", s.Progress, s.Threshold, s.Nonce)
	case s.Sealed && s.Migration:
		return fmt.Sprintf("sealed, a seal migration is pending, %d shares needed", s.Threshold)
	case s.Sealed:
		return fmt.Sprintf("sealed, %d shares needed", s.Threshold)
	case s.Active:
		return "unsealed, active"
	}
	return "unsealed, standby"
}

// AutoUnseals reports whether the seal is opened by a key service instead of shares. A
// seal that is being migrated takes shares.
func (s State) AutoUnseals() bool {
	return s.Err == nil && s.Type != "" && s.Type != "shamir" && !s.Migration
}

// leftBound is how long saying what was left may take: somebody waits for the prompt.
const leftBound = 5 * time.Second

// left tells the state of all servers, for the end of an error.
func left(ctx context.Context, servers []Server) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leftBound)
	defer cancel()
	var parts []string
	for _, s := range States(ctx, servers) {
		parts = append(parts, s.Server+": "+s.String())
	}
	return strings.Join(parts, "; ")
}

// readable returns the states of the servers that answered, or an error when none did.
func readable(states []State) ([]State, error) {
	var errs []string
	ok := slices.DeleteFunc(slices.Clone(states), func(s State) bool {
		if s.Err != nil {
			errs = append(errs, fmt.Sprintf("%s: %s", s.Server, s.Err))
		}
		return s.Err != nil
	})
	if len(ok) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNoAnswer, strings.Join(errs, "; "))
	}
	return ok, nil
}

// unanswered reports whether a request may or may not have come in.
func unanswered(err error) bool {
	var e *kv.Error
	return errors.As(err, &e) && e.Kind == kv.Unreachable && e.Code == 0
}
