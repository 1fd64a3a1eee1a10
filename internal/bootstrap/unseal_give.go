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

// maxSends is how often one share is sent to a server that does not answer. A share that
// came in and is sent again counts once.
const maxSends = 3

// give sends one share to one server and judges the answer; valid says that the text is
// a share at all.
func (u *Unseal) give(ctx context.Context, s Server, share redact.Bytes) (valid bool, err error) {
	for range maxSends {
		// Asking for the share took its time: look before giving it away.
		before, err := u.answer(ctx, s)
		if err != nil {
			return false, err
		}
		if k := u.known[s.Name]; k.lost(before) {
			return false, fmt.Errorf("%s: %w", s.Name, ErrReset)
		}
		if !before.Sealed {
			u.opened(s)
			return true, nil
		}
		now, err := s.Client.Unseal(ctx, share, u.Migrate && before.Migration)
		if unanswered(err) && ctx.Err() == nil {
			u.Say(s.Name, "no answer; looking at what became of the share")
			if now, err = u.answer(ctx, s); err != nil {
				return false, fmt.Errorf("a share was sent, and what became of it is not known: %w", err)
			}
			if now.Sealed && now.Progress == before.Progress && now.Nonce == before.Nonce {
				continue // it never came in, or is one that was given before
			}
		}
		if err != nil {
			return u.refused(s, err)
		}
		return true, u.judge(ctx, s, before, now)
	}
	return false, fmt.Errorf("%s: the share was sent %d times without an answer; whether it counts shows with: kubectl vaultsecret unseal --status", s.Name, maxSends)
}

// answer asks for a server's status until it answers, bounded.
func (u *Unseal) answer(ctx context.Context, s Server) (vault.SealStatus, error) {
	now, err := u.poll(ctx, s, func(vault.SealStatus) bool { return true })
	if err != nil {
		return now, fmt.Errorf("%s: %w", s.Name, mendable(err))
	}
	return now, nil
}

// judge tells from the state before a share and the one after it what the share did:
//
//	open                                        it opens the server
//	progress 0, and the threshold was reached   it is opening, joining, or was restarted
//	another nonce                               somebody reset it in between
//	the same progress                           the share was given before
//	more progress                               it counts
func (u *Unseal) judge(ctx context.Context, s Server, before, now vault.SealStatus) error {
	switch {
	case !now.Sealed:
		u.opened(s)
		return nil
	case now.Progress == 0 && before.Progress+1 >= now.Threshold:
		u.Say(s.Name, "all shares given; waiting for it to open")
		_, err := u.poll(ctx, s, func(n vault.SealStatus) bool { return !n.Sealed })
		if errors.Is(err, ErrStillSealed) {
			return fmt.Errorf("%s: %w after %s; a raft follower must reach its leader: check its log", s.Name, ErrStillSealed, u.Settle)
		}
		if err != nil {
			return fmt.Errorf("%s: all shares were given, and whether it opened is not known: %w", s.Name, mendable(err))
		}
		u.opened(s)
		return nil
	case before.Progress > 0 && now.Nonce != before.Nonce:
		return fmt.Errorf("%s: %w", s.Name, ErrReset)
	case now.Progress == before.Progress:
		u.Say(s.Name, fmt.Sprintf("this share was given before; still %d of %d", now.Progress, now.Threshold))
	default:
		u.Say(s.Name, fmt.Sprintf("%d of %d shares", now.Progress, now.Threshold))
	}
	k := u.known[s.Name]
	k.last = now
	u.known[s.Name] = k
	return nil
}

func (u *Unseal) opened(s Server) {
	u.Say(s.Name, "unsealed")
	delete(u.known, s.Name)
}

// refused tells a text that is no share from a set of shares that does not fit.
func (u *Unseal) refused(s Server, err error) (valid bool, _ error) {
	if kv.KindOf(err) != kv.BadRequest {
		return false, fmt.Errorf("%s: %w", s.Name, mendable(err))
	}
	for _, format := range []string{"must be a valid hex or base64", "shorter than minimum", "longer than maximum"} {
		if strings.Contains(err.Error(), format) {
			u.Say(s.Name, "this is no share (a share is hexadecimal or base64 text); it does not count")
			return false, nil
		}
	}
	return false, fmt.Errorf("%s: %w; the progress is back to 0", s.Name, ErrWrongShares)
}

// poll asks a server until done, or until the bound.
func (u *Unseal) poll(ctx context.Context, s Server, done func(vault.SealStatus) bool) (vault.SealStatus, error) {
	deadline := time.Now().Add(u.Settle)
	for {
		now, err := s.status(ctx)
		if err == nil && done(now) {
			return now, nil
		}
		if err == nil {
			err = ErrStillSealed
		}
		if time.Now().After(deadline) || ctx.Err() != nil || errors.Is(err, vault.ErrUnknownAuthority) || errors.Is(err, vault.ErrOtherName) {
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
