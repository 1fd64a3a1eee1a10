package bootstrap

import (
	"context"
	"errors"
	"fmt"

	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// maxTokens bounds the tokens that are looked through for strays: each is a request.
const maxTokens = 1000

// lookForStrays finds the tokens that setup made for the store and its Secret does not
// name: those of a run whose answer was lost. Their metadata tell whose they are. Only who
// may list all tokens of a Vault can find them. They are told of and never ended here:
// another run may be about to write one, and another Secret may hold one.
func (g Ground) lookForStrays(ctx context.Context, s Setup, f *Facts) error {
	if s.Method != MethodToken {
		return nil
	}
	if s.Cluster == "" {
		f.StraysUnknown = "whose tokens are of this cluster cannot be told, for you may not read namespace kube-system"
		return nil
	}
	var rights *RightsError
	if err := g.Allowed(ctx, []Need{{"auth/token/accessors", []string{"list", "sudo"}}}); errors.As(err, &rights) {
		f.StraysUnknown = "your Vault token may not list auth/token/accessors, with sudo"
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
			f.StraysUnknown = "looking a token up: " + err.Error()
			return nil
		}
		if found && s.marks(token.Metadata) {
			f.Strays = with(f.Strays, accessor)
		}
	}
	return nil
}

// planStrays tells of them.
func planStrays(p *Plan, s Setup, f Facts) {
	if len(f.Strays) == 0 {
		return
	}
	p.notice(fmt.Sprintf("setup made more tokens for %s than its Secret names, in a run that broke off or for another Secret; end those that nobody uses: vault token revoke -accessor %s",
		s.StoreName(), several(f.Strays)))
}

// noted is the accessor that the Secret's annotation names as replaced once the credential
// step is done; "" for none.
func (s Setup) noted(renewed bool, f Facts) string {
	switch {
	case s.Method != MethodToken:
		return ""
	case renewed && f.Secret.Accessor != "" && f.Token != nil:
		return f.Secret.Accessor
	case renewed:
		return "" // the new Secret came without the annotation
	}
	return f.Secret.Replaced
}

// madeTokens are the accessors of the store's tokens that its Secret names and that live.
func (s Setup) madeTokens(f Facts) []string {
	if f.Secret.For != s.StoreName() {
		return nil
	}
	var tokens []string
	if f.Token != nil {
		tokens = with(tokens, f.Secret.Accessor)
	}
	if f.Secret.Replaced != "" {
		tokens = with(tokens, f.Secret.Replaced)
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
