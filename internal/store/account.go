package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// account is a ServiceAccount whose token logs in.
type account struct {
	field     string
	ref       eso.ServiceAccountSelector
	audiences []string
	seconds   int64
}

// jwtAccount applies ESO's defaults: audience vault, besides the selector's own, and
// ten minutes.
func jwtAccount(t *eso.KubernetesServiceAccountToken) account {
	a := account{field: "auth.jwt.kubernetesServiceAccountToken.serviceAccountRef", ref: t.ServiceAccountRef, seconds: 600}
	more := []string{"vault"}
	if t.Audiences != nil {
		more = *t.Audiences
	}
	a.audiences = slices.Concat(t.ServiceAccountRef.Audiences, more)
	if t.ExpirationSeconds != nil {
		a.seconds = *t.ExpirationSeconds
	}
	return a
}

// withAccountToken completes a login by a ServiceAccount's token, which is asked for
// anew at each login.
func (r Resolver) withAccountToken(s scope, login func(context.Context) (vault.Login, error), a account) func(context.Context) (vault.Login, error) {
	return func(ctx context.Context) (vault.Login, error) {
		l, err := login(ctx)
		if err != nil {
			return l, err
		}
		jwt, err := r.accountToken(ctx, s, a)
		if err != nil {
			return l, err
		}
		body := map[string]redact.Bytes{"jwt": jwt}
		if role := l.Body["role"]; len(role) > 0 {
			body["role"] = role
		}
		return vault.Login{Path: l.Path, Namespace: l.Namespace, Body: body}, nil
	}
}

func (r Resolver) accountToken(ctx context.Context, s scope, a account) (redact.Bytes, error) {
	namespace, err := s.target(eso.Reference{Field: a.field, Kind: "ServiceAccount", Name: a.ref.Name, Namespace: a.ref.Namespace})
	if err != nil {
		return nil, err
	}
	token, err := r.Cluster.ServiceAccountToken(ctx, namespace, a.ref.Name, a.audiences, time.Duration(a.seconds)*time.Second)
	if err == nil && len(token) > 0 {
		return token, nil
	}
	why := "it does not exist"
	if err != nil {
		why = vault.Cause(err)
	}
	return nil, &kv.Error{Kind: kv.BadConfig, Field: "spec.provider.vault." + a.field, Err: err, Detail: fmt.Sprintf(
		"cannot request Kubernetes service account token for service account %q in namespace %q (spec.provider.vault.%s of %s): %s", a.ref.Name, namespace, a.field, s.store, why)}
}
