package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// Server is one Vault server.
type Server struct {
	// Name is what people know it by: its Pod, or its address.
	Name   string
	Client *vault.Client
}

// State is what one server says of itself; Err when it could not be asked.
type State struct {
	Server string
	vault.SealStatus
	// Active is known for unsealed servers.
	Active bool
	Err    error
}

// States asks every server, in parallel; the result has their order.
func States(ctx context.Context, servers []Server) []State {
	states := make([]State, len(servers))
	var all sync.WaitGroup
	for i, s := range servers {
		all.Go(func() {
			states[i] = State{Server: s.Name}
			states[i].SealStatus, states[i].Err = s.Client.SealStatus(ctx)
			if states[i].Err == nil && states[i].Initialized && !states[i].Sealed {
				if leader, err := s.Client.Leader(ctx); err == nil {
					states[i].Active = leader.Self || !leader.HA
				}
			}
		})
	}
	all.Wait()
	return states
}

// String says a server's state in a few words.
func (s State) String() string {
	switch {
	case s.Err != nil:
		return "unknown: " + s.Err.Error()
	case !s.Initialized:
		return "not initialized"
	case s.Sealed && s.Progress > 0:
		return fmt.Sprintf("sealed, %d of %d shares given", s.Progress, s.Threshold)
	case s.Sealed:
		return fmt.Sprintf("sealed, %d shares needed", s.Threshold)
	case s.Active:
		return "unsealed, active"
	}
	return "unsealed, standby"
}

// AutoUnseals reports whether the seal is opened by a key service instead of shares.
func (s State) AutoUnseals() bool {
	return s.Err == nil && s.Type != "" && s.Type != "shamir"
}

// left tells the state of all servers, for the end of an error.
func left(ctx context.Context, servers []Server) string {
	var parts []string
	for _, s := range States(context.WithoutCancel(ctx), servers) {
		parts = append(parts, s.Server+": "+s.String())
	}
	return strings.Join(parts, "; ")
}

// readable returns the states of the servers that answered, or an error when none did.
func readable(states []State) ([]State, error) {
	var errs []error
	ok := slices.DeleteFunc(slices.Clone(states), func(s State) bool {
		if s.Err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.Server, s.Err))
		}
		return s.Err != nil
	})
	if len(ok) == 0 {
		return nil, fmt.Errorf("no server of Vault answers: %w", errors.Join(errs...))
	}
	return ok, nil
}

func unreachable(err error) bool { return kv.KindOf(err) == kv.Unreachable }
