package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// Errors that end an unseal. What Run returns says besides what state was left.
var (
	// ErrNoAnswer: no server could be asked.
	ErrNoAnswer = errors.New("no server of Vault answers")
	// ErrAutoUnseal: shares do not open this seal.
	ErrAutoUnseal = errors.New("this Vault unseals itself with a key service")
	// ErrNotInitialized: there is nothing to unseal yet.
	ErrNotInitialized = errors.New("this Vault is not initialized")
	// ErrReset: the progress changed under us.
	ErrReset = errors.New("the unseal progress was reset by somebody else, or the server restarted")
	// ErrWrongShares: the threshold was reached and the shares do not fit.
	ErrWrongShares = errors.New("the shares do not open this Vault; Vault cannot tell which of them was wrong")
	// ErrMigration: a seal migration waits for shares that are given for it.
	ErrMigration = errors.New("a seal migration is pending")
	// ErrNoMigration: shares were to be given for a migration that nobody asked for.
	ErrNoMigration = errors.New("no seal migration is pending")
	// ErrStillSealed: enough shares were given and the server stays sealed.
	ErrStillSealed = errors.New("enough shares were given, and the server is still sealed")
	// ErrNotJoined: a server does not join the cluster of the others.
	ErrNotJoined = errors.New("not initialized, and does not join the cluster of the others")
	// ErrNoMoreShares is returned by Ask when it has none left, and by Run then: who has
	// the next share goes on.
	ErrNoMoreShares = errors.New("no more shares")
	// ErrInterrupted: the context ended.
	ErrInterrupted = errors.New("interrupted")
)

// Unseal unseals servers. Each share is asked for once and sent to every server that is
// sealed at that time; a server that joins later, or restarts, is given the same shares
// again.
type Unseal struct {
	Servers []Server
	// Migrate gives the shares for a seal migration.
	Migrate bool
	// Join tells servers that are not initialized to join the others' cluster; nil waits
	// for them to do so themselves.
	Join *Join
	// Ask returns the next share; progress tells how many of threshold were given.
	Ask func(ctx context.Context, progress, threshold int) (redact.Bytes, error)
	// Say is told what happened, for a person.
	Say func(server, text string)
	// Settle bounds how long a server may take to open after its last share, to answer
	// again, or to join its cluster; 0 is half a minute.
	Settle time.Duration

	shares []redact.Bytes
	known  map[string]known
}

// known is what this run knows of a server that is sealed.
type known struct {
	last vault.SealStatus
	// offered is how many of our shares it was given.
	offered int
}

// Run unseals until every server is open, or Ask has no more shares. It must be called
// once. Its errors end in the state of every server.
func (u *Unseal) Run(ctx context.Context) error {
	if u.Settle == 0 {
		u.Settle = 30 * time.Second
	}
	u.known = map[string]known{}
	err := u.run(ctx)
	switch {
	case err == nil, errors.Is(err, ErrNoAnswer):
		return err
	case ctx.Err() != nil:
		err = interruption{ctx.Err()}
	case errors.Is(err, ErrWrongShares):
		// One of the shares is wrong on the other servers too.
		u.drop(ctx)
	}
	return fmt.Errorf("%w. State now: %s", err, left(ctx, u.Servers))
}

