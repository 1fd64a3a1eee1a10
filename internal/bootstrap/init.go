package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// ErrInitialized: a server of Vault is initialized already.
var ErrInitialized = errors.New("this Vault is already initialized")

// ErrKeysLost: Vault was initialized and nobody has its keys.
var ErrKeysLost = errors.New("the answer with the keys did not arrive")

// CheckInit looks at a request before anything is made or sent.
func CheckInit(r vault.InitRequest) error {
	switch {
	case r.Shares < 1 || r.Shares > 255:
		return fmt.Errorf("%d key shares: want 1 to 255", r.Shares)
	case r.Threshold < 1 || r.Threshold > r.Shares:
		return fmt.Errorf("a threshold of %d: want 1 to the number of shares, %d", r.Threshold, r.Shares)
	case r.Threshold == 1 && r.Shares > 1:
		return errors.New("a threshold of 1 needs exactly one share")
	case len(r.PGPKeys) > 0 && len(r.PGPKeys) != r.Shares:
		return fmt.Errorf("%d PGP keys for %d shares: give one for each", len(r.PGPKeys), r.Shares)
	}
	return nil
}

// CheckServers returns the state of the server that is to be initialized. It is an error
// when any of the servers, which belong to one Vault, is initialized, and when one cannot
// be asked: that one may be.
func CheckServers(ctx context.Context, first string, servers []Server) (State, error) {
	var chosen State
	for _, s := range States(ctx, servers) {
		switch {
		case s.Err != nil:
			return State{}, fmt.Errorf("whether %s is initialized is not known: %w", s.Server, s.Err)
		case s.Initialized:
			return State{}, fmt.Errorf("%s: %w", s.Server, ErrInitialized)
		case s.Server == first:
			chosen = s
		}
	}
	return chosen, nil
}

// Init initializes one server, for which CheckServers found nothing against it. It is not
// interrupted by the end of the context: the answer holds the only copy of the keys. When
// there is no answer it looks at what became of the server.
func Init(ctx context.Context, s Server, r vault.InitRequest) (vault.InitAnswer, error) {
	ctx = context.WithoutCancel(ctx)
	answer, err := s.Client.Init(ctx, r)
	switch {
	case err == nil:
		return answer, nil
	case !unanswered(err):
		return vault.InitAnswer{}, fmt.Errorf("%s: %w", s.Name, err)
	}
	now := s.state(ctx)
	for deadline := time.Now().Add(lookBound); now.Err != nil && time.Now().Before(deadline); now = s.state(ctx) {
		pause(ctx, 200*time.Millisecond)
	}
	switch {
	case now.Err != nil:
		err = fmt.Errorf("%w; whether it is initialized now is not known: %w", err, now.Err)
	case now.Initialized:
		err = fmt.Errorf("%w: it IS initialized now, with keys that nobody has; empty its storage before the next init (%w)", ErrKeysLost, err)
	default:
		err = fmt.Errorf("%w; it is not initialized: run init again", err)
	}
	return vault.InitAnswer{}, fmt.Errorf("%s: %w", s.Name, err)
}

// lookBound is how long Init looks for a server that did not answer.
const lookBound = 10 * time.Second
