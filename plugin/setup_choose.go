package plugin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/bootstrap"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// chooseStore looks the store up; nil is one that setup will make.
func (s *setupOptions) chooseStore(ctx context.Context) (*eso.Store, error) {
	namespace, _, err := s.namespace()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	kind, name, named := strings.Cut(s.store, "/")
	switch {
	case s.store == "":
		return s.onlyStore(ctx, namespace)
	case !named:
		kind, name = "", s.store
	case strings.EqualFold(kind, eso.KindSecretStore):
		kind = eso.KindSecretStore
	case strings.EqualFold(kind, eso.KindClusterSecretStore):
		kind = eso.KindClusterSecretStore
	default:
		return nil, usage("--store=%s: want NAME, SecretStore/NAME or ClusterSecretStore/NAME", s.store)
	}
	kinds := []string{kind}
	if kind == "" {
		kinds = []string{eso.KindSecretStore, eso.KindClusterSecretStore}
	}
	var found []eso.Store
	for _, k := range kinds {
		store, ok, err := kube.Objects{Clients: s.clients}.Store(ctx, eso.StoreRef{Kind: k, Name: name}, namespace)
		if err != nil {
			return nil, fmt.Errorf("reading %s %s: %w", k, name, err)
		}
		if ok {
			found = append(found, store)
		}
	}
	switch len(found) {
	case 0:
		s.want.Kind, s.want.Store = cmp.Or(kind, eso.KindClusterSecretStore), bootstrap.Place{Name: name}
		if s.want.Kind == eso.KindSecretStore {
			s.want.Store.Namespace = namespace
		}
		return nil, nil
	case 1:
		return s.chosen(found[0])
	}
	return nil, usage("--store=%s: there is a SecretStore and a ClusterSecretStore of that name; say which", name)
}

// onlyStore is the one store of Vault that there is.
func (s *setupOptions) onlyStore(ctx context.Context, namespace string) (*eso.Store, error) {
	var found []eso.Store
	clusterWide, err := s.clients.ClusterSecretStores().List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) {
		return nil, fail(fmt.Errorf("the cluster does not serve %s/%s", eso.Group, eso.Version), "kubectl apply -k manifests/crds")
	}
	if err != nil {
		return nil, fail(fmt.Errorf("listing ClusterSecretStores: %w", err), "name the store with --store SecretStore/NAME")
	}
	for i := range clusterWide.Items {
		found = append(found, clusterWide.Items[i].View())
	}
	namespaced, err := s.clients.SecretStores(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing SecretStores: %w", err)
	}
	for i := range namespaced.Items {
		found = append(found, namespaced.Items[i].View())
	}
	found = slices.DeleteFunc(found, func(store eso.Store) bool { return store.Spec.Provider.Vault == nil })
	switch len(found) {
	case 0:
		s.want.Kind, s.want.Store = eso.KindClusterSecretStore, bootstrap.Place{Name: "vault"}
		return nil, nil
	case 1:
		return s.chosen(found[0])
	}
	var names []string
	for _, store := range found {
		names = append(names, store.Kind+"/"+store.Meta.Name)
	}
	return nil, usage("there are several stores: choose one with --store: %s", strings.Join(names, ", "))
}

func (s *setupOptions) chosen(store eso.Store) (*eso.Store, error) {
	s.want.Kind, s.want.Store = store.Kind, bootstrap.Place{Namespace: store.Meta.Namespace, Name: store.Meta.Name}
	if store.Spec.Provider.Vault == nil {
		return nil, usage("%s is no store of Vault", store)
	}
	return &store, nil
}