func (u *Unseal) run(ctx context.Context) error {
	for {
		sealed, waiting, err := u.look(ctx)
		switch {
		case err != nil:
		case len(sealed) > 0:
			err = u.round(ctx, sealed)
		case len(waiting) > 0:
			err = u.join(ctx, waiting)
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// interruption is ErrInterrupted with the context's own error behind it.
type interruption struct{ cause error }

func (interruption) Error() string     { return ErrInterrupted.Error() }
func (i interruption) Unwrap() []error { return []error{ErrInterrupted, i.cause} }

// Takes returns an error when no share can help: what Run would say before it asks for
// the first one. Servers that are open need none.
func Takes(states []State, migrate bool) error {
	ok, err := readable(states)
	if err != nil {
		return err
	}
	initialized, pending, sealed := false, false, false
	for _, s := range ok {
		switch {
		case s.Initialized && s.Sealed && s.AutoUnseals():
			return fmt.Errorf("%s: seal type %q: %w; its shares are recovery keys and do not open it. Check that the key service answers, and Vault's log", s.Server, s.Type, ErrAutoUnseal)
		case s.Sealed && s.Migration && !migrate:
			return fmt.Errorf("%s: %w; the shares go through with it when they are given with --migrate", s.Server, ErrMigration)
		}
		initialized = initialized || s.Initialized
		sealed = sealed || s.Sealed && s.Initialized
		pending = pending || s.Migration
	}
	if !initialized {
		return fmt.Errorf("%w; do so with: kubectl vaultsecret init", ErrNotInitialized)
	}
	if migrate && sealed && !pending {
		return fmt.Errorf("%w on any server; unseal without --migrate", ErrNoMigration)
	}
	return nil
}

// look sorts the servers: sealed ones take shares now, waiting ones have yet to join the
// cluster.
func (u *Unseal) look(ctx context.Context) (sealed, waiting []Server, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	states := States(ctx, u.Servers)
	if err := Takes(states, u.Migrate); err != nil {
		return nil, nil, err
	}
	for i, s := range states {
		switch {
		case s.Err != nil:
		case !s.Initialized:
			waiting = append(waiting, u.Servers[i])
		case s.Sealed:
			k := u.known[s.Server]
			if k.lost(s.SealStatus) {
				return nil, nil, fmt.Errorf("%s: %w", s.Server, ErrReset)
			}
			k.last = s.SealStatus
			u.known[s.Server] = k
			sealed = append(sealed, u.Servers[i])
		default:
			delete(u.known, s.Server)
		}
	}
	return sealed, waiting, nil
}

// lost notices that progress that holds a share of ours is gone.
func (k known) lost(now vault.SealStatus) bool {
	return k.offered > 0 && k.last.Progress > 0 && now.Sealed && (now.Nonce != k.last.Nonce || now.Progress < k.last.Progress)
}

// round gives servers that are behind a share that others have, else asks for one.
func (u *Unseal) round(ctx context.Context, sealed []Server) error {
	behind := false
	for _, s := range sealed {
		if n := u.known[s.Name].offered; n < len(u.shares) {
			behind = true
			if _, err := u.give(ctx, s, u.shares[n]); err != nil {
				return err
			}
			u.offered(s.Name, n+1)
		}
	}
	if behind {
		return nil
	}
	return u.next(ctx, sealed)
}

// offered keeps how many shares a server was given; one that opened is forgotten.
func (u *Unseal) offered(name string, n int) {
	if k, ok := u.known[name]; ok {
		k.offered = n
		u.known[name] = k
	}
}

// next asks for one share and gives it to every sealed server.
func (u *Unseal) next(ctx context.Context, sealed []Server) error {
	first := u.known[sealed[0].Name].last
	share, err := u.Ask(ctx, first.Progress, first.Threshold)
	if errors.Is(err, ErrNoMoreShares) {
		return err
	}
	if err != nil {
		return fmt.Errorf("reading a share: %w", err)
	}
	held := false
	for _, mine := range u.shares {
		held = held || bytes.Equal(mine, share)
	}
	for _, s := range sealed {
		valid, err := u.give(ctx, s, share)
		if err != nil {
			return err
		}
		if !valid {
			return nil // for no other server either
		}
		if !held {
			u.offered(s.Name, len(u.shares)+1)
		}
	}
	if !held {
		u.shares = append(u.shares, share)
	}
	return nil
}

// drop resets the progress that holds shares of ours.
func (u *Unseal) drop(ctx context.Context) {
	for _, s := range u.Servers {
		if k, ok := u.known[s.Name]; ok && k.last.Progress > 0 {
			_, _ = s.Client.ResetUnseal(ctx) // the state that is said afterwards is looked up anew
		}
	}
}
