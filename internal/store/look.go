package store

import (
	"context"
	"strings"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// Namespace is the namespace in which a store's reference is read for a mapping. It
// is the one rule of N1; an error is a *kv.Error that names the field.
func Namespace(store eso.Store, namespace string, ref eso.Reference) (string, error) {
	return scope{store: store, namespace: namespace}.target(ref)
}

// Connection is how the store's Vault is reached, without any credential for its
// login: address, roots, and the client certificate of the connection.
func (r Resolver) Connection(ctx context.Context, store eso.Store, namespace string) (vault.Config, error) {
	s := scope{store: store, namespace: namespace}
	v := store.Spec.Provider.Vault
	config, values := connection(store), map[string]redact.Bytes{}
	for _, ref := range v.References() {
		if strings.HasPrefix(ref.Field, "auth.") {
			continue
		}
		value, _, err := r.value(ctx, s, ref)
		if err != nil {
			return vault.Config{}, err
		}
		values[ref.Field] = value
	}
	trust(&config, values)
	return config, nil
}

// Look opens a store whatever its class, for those who only look, and returns the
// client of its session beside the reader. The credential is the store's own.
func (p *Pass) Look(ctx context.Context, store eso.Store, namespace string) (kv.Reader, *vault.Client, error) {
	r := p.reader(store, namespace)
	reader, err := r.opened(ctx)
	if err != nil {
		return nil, nil, err
	}
	client, err := p.Sessions.ready(ctx, r.current())
	if err != nil {
		return nil, nil, err
	}
	return reader, client, nil
}

// Admits returns nil when a ClusterSecretStore's conditions admit the namespace, a
// Denied *kv.Error when they do not, and another error when that is not known. The
// namespace's labels are asked for where a condition goes by them.
func Admits(ctx context.Context, objects Objects, store eso.Store, namespace string) error {
	return (&Pass{Objects: objects}).admits(ctx, store, namespace)
}
