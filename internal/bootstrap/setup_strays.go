package bootstrap

import (
	"context"
	"errors"
	"fmt"

	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// maxTokens bounds the tokens that are looked through for strays: each is a request.
const maxTokens = 1000

// lookForStrays finds the tokens that setup made for the store and no Secret holds: those
// of a run whose answer was lost. Their metadata tell whose they are. Only who may list all
// tokens of a Vault can find them.
func (g Ground) lookForStrays(ctx context.Context, s Setup, f *Facts) error {
	if s.Method != MethodToken {
		return nil
	}
	var rights *RightsError
	if err := g.Allowed(ctx, []Need{{"auth/token/accessors", []string{"list", "sudo"}}}); errors.As(err, &rights) {
		return nil
	} else if err != nil {
		return err
	}
	accessors, err := g.Vault.Accessors(ctx)
	if err != nil {
		return err
	}
	if len(accessors) > maxTokens {
		f.StraysUnknown = fmt.Sprintf("this Vault has %d tokens, too many to look through", len(accessors))
		return nil
	}
	for _, accessor := range accessors {
		if accessor == f.Secret.Accessor || accessor == f.Secret.Replaced {
			continue
		}
		token, found, err := g.Vault.LookupAccessor(ctx, accessor)
		if err != nil {
			return err
		}
		if found && s.marks(token.Metadata) {
			f.Strays = with(f.Strays, accessor)
		}
	}
	return nil
}

// noted is the accessor that the Secret's annotation names as replaced once the credential
// step is done; "" for none.
func (s Setup) noted(renewed bool, f Facts) string {
	switch {
	case s.Method != MethodToken:
		return ""
	case renewed && f.Secret.Accessor != "" && f.Token != nil:
		return f.Secret.Accessor
	}
	return f.Secret.Replaced
}

// madeTokens are the accessors of all tokens that setup made for the store and that live.
func (s Setup) madeTokens(f Facts) []string {
	tokens := f.Strays
	if f.Token != nil && f.Secret.For == s.StoreName() {
		tokens = with([]string{f.Secret.Accessor}, tokens...)
	}
	return tokens
}

// revoke revokes tokens by their accessors.
func revoke(ctx context.Context, client *vault.Client, accessors []string) error {
	for _, accessor := range accessors {
		if err := client.RevokeAccessor(ctx, accessor); err != nil {
			return err
		}
	}
	return nil
}
