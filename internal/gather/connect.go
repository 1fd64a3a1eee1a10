package gather

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// Store looks a store up; nil is a proven absence. Its server is the one that the
// caller put in its place, if any.
func (g *Gatherer) Store(ctx context.Context, ref eso.StoreRef, namespace string) (*eso.Store, error) {
	return g.storeOf(ctx, ref, namespace)
}

// Vault is a client of the store's Vault, reached as the store says, that has no token
// yet: for a person who acts there with a token of their own.
func (g *Gatherer) Vault(ctx context.Context, s eso.Store, namespace string) (*vault.Client, error) {
	ctx, cancel := g.limited(ctx)
	defer cancel()
	config, err := g.resolver.Connection(ctx, s, namespace)
	if err != nil {
		return nil, err
	}
	config.Dial = g.Dial
	return vault.New(config)
}

// Open logs in with the store's own credential, once per identity, whatever the
// store's class.
func (g *Gatherer) Open(ctx context.Context, s eso.Store, namespace string) (kv.Reader, *vault.Client, error) {
	session, err := g.open(ctx, s, namespace)
	if err != nil {
		return nil, nil, err
	}
	return session.reader, session.client, nil
}

// Changed is when a mapping's controller last changed the data of its Secret, zero when
// that is not known.
func Changed(secret *corev1.Secret, mapping string) time.Time {
	return dataChanged(secret.ManagedFields, eso.FieldManager(mapping))
}
