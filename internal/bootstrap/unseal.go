package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// Errors that end an unseal. Their text says what state was left.
var (
	// ErrAutoUnseal: shares do not open this seal.
	ErrAutoUnseal = errors.New("this Vault unseals itself with a key service")
	// ErrNotInitialized: there is nothing to unseal yet.
	ErrNotInitialized = errors.New("this Vault is not initialized")
	// ErrReset: the progress changed under us.
	ErrReset = errors.New("the unseal progress was reset by somebody else, or the server restarted")
	// ErrWrongShares: the threshold was reached and the shares do not fit.
	ErrWrongShares = errors.New("the shares do not open this Vault; Vault cannot tell which of them was wrong")
	// ErrMigration: a seal migration waits for shares that are given for it.
	ErrMigration = errors.New("a seal migration is pending; repeat with --migrate to go through with it")
	// ErrStillSealed: enough shares were given and the server stays sealed.
	ErrStillSealed = errors.New("enough shares were given, and the server is still sealed")
)

// ErrNoMoreShares is returned by Ask when it has none left.
var ErrNoMoreShares = errors.New("no more shares")

// Unseal unseals servers. Each share is asked for once and sent to every server that is
// sealed at that time; a server that joins later is given the same shares again.
type Unseal struct {
	Servers []Server
	// Migrate gives the shares for a seal migration.
	Migrate bool
	// Ask returns the next share; progress tells how many of threshold were given.
	Ask func(ctx context.Context, progress, threshold int) (redact.Bytes, error)
	// Say is told what happened, for a person.
	Say func(server, text string)
	// Settle bounds how long a server may take to open after its last share, or to
	// join its cluster; 0 is half a minute.
	Settle time.Duration

	shares []redact.Bytes
	seen   map[string]vault.SealStatus
	given  map[string]int // shares of ours that a server has taken
}

// Run unseals until every server is open, or Ask has no more shares, which is no
// error while progress was made: somebody else has the next one.
func (u *Unseal) Run(ctx context.Context) error {
	if u.Settle == 0 {
		u.Settle = 30 * time.Second
	}
	u.seen, u.given = map[string]vault.SealStatus{}, map[string]int{}
	states, err := readable(States(ctx, u.Servers))
	if err != nil {
		return err
	}
	if err := u.check(states); err != nil {
		return err
	}
	for {
		sealed, waiting, err := u.sealed(ctx)
		if err != nil {
			return err
		}
		if len(sealed) == 0 {
			if !waiting {
				return nil
			}
			if err := u.join(ctx); err != nil {
				return err
			}
			continue
		}
		if err := u.catchUp(ctx, sealed); err != nil {
			return err
		}
		if sealed, _, err = u.sealed(ctx); err != nil || len(sealed) == 0 {
			if err != nil {
				return err
			}
			continue
		}
		if err := u.next(ctx, sealed); err != nil {
			return err
		}
	}
}

// check looks at what no share can help.
func (u *Unseal) check(states []State) error {
	initialized := false
	for _, s := range states {
		switch {
		case s.AutoUnseals() && s.Sealed && !s.Migration:
			return fmt.Errorf("%s: seal type %q: %w; shares are recovery keys and do not open it. Check the key service and Vault's log", s.Server, s.Type, ErrAutoUnseal)
		case s.Migration && s.Sealed && !u.Migrate:
			return fmt.Errorf("%s: %w", s.Server, ErrMigration)
		}
		initialized = initialized || s.Initialized
	}
	if !initialized {
		return fmt.Errorf("%w: kubectl vaultsecret init", ErrNotInitialized)
	}
	return nil
}

// sealed lists the servers that take shares now; waiting says that others have yet to
// join the cluster.
func (u *Unseal) sealed(ctx context.Context) (sealed []Server, waiting bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, false, fmt.Errorf("interrupted: %w; %s", err, left(ctx, u.Servers))
	}
	states := States(ctx, u.Servers)
	if _, err := readable(states); err != nil {
		return nil, false, err
	}
	for i, s := range states {
		switch {
		case s.Err != nil:
		case !s.Initialized:
			waiting = true
		case s.Sealed:
			if err := u.compare(s.Server, s.SealStatus); err != nil {
				return nil, false, fmt.Errorf("%s: %w; %s", s.Server, err, left(ctx, u.Servers))
			}
			u.seen[s.Server] = s.SealStatus
			sealed = append(sealed, u.Servers[i])
		default:
			delete(u.seen, s.Server)
		}
	}
	return sealed, waiting, nil
}

// compare notices that somebody reset a server's progress since we last looked.
func (u *Unseal) compare(server string, now vault.SealStatus) error {
	before, ok := u.seen[server]
	if ok && before.Progress > 0 && u.given[server] > 0 && (now.Nonce != before.Nonce || now.Progress < before.Progress) {
		return ErrReset
	}
	return nil
}

