package store

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
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
		return nil, &kv.Error{Kind: kv.Unreachable, Err: err, Detail: fmt.Sprintf("could not get %s %q: %s", ref.Kind, ref.Name, err)}
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
	if err := p.admits(ctx, store, namespace); err != nil {
		return nil, err
	}
	return p.reader(store, namespace).opened(ctx)
}

func (p *Pass) reader(store eso.Store, namespace string) *reader {
	k := owner(scope{store, namespace})
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.readers == nil {
		p.readers = map[string]*reader{}
	}
	r, ok := p.readers[k]
	if !ok {
		r = &reader{sessions: p.Sessions, store: store, namespace: namespace, reads: map[kv.Ref]*read{}, lists: map[string]*read{}}
		p.readers[k] = r
	}
	return r
}

// admits applies a ClusterSecretStore's conditions: any selector, name or regular
// expression in any of them suffices, as in ESO. Expressions are not anchored.
func (p *Pass) admits(ctx context.Context, store eso.Store, namespace string) error {
	if !store.Cluster() || len(store.Spec.Conditions) == 0 {
		return nil
	}
	for i, c := range store.Spec.Conditions {
		if slices.Contains(c.Namespaces, namespace) {
			return nil
		}
		for _, expr := range c.NamespaceRegexes {
			matcher, err := regexp.Compile(expr)
			if err != nil {
				return &kv.Error{Kind: kv.BadConfig, Field: fmt.Sprintf("spec.conditions[%d].namespaceRegexes", i), Detail: fmt.Sprintf("%s: namespaceRegexes: %s", store, err)}
			}
			if matcher.MatchString(namespace) {
				return nil
			}
		}
		if c.NamespaceSelector == nil {
			continue
		}
		selector, err := metav1.LabelSelectorAsSelector(c.NamespaceSelector)
		if err != nil {
			return &kv.Error{Kind: kv.BadConfig, Field: fmt.Sprintf("spec.conditions[%d].namespaceSelector", i), Detail: fmt.Sprintf("%s: namespaceSelector: %s", store, err)}
		}
		set, err := p.Objects.NamespaceLabels(ctx, namespace)
		if err != nil {
			return &kv.Error{Kind: kv.Unreachable, Err: err, Detail: fmt.Sprintf("reading the labels of namespace %s: %s", namespace, err)}
		}
		if selector.Matches(labels.Set(set)) {
			return nil
		}
	}
	return &kv.Error{Kind: kv.Denied, Field: "spec.conditions", Detail: fmt.Sprintf(
		"using cluster store %q is not allowed from namespace %q: denied by spec.condition", store.Meta.Name, namespace)}
}

// reader reads one store under one identity, within one pass.
type reader struct {
	sessions  *Sessions
	store     eso.Store
	namespace string

	once    sync.Once
	session *session

	mu    sync.Mutex
	down  error
	reads map[kv.Ref]*read
	lists map[string]*read
}

// read is one answer that all mappings of the pass share.
type read struct {
	once    sync.Once
	payload kv.Payload
	names   []string
	err     error
}

func (r *reader) opened(ctx context.Context) (kv.Reader, error) {
	r.once.Do(func() {
		var err error
		r.session, err = r.sessions.open(ctx, r.store, r.namespace)
		r.mark(err)
	})
	if err := r.isDown(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *reader) isDown() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.down
}

// mark remembers an error that concerns the whole store.
func (r *reader) mark(err error) {
	if err == nil || !kv.KindOf(err).Down() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down == nil {
		r.down = err
	}
}

// Read implements kv.Reader.
func (r *reader) Read(ctx context.Context, ref kv.Ref) (kv.Payload, error) {
	r.mu.Lock()
	shared, ok := r.reads[ref]
	if !ok {
		shared = new(read)
		r.reads[ref] = shared
	}
	r.mu.Unlock()
	shared.once.Do(func() {
		if shared.err = r.isDown(); shared.err != nil {
			return
		}
		shared.err = r.sessions.retry(ctx, r.session, func() (err error) {
			shared.payload, err = r.session.client.Read(ctx, r.session.mount, r.session.kv, ref)
			return err
		})
		r.sessions.observe("ReadSecretData", shared.err == nil)
		r.mark(shared.err)
	})
	return shared.payload, shared.err
}

// List implements kv.Reader: all secrets at and below a prefix, sorted.
func (r *reader) List(ctx context.Context, prefix string) ([]string, error) {
	r.mu.Lock()
	shared, ok := r.lists[prefix]
	if !ok {
		shared = new(read)
		r.lists[prefix] = shared
	}
	r.mu.Unlock()
	shared.once.Do(func() {
		if shared.err = r.isDown(); shared.err != nil {
			return
		}
		shared.err = r.sessions.retry(ctx, r.session, func() (err error) {
			shared.names, err = r.walk(ctx, prefix)
			return err
		})
		r.sessions.observe("ListSecrets", shared.err == nil)
		r.mark(shared.err)
		slices.Sort(shared.names)
	})
	return shared.names, shared.err
}

func (r *reader) walk(ctx context.Context, folder string) ([]string, error) {
	if folder != "" && folder[len(folder)-1] != '/' {
		folder += "/"
	}
	entries, err := r.session.client.List(ctx, r.session.mount, r.session.kv, folder)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if entry == "" {
			continue
		}
		if entry[len(entry)-1] != '/' {
			names = append(names, folder+entry)
			continue
		}
		below, err := r.walk(ctx, folder+entry)
		if err != nil {
			return nil, err
		}
		names = append(names, below...)
	}
	return names, nil
}

// Validate checks a store by itself: its references, its login, and its token. A
// referent store has no login of its own; it counts as valid when it is well formed.
func (p *Pass) Validate(ctx context.Context, store eso.Store) error {
	if store.Referent() {
		if errs := eso.ValidateStore(store); len(errs) > 0 {
			return &kv.Error{Kind: kv.BadConfig, Field: errs[0].Field, Detail: errs.ToAggregate().Error()}
		}
		return nil
	}
	r := p.reader(store, "")
	if _, err := r.opened(ctx); err != nil {
		return err
	}
	err := p.Sessions.retry(ctx, r.session, func() error {
		_, err := r.session.client.LookupSelf(ctx)
		return err
	})
	p.Sessions.observe("LookupSelf", err == nil)
	r.mark(err)
	return err
}
