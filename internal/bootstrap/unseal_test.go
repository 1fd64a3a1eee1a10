package bootstrap

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// Each share is asked for once and opens three servers, also when one of them has
// some already, and a duplicate or a mistyped share costs nothing.
func TestEveryShareOpensEveryServer(t *testing.T) {
	sb, all := servers(t)
	// Somebody gave vault-1 the first share before.
	if _, err := all[1].Client.Unseal(t.Context(), redact.Bytes(sb.Shares[0]), false); err != nil {
		t.Fatal(err)
	}
	asked := 0
	said, err := unseal(t, all, giver(func(int) { asked++ },
		sb.Shares[0], "no share at all!", sb.Shares[0], sb.Shares[1], sb.Shares[2]))
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	allOpen(t, all)
	if asked != 5 {
		t.Errorf("asked %d times, want once for each share", asked)
	}
	for _, want := range []string{
		"vault-1: this share was given before; still 1 of 3", "vault-0: 1 of 3 shares",
		"vault-0: this is no share", "vault-0: 2 of 3 shares", "vault-0: unsealed", "vault-2: unsealed",
	} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("nobody said %q:\n%s", want, said)
		}
	}
	for _, share := range sb.Shares {
		if strings.Contains(said.String(), share) {
			t.Error("a share was said aloud")
		}
	}
	// A second run has nothing to ask.
	if said, err := unseal(t, all, giver(func(int) { t.Error("asked for a share of an open Vault") })); err != nil {
		t.Errorf("a second run: %v\n%s", err, said)
	}
}

// A share of another cluster shows only at the threshold, and Vault cannot tell which
// one it was: the message says so, and that the progress is gone.
func TestWrongShareAtTheThreshold(t *testing.T) {
	sb, all := servers(t)
	stranger := make([]byte, 33)
	_, _ = rand.Read(stranger)
	_, err := unseal(t, all, giver(nil, sb.Shares[0], sb.Shares[1], base64.StdEncoding.EncodeToString(stranger)))
	wants(t, err, ErrWrongShares, "cannot tell which", "back to 0", "vault-0: sealed, 3 shares needed")
	if strings.Contains(err.Error(), base64.StdEncoding.EncodeToString(stranger)) {
		t.Error("the error holds the share")
	}
}

// Somebody's reset between two shares is noticed, and so is a restart of the Pod.
func TestProgressLostMidway(t *testing.T) {
	for name, lose := range map[string]func(context.Context, *testing.T, []Server){
		"reset": func(ctx context.Context, t *testing.T, all []Server) {
			if _, err := Reset(ctx, all[:1]); err != nil {
				t.Error(err)
			}
		},
		"reset, and another share given": func(ctx context.Context, t *testing.T, all []Server) {
			if _, err := Reset(ctx, all[:1]); err != nil {
				t.Error(err)
			}
			if _, err := all[0].Client.Unseal(ctx, redact.Bytes(shared.Sandbox(t).Shares[4]), false); err != nil {
				t.Error(err)
			}
		},
		"restart": func(ctx context.Context, t *testing.T, _ []Server) {
			sb := shared.Sandbox(t)
			sb.StopVault(0)
			if err := sb.StartVault(ctx, 0); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			sb, all := servers(t)
			_, err := unseal(t, all, giver(func(n int) {
				if n == 2 {
					lose(t.Context(), t, all)
				}
			}, sb.Shares[:3]...))
			wants(t, err, ErrReset, "vault-0", "sealed")
		})
	}
}

// Several people with one share each: everyone stops after theirs, the next goes on.
func TestOnePersonOneShare(t *testing.T) {
	sb, all := servers(t)
	for person, left := range []string{"vault-2: sealed, 1 of 3 shares given (nonce ", "vault-2: sealed, 2 of 3 shares given (nonce "} {
		_, err := unseal(t, all, giver(nil, sb.Shares[person]))
		wants(t, err, ErrNoMoreShares, left)
	}
	if said, err := unseal(t, all, giver(nil, sb.Shares[2])); err != nil {
		t.Fatalf("the third person: %v\n%s", err, said)
	}
	allOpen(t, all)
}

// Ctrl-C between shares says what state was left.
func TestInterruptedBetweenShares(t *testing.T) {
	sb, all := servers(t)
	ctx, cancel := context.WithCancel(t.Context())
	said := &talk{}
	err := (&Unseal{Servers: all, Say: said.say, Ask: func(_ context.Context, progress, _ int) (redact.Bytes, error) {
		if progress == 1 {
			cancel()
			return nil, ctx.Err()
		}
		return redact.Bytes(sb.Shares[0]), nil
	}}).Run(ctx)
	wants(t, err, context.Canceled, "vault-0: sealed, 1 of 3 shares given")
}

// Nothing is asked for where no share can help.
func TestNothingToAsk(t *testing.T) {
	for name, c := range map[string]struct {
		state   vault.SealStatus
		migrate bool
		want    error
	}{
		"a key service unseals":  {state: vault.SealStatus{Initialized: true, Sealed: true, Type: "transit", Recovery: true}, want: ErrAutoUnseal},
		"a migration is pending": {state: vault.SealStatus{Initialized: true, Sealed: true, Type: "shamir", Migration: true}, want: ErrMigration},
		"not initialized":        {state: vault.SealStatus{Sealed: true, Type: "shamir"}, want: ErrNotInitialized},
		"a key service, no init": {state: vault.SealStatus{Sealed: true, Type: "transit"}, want: ErrNotInitialized},
		"no migration to make":   {state: vault.SealStatus{Initialized: true, Sealed: true, Type: "shamir"}, migrate: true, want: ErrNoMigration},
		"a migration is wanted":  {state: vault.SealStatus{Initialized: true, Sealed: true, Type: "shamir", Migration: true}, migrate: true},
	} {
		t.Run(name, func(t *testing.T) {
			err := Takes([]State{{Server: "vault-0", SealStatus: c.state}}, c.migrate)
			if c.want == nil && err != nil {
				t.Fatal(err)
			}
			if c.want != nil {
				wants(t, err, c.want)
			}
		})
	}
}
