package store

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// Objects looks up stores and namespaces.
type Objects interface {
	// Store returns the store, or false when it is proven not to exist.
	Store(ctx context.Context, ref eso.StoreRef, namespace string) (eso.Store, bool, error)
	// NamespaceLabels returns a namespace's labels.
	NamespaceLabels(ctx context.Context, name string) (map[string]string, error)
}

// Pass opens stores for the mappings of one pass. It implements engine.Stores. Equal
// reads are made once; a store that cannot be opened, or turns out to be down, is not
// asked again.
type Pass struct {
	Sessions *Sessions
	Objects  Objects
	// Class is the controller's class.
	Class string

	mu      sync.Mutex
	readers map[string]*reader
}

// Open implements engine.Stores.
func (p *Pass) Open(ctx context.Context, ref eso.StoreRef, namespace string) (kv.Reader, error) {
	store, found, err := p.Objects.Store(ctx, ref, namespace)
	if err != nil {
		return nil, &kv.Error{Kind: kv.Unreachable, Err: err, Detail: fmt.Sprintf("could not get %s %q: %s", ref.Kind, ref.Name, vault.Cause(err))}
	}
	if !found {
		where := ""
		if ref.Kind == eso.KindSecretStore {
			where = " in namespace " + namespace
		}
		return nil, &kv.Error{Kind: kv.BadConfig, Field: "spec.secretStoreRef", Detail: fmt.Sprintf(
			"could not get %s %q, it does not exist%s; create it or correct spec.secretStoreRef", ref.Kind, ref.Name, where)}
	}
	if !store.Served(p.Class) {
		return nil, kv.ErrForeignStore
	}
	if !store.Cluster() && store.Meta.Namespace != namespace {
		return nil, &kv.Error{Kind: kv.BadConfig, Field: "spec.secretStoreRef", Detail: fmt.Sprintf(
			"%s is of another namespace than the ExternalSecret (%s)", store, namespace)}
	}
	if err := p.admits(ctx, store, namespace); err != nil {
		return nil, err
	}
	return p.reader(store, namespace).opened(ctx)
}

// reader returns the pass's reader of a store and, when it is referent, a namespace.
func (p *Pass) reader(store eso.Store, namespace string) *reader {
	k := owner(scope{store, namespace})
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.readers == nil {
		p.readers = map[string]*reader{}
	}
	r, ok := p.readers[k]
	if !ok {
		r = &reader{sessions: p.Sessions, store: store, namespace: namespace, reads: map[string]*answer{}}
		p.readers[k] = r
	}
	return r
}

// Validate checks a store by itself: its references, its login, and its token. A live
// session is used, not logged in anew. A token that may not look itself up is taken for
// good as long as Vault does not call it invalid. A referent store has no login of its own; it
// counts as valid, as in ESO, when it is well formed and its CA and connection can be
// loaded.
func (p *Pass) Validate(ctx context.Context, store eso.Store) error {
	if store.Referent() {
		return p.Sessions.Resolver.validReferent(ctx, store)
	}
	r := p.reader(store, store.Meta.Namespace)
	if _, err := r.opened(ctx); err != nil {
		return err
	}
	err := r.call(ctx, func(client *vault.Client) error {
		_, err := client.LookupSelf(ctx)
		p.Sessions.observe("LookupSelf", err == nil)
		return err
	})
	if errors.Is(err, vault.ErrUnproven) {
		return nil // it got a token, or has one, that is not allowed to ask this
	}
	r.mark(err)
	return err
}

// validReferent loads what a referent store names with a namespace.
func (r Resolver) validReferent(ctx context.Context, store eso.Store) error {
	if errs := eso.ValidateStore(store); len(errs) > 0 {
		return &kv.Error{Kind: kv.BadConfig, Field: errs[0].Field, Detail: fmt.Sprintf("%s: %s", store, errs.ToAggregate())}
	}
	config := connection(store)
	for _, ref := range store.Spec.Provider.Vault.References() {
		if ref.Field != "caProvider" {
			continue
		}
		ca, _, err := r.value(ctx, scope{store: store}, ref)
		if err != nil {
			return err
		}
		config.CA = ca.Reveal()
	}
	_, err := vault.New(config)
	return err
}
