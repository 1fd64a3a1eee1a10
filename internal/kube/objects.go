package kube

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// Objects looks up stores and namespaces: in the watches when there are any, else at
// the API server. It implements store.Objects.
type Objects struct {
	Clients *Clients
	// Watches may be nil.
	Watches *Watches
}

// Store returns the store that a mapping of the namespace means by ref, or false
// when it does not exist.
func (o Objects) Store(ctx context.Context, ref eso.StoreRef, namespace string) (eso.Store, bool, error) {
	ref = ref.Effective()
	if o.Watches != nil {
		i, key := o.Watches.stores, namespace+"/"+ref.Name
		if ref.Kind == eso.KindClusterSecretStore {
			i, key = o.Watches.clusterStores, ref.Name
		}
		if i == nil {
			return eso.Store{}, false, errors.New("this controller serves single namespaces and may not read ClusterSecretStores; use a SecretStore, or allow it to list and watch them")
		}
		return lookup(i, key)
	}
	var s eso.Store
	var err error
	if ref.Kind == eso.KindClusterSecretStore {
		var object *eso.ClusterSecretStore
		if object, err = o.Clients.ClusterSecretStores().Get(ctx, ref.Name, metav1.GetOptions{}); err == nil {
			s = object.View()
		}
	} else {
		var object *eso.SecretStore
		if object, err = o.Clients.SecretStores(namespace).Get(ctx, ref.Name, metav1.GetOptions{}); err == nil {
			s = object.View()
		}
	}
	if apierrors.IsNotFound(err) {
		return eso.Store{}, false, nil
	}
	return s, err == nil, err
}

func lookup(i cache.SharedIndexInformer, key string) (eso.Store, bool, error) {
	object, found, err := i.GetStore().GetByKey(key)
	if err != nil || !found {
		return eso.Store{}, false, err
	}
	s, ok := view(object)
	return s, ok, nil
}

// NamespaceLabels returns a namespace's labels.
func (o Objects) NamespaceLabels(ctx context.Context, name string) (map[string]string, error) {
	if o.Watches != nil {
		if m := partial(o.Watches.namespaces, "", name); m != nil {
			return m.Labels, nil
		}
	}
	namespace, err := o.Clients.Namespaces().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return namespace.Labels, nil
}
