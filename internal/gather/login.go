package gather

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/store"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

type loginKey struct{ store, namespace string }

// opened is a store with a live session.
type opened struct {
	reader kv.Reader
	client *vault.Client
	token  diagnose.Fact[diagnose.Token]
	// blind: the token may not look itself up, which says nothing against it.
	blind bool
}

// login logs in with the store's own credential, once per identity, and goes on to
// the paths.
func (o *one) login(ctx context.Context, s *diagnose.Store) {
	s.Login.Method = method(s.Object.Value)
	if o.NoLogin {
		s.Login.Result = diagnose.Unknown[diagnose.LoginResult](diagnose.NoLogin)
		return
	}
	session, err := o.open(ctx, *s.Object.Value, o.f.Namespace)
	if err != nil {
		e := asKV(err)
		broken := e.Code == http.StatusInternalServerError // Vault's own answer, e.g. of a directory that it cannot reach
		if s.Vault.Seal.Value.Standby && (broken || vault.IsRedirect(err)) {
			s.Vault.Seal.Value.Stuck, broken = Clean(e.Detail), false // it could not pass the request on
		}
		if e.Kind != kv.BadCredential && !broken {
			s.Login.Result = diagnose.Unknown[diagnose.LoginResult](o.reason("use what the store names", err))
			return
		}
		s.Login.Result = diagnose.Known(diagnose.LoginResult{Refused: Clean(e.Detail), Field: Clean(e.Field), Code: e.Code})
		return
	}
	s.Login.Result, s.Login.Token = diagnose.Known(diagnose.LoginResult{Blind: session.blind}), session.token
	o.lookAtPaths(ctx, s, session)
}

func method(s *eso.Store) string {
	if methods := s.Spec.Provider.Vault.Auth.Methods(); len(methods) > 0 {
		return methods[0]
	}
	return ""
}

// admitted opens a store for a namespace that its conditions admit, as a controller
// does; anything else is an error.
func (g *Gatherer) admitted(ctx context.Context, s eso.Store, namespace string) (*opened, error) {
	if g.NoLogin {
		return nil, &kv.Error{Kind: kv.BadConfig, Detail: diagnose.NoLogin}
	}
	if _, err := g.admissions.get(loginKey{s.String(), namespace}, func() (struct{}, error) {
		ctx, cancel := g.limited(ctx)
		defer cancel()
		return struct{}{}, store.Admits(ctx, g.pass.Objects, s, namespace)
	}); err != nil {
		return nil, err
	}
	return g.open(ctx, s, namespace)
}

// open logs in, or returns why not. Only the store's own credential is used.
func (g *Gatherer) open(ctx context.Context, s eso.Store, namespace string) (*opened, error) {
	key := loginKey{store: s.String()}
	if s.Referent() {
		key.namespace = namespace
	}
	return g.logins.get(key, func() (*opened, error) {
		ctx, cancel := g.limited(ctx)
		defer cancel()
		reader, client, err := g.pass.Look(ctx, s, namespace)
		if err != nil {
			return nil, err
		}
		token, uses, err := client.Inspect(ctx)
		session := &opened{reader: reader, client: client, blind: errors.Is(err, vault.ErrUnproven)}
		switch {
		case session.blind: // as in store.Pass.Validate, it is good as long as Vault does not call it invalid
			session.token = diagnose.Unknown[diagnose.Token]("the token may not look itself up (auth/token/lookup-self)")
			return session, nil
		case kv.KindOf(err) == kv.BadCredential, vault.IsRedirect(err):
			return nil, err
		case err != nil:
			session.token = diagnose.Unknown[diagnose.Token](Clean(asKV(err).Detail))
			return session, nil
		}
		policies := make([]string, len(token.Policies))
		for i, p := range token.Policies {
			policies[i] = Clean(p)
		}
		session.token = diagnose.Known(diagnose.Token{
			Policies: policies, Root: slices.Contains(policies, "root"), Renewable: token.Renewable,
			Expires: token.TTL > 0, TTL: token.TTL, FromLogin: method(&s) != "tokenSecretRef", Uses: uses,
		})
		return session, nil
	})
}
