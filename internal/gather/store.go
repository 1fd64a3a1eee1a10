package gather

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/store"
)

type storeKey struct{ kind, namespace, name string }

type objectKey struct{ kind, namespace, name string }

// object is a Secret, ConfigMap or ServiceAccount that a store names.
type object struct {
	exists bool
	keys   []string
	// flaws says of a key's value why it is no credential.
	flaws map[string]string
}

// lookAtStores collects what is known of every store of the mapping, of the Vault
// behind it, and of the paths that are read from it.
func (o *one) lookAtStores(ctx context.Context, es *eso.ExternalSecret) {
	refs := es.StoreRefs()
	o.f.Stores = make([]*diagnose.Store, len(refs))
	for i, ref := range refs {
		o.f.Stores[i] = &diagnose.Store{Ref: ref}
	}
	o.f.Paths = pathsOf(es, o.f.Stores)
	var all sync.WaitGroup
	for _, s := range o.f.Stores {
		all.Go(func() {
			o.lookAtStore(ctx, s)
			if object := s.Object.Value; object != nil && object.Spec.Provider.Vault != nil {
				o.lookAtVault(ctx, s)
			}
		})
	}
	all.Wait()
}

func (o *one) lookAtStore(ctx context.Context, s *diagnose.Store) {
	object, err := o.storeOf(ctx, s.Ref, o.f.Namespace)
	act := "get " + plural(s.Ref.Kind)
	if s.Ref.Kind == eso.KindSecretStore {
		act += " in " + o.f.Namespace
	}
	if s.Object = fact(&o.denials, act, object, err); err != nil {
		return
	}
	if object == nil {
		other := eso.StoreRef{Name: s.Ref.Name, Kind: eso.KindClusterSecretStore}
		if s.Ref.Kind == eso.KindClusterSecretStore {
			other.Kind = eso.KindSecretStore
		}
		found, err := o.storeOf(ctx, other, o.f.Namespace)
		s.OtherKind = err == nil && found != nil
		s.Others, _ = o.names.get(s.Ref.Kind+"/"+o.f.Namespace, func() ([]string, error) {
			return o.storeNames(ctx, s.Ref.Kind, o.f.Namespace)
		})
		return
	}
	if object.Cluster() && len(object.Spec.Conditions) > 0 {
		ns, err := o.namespaceOf(ctx, o.f.Namespace)
		s.NamespaceLabels = fact(&o.denials, "get namespaces", ns.labels, err)
	}
	namespace := object.Meta.Namespace
	if object.Cluster() {
		namespace = metav1.NamespaceDefault // events of cluster-wide objects are kept there
	}
	events, err := o.eventsOf(ctx, namespace, object.Kind)
	s.Events = fact(&o.denials, "list events in "+namespace, events[object.Meta.Name], err)
}

// storeOf looks a store up, once; nil is a proven absence. The server is the one
// that the caller put in its place, if any.
func (g *Gatherer) storeOf(ctx context.Context, ref eso.StoreRef, namespace string) (*eso.Store, error) {
	key := storeKey{kind: ref.Kind, name: ref.Name}
	if ref.Kind == eso.KindSecretStore {
		key.namespace = namespace
	}
	return g.stores.get(key, func() (*eso.Store, error) {
		ctx, cancel := g.limited(ctx)
		defer cancel()
		s, found, err := kube.Objects{Clients: g.Clients}.Store(ctx, ref, namespace)
		if err != nil || !found {
			return nil, err
		}
		if g.VaultAddr != "" && s.Spec.Provider.Vault != nil {
			spec := s.Spec.DeepCopy()
			spec.Provider.Vault.Server = g.VaultAddr
			s.Spec = spec
		}
		return &s, nil
	})
}

// references looks up what the store names, in the namespaces of the one rule.
func (o *one) references(ctx context.Context, s *diagnose.Store) {
	for _, ref := range s.Object.Value.Spec.Provider.Vault.References() {
		r := diagnose.Reference{Reference: ref}
		in, err := store.Namespace(*s.Object.Value, o.f.Namespace, ref)
		if err != nil {
			r.Exists = diagnose.Unknown[bool](Clean(err.Error()))
			s.References = append(s.References, r)
			continue
		}
		r.In = in
		found, err := o.object(ctx, objectKey{ref.Kind, in, ref.Name})
		r.Exists = fact(&o.denials, "get "+plural(ref.Kind)+" in "+in, found.exists, err)
		r.Keys, r.Flaw = found.keys, found.flaws[ref.Key]
		s.References = append(s.References, r)
	}
}

func (g *Gatherer) object(ctx context.Context, key objectKey) (object, error) {
	return g.objects.get(key, func() (object, error) {
		ctx, cancel := g.limited(ctx)
		defer cancel()
		found := object{exists: true}
		var err error
		switch key.kind {
		case "ServiceAccount":
			_, err = g.Clients.ServiceAccounts(key.namespace).Get(ctx, key.name, metav1.GetOptions{})
		case "ConfigMap":
			configMap, getErr := g.Clients.ConfigMaps(key.namespace).Get(ctx, key.name, metav1.GetOptions{})
			if err = getErr; err == nil {
				found.keys = slices.Sorted(maps.Keys(configMap.Data))
			}
		default:
			secret, getErr := g.Clients.Secrets(key.namespace).Get(ctx, key.name, metav1.GetOptions{})
			if err = getErr; err == nil {
				found.keys, found.flaws = slices.Sorted(maps.Keys(secret.Data)), flaws(secret.Data)
			}
		}
		if apierrors.IsNotFound(err) {
			return object{}, nil
		}
		return found, err
	})
}

// flaws says which values are empty; nothing else is told of them.
func flaws(data map[string][]byte) map[string]string {
	found := map[string]string{}
	for key, value := range data {
		if len(value) == 0 {
			found[key] = "is empty"
		}
	}
	return found
}

// plural is the resource of a kind.
func plural(kind string) string {
	return map[string]string{
		"Secret": "secrets", "ConfigMap": "configmaps", "ServiceAccount": "serviceaccounts",
		eso.KindSecretStore: eso.SecretStores, eso.KindClusterSecretStore: eso.ClusterSecretStores,
	}[kind]
}

// asKV returns the *kv.Error of a chain, or one of kind "" with the error's text.
func asKV(err error) *kv.Error {
	var e *kv.Error
	if errors.As(err, &e) {
		return e
	}
	return &kv.Error{Detail: err.Error(), Err: err}
}