// catchUp gives a server that was not there before the shares that others have.
func (u *Unseal) catchUp(ctx context.Context, sealed []Server) error {
	for _, s := range sealed {
		for u.given[s.Name] < len(u.shares) {
			opened, taken, err := u.give(ctx, s, u.shares[u.given[s.Name]])
			if err != nil {
				return err
			}
			if opened {
				break
			}
			if !taken { // it has this one from somebody else
				u.given[s.Name]++
			}
		}
	}
	return nil
}

// next asks for one share and gives it to every sealed server.
func (u *Unseal) next(ctx context.Context, sealed []Server) error {
	first := u.seen[sealed[0].Name]
	share, err := u.Ask(ctx, first.Progress, first.Threshold)
	if errors.Is(err, ErrNoMoreShares) {
		return fmt.Errorf("%w: %s. Whoever has the next share goes on with: kubectl vaultsecret unseal", ErrNoMoreShares, left(ctx, u.Servers))
	}
	if err != nil {
		return fmt.Errorf("reading a share: %w; %s", err, left(ctx, u.Servers))
	}
	taken := false
	for _, s := range sealed {
		_, ok, err := u.give(ctx, s, share)
		if err != nil {
			return err
		}
		taken = taken || ok
	}
	if taken {
		u.shares = append(u.shares, share)
	}
	return nil
}

// give sends one share to one server and judges the answer.
func (u *Unseal) give(ctx context.Context, s Server, share redact.Bytes) (opened, taken bool, err error) {
	before := u.seen[s.Name]
	now, err := s.Client.Unseal(ctx, share, u.Migrate)
	if unreachable(err) {
		u.Say(s.Name, "no answer; looking at what it did with the share")
		now, err = u.poll(ctx, s, func(vault.SealStatus) bool { return true })
	}
	if err != nil {
		return false, false, u.refused(ctx, s, err)
	}
	if before.Progress > 0 && now.Sealed && now.Nonce != "" && now.Nonce != before.Nonce {
		return false, false, fmt.Errorf("%s: %w; %s", s.Name, ErrReset, left(ctx, u.Servers))
	}
	switch {
	case now.Sealed && before.Progress+1 >= now.Threshold && now.Progress == 0:
		u.Say(s.Name, "all shares given; waiting for it to open")
		if now, err = u.poll(ctx, s, func(n vault.SealStatus) bool { return !n.Sealed }); err != nil {
			return false, false, fmt.Errorf("%s: %w: a raft follower must reach its leader (check retry_join and Vault's log); %s", s.Name, ErrStillSealed, left(ctx, u.Servers))
		}
		fallthrough
	case !now.Sealed:
		u.Say(s.Name, "unsealed")
		delete(u.seen, s.Name)
		u.given[s.Name]++
		return true, true, nil
	case now.Progress == before.Progress:
		u.Say(s.Name, fmt.Sprintf("this share was given before; still %d of %d", now.Progress, now.Threshold))
	default:
		u.Say(s.Name, fmt.Sprintf("%d of %d shares", now.Progress, now.Threshold))
		u.given[s.Name]++
		taken = true
	}
	u.seen[s.Name] = now
	return false, taken, nil
}

// refused tells a text that is no share from a set of shares that does not fit.
func (u *Unseal) refused(ctx context.Context, s Server, err error) error {
	text := err.Error()
	if kv.KindOf(err) != kv.BadRequest {
		return fmt.Errorf("%s: %w; %s", s.Name, err, left(ctx, u.Servers))
	}
	for _, format := range []string{"must be a valid hex or base64", "shorter than minimum", "longer than maximum"} {
		if strings.Contains(text, format) {
			u.Say(s.Name, "this is no share (a share is hexadecimal or base64 text); it does not count")
			return nil
		}
	}
	return fmt.Errorf("%s: %w; the progress is back to 0: %s", s.Name, ErrWrongShares, left(ctx, u.Servers))
}

// join waits, bounded, for a server that is not initialized to join its cluster.
func (u *Unseal) join(ctx context.Context) error {
	deadline := time.Now().Add(u.Settle)
	for {
		waiting := ""
		for _, s := range States(ctx, u.Servers) {
			if s.Err == nil && !s.Initialized {
				waiting = s.Server
			}
		}
		if waiting == "" {
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("%s has not joined the raft cluster: %w; give it retry_join in its configuration, or run in it: vault operator raft join; %s", waiting, ErrStillSealed, left(ctx, u.Servers))
		}
		pause(ctx, 200*time.Millisecond)
	}
}

// poll asks a server until done, or until the bound.
func (u *Unseal) poll(ctx context.Context, s Server, done func(vault.SealStatus) bool) (vault.SealStatus, error) {
	deadline := time.Now().Add(u.Settle)
	for {
		now, err := s.Client.SealStatus(ctx)
		if err == nil && done(now) {
			return now, nil
		}
		if err == nil {
			err = ErrStillSealed
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return now, err
		}
		pause(ctx, 200*time.Millisecond)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// Reset drops the shares given so far on every sealed server.
func Reset(ctx context.Context, servers []Server) error {
	var errs []error
	for _, s := range servers {
		if _, err := s.Client.ResetUnseal(ctx); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.Name, err))
		}
	}
	return errors.Join(errs...)
}
