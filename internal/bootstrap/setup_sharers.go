package bootstrap

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// lookAtStores finds the other stores that share what setup makes or replaces.
func (g Ground) lookAtStores(ctx context.Context, s Setup, f *Facts) error {
	stores, err := g.stores(ctx, s)
	if err != nil {
		return err
	}
	f.Others = s.sharers(stores, f)
	return nil
}

// sharers are those of the stores that share what setup makes or replaces.
func (s Setup) sharers(stores []eso.Store, f *Facts) Sharers {
	var shared Sharers
	var old Place
	if f.Store != nil {
		if auth := f.Store.Spec.Provider.Vault.Auth; auth != nil && auth.TokenSecretRef != nil {
			old = placeOf(*f.Store, auth.TokenSecretRef)
		}
	}
	for _, other := range stores {
		v := other.Spec.Provider.Vault
		if v == nil {
			continue
		}
		name, this := other.String(), other.String() == s.StoreName()
		if s.usesRole(v.Auth, f) {
			shared.Role = with(shared.Role, name)
		}
		for _, ref := range v.References() {
			p := Place{other.Meta.Namespace, ref.Name}
			if ref.Namespace != nil {
				p.Namespace = *ref.Namespace
			}
			switch {
			case ref.Kind == "Secret" && p == s.Secret && s.Method != MethodKubernetes:
				shared.Secret = with(shared.Secret, name)
			case ref.Kind == "ServiceAccount" && p == s.Account && s.Method == MethodKubernetes:
				shared.Account = with(shared.Account, name)
			}
			if ref.Kind == "Secret" && p == old && !this {
				shared.Old = with(shared.Old, name)
			}
		}
	}
	return shared
}

func placeOf(s eso.Store, ref *eso.SecretKeySelector) Place {
	p := Place{s.Meta.Namespace, ref.Name}
	if ref.Namespace != nil {
		p.Namespace = *ref.Namespace
	}
	return p
}

// usesRole reports whether a login goes by setup's role.
func (s Setup) usesRole(a *eso.VaultAuth, f *Facts) bool {
	switch {
	case a == nil:
		return false
	case s.Method == MethodAppRole && a.AppRole != nil:
		return f.RoleID != "" && a.AppRole.RoleID == f.RoleID
	case s.Method == MethodKubernetes && a.Kubernetes != nil:
		return a.Kubernetes.Path == s.AuthPath && a.Kubernetes.Role == s.Role
	}
	return false
}

// stores lists the stores of both kinds. For a SecretStore those of its namespace do
// where the caller may not see more: no other SecretStore can refer to what is there.
func (g Ground) stores(ctx context.Context, s Setup) ([]eso.Store, error) {
	var all []eso.Store
	clusterWide, err := g.Clients.ClusterSecretStores().List(ctx, metav1.ListOptions{})
	switch {
	case apierrors.IsForbidden(err) && s.Kind == eso.KindSecretStore:
	case err != nil:
		return nil, fmt.Errorf("listing ClusterSecretStores: %w", err)
	default:
		for i := range clusterWide.Items {
			all = append(all, clusterWide.Items[i].View())
		}
	}
	namespaced, err := g.Clients.SecretStores(s.Secret.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing SecretStores: %w", err)
	}
	for i := range namespaced.Items {
		all = append(all, namespaced.Items[i].View())
	}
	return all, nil
}

// lookAtEveryStore finds the stores that share what is to be removed, in all namespaces
// that the caller may look into, and notes where that is not so: a login in use there would
// break unseen.
func (g Ground) lookAtEveryStore(ctx context.Context, s Setup, f *Facts) error {
	var all []eso.Store
	var unseen []string
	clusterWide, err := g.Clients.ClusterSecretStores().List(ctx, metav1.ListOptions{})
	switch {
	case apierrors.IsForbidden(err):
		unseen = append(unseen, "ClusterSecretStores")
	case err != nil:
		return fmt.Errorf("listing ClusterSecretStores: %w", err)
	default:
		for i := range clusterWide.Items {
			all = append(all, clusterWide.Items[i].View())
		}
	}
	namespaced, err := g.Clients.SecretStores(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	switch {
	case apierrors.IsForbidden(err):
		views, hidden, err := g.storesByNamespace(ctx, s)
		if err != nil {
			return err
		}
		all, unseen = append(all, views...), append(unseen, hidden...)
	case err != nil:
		return fmt.Errorf("listing SecretStores: %w", err)
	default:
		for i := range namespaced.Items {
			all = append(all, namespaced.Items[i].View())
		}
	}
	f.Others = s.sharers(all, f)
	f.Others.Unseen = unseen
	return nil
}

// storesByNamespace lists the SecretStores of each namespace that the caller may look into,
// and says of which they may not.
func (g Ground) storesByNamespace(ctx context.Context, s Setup) (all []eso.Store, unseen []string, err error) {
	namespaces := with(nil, s.Secret.Namespace, s.Account.Namespace)
	list, err := g.Clients.Namespaces().List(ctx, metav1.ListOptions{})
	switch {
	case apierrors.IsForbidden(err):
		unseen = []string{"the namespaces that there are, and their SecretStores"}
	case err != nil:
		return nil, nil, fmt.Errorf("listing namespaces: %w", err)
	default:
		for i := range list.Items {
			namespaces = append(namespaces, list.Items[i].Name)
		}
	}
	for _, namespace := range with(namespaces) {
		stores, err := g.Clients.SecretStores(namespace).List(ctx, metav1.ListOptions{})
		switch {
		case apierrors.IsForbidden(err):
			unseen = append(unseen, "SecretStores of namespace "+namespace)
		case err != nil:
			return nil, nil, fmt.Errorf("listing SecretStores of namespace %s: %w", namespace, err)
		default:
			for i := range stores.Items {
				all = append(all, stores.Items[i].View())
			}
		}
	}
	return all, unseen, nil
}
