package bootstrap

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/store"
)

// try logs in as a store would and reads what its mappings want, with the very code of
// the controller. A right that is missing, and whatever leaves it open whether one is,
// is an error. What fails for a reason of its own, and would with any credential, is
// returned as a notice: a path that is not there, say.
func (g Ground) try(ctx context.Context, s eso.Store, wants []Want) ([]string, error) {
	if g.VaultAddr != "" {
		s.Spec = s.Spec.DeepCopy()
		s.Spec.Provider.Vault.Server = g.VaultAddr
	}
	sessions := &store.Sessions{Resolver: store.Resolver{Cluster: &kube.Cluster{Clients: g.Clients}}, Now: g.Now, Dial: g.Dial}
	defer sessions.Close(context.WithoutCancel(ctx))
	pass := &store.Pass{Sessions: sessions, Objects: kube.Objects{Clients: g.Clients}}
	reader, _, err := pass.Look(ctx, s, "")
	if err != nil {
		return nil, err
	}
	var notices []string
	tried := map[string]bool{}
	for _, w := range wants {
		key := fmt.Sprint(w.Ref, w.Find)
		if tried[key] {
			continue
		}
		tried[key] = true
		if w.Find {
			_, err = reader.List(ctx, w.Ref.Key)
		} else {
			_, err = reader.Read(ctx, w.Ref)
		}
		switch kind := kv.KindOf(err); {
		case err == nil:
		case kind == kv.Denied || kind == "" || kind.Down():
			return notices, fmt.Errorf("reading %q for %s: %w", w.Ref.Key, w.Mapping, err)
		default:
			notices = append(notices, fmt.Sprintf("%s: %s", w.Mapping, err))
		}
	}
	return notices, nil
}

// lookAtStores finds the other stores that share what setup makes or replaces.
func (g Ground) lookAtStores(ctx context.Context, s Setup, f *Facts) error {
	stores, err := g.stores(ctx, s)
	if err != nil {
		return err
	}
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
			f.Others.Role = with(f.Others.Role, name)
		}
		for _, ref := range v.References() {
			p := Place{other.Meta.Namespace, ref.Name}
			if ref.Namespace != nil {
				p.Namespace = *ref.Namespace
			}
			switch {
			case ref.Kind == "Secret" && p == s.Secret && s.Method != MethodKubernetes:
				f.Others.Secret = with(f.Others.Secret, name)
			case ref.Kind == "ServiceAccount" && p == s.Account && s.Method == MethodKubernetes:
				f.Others.Account = with(f.Others.Account, name)
			}
			if ref.Kind == "Secret" && p == old && !this {
				f.Others.Old = with(f.Others.Old, name)
			}
		}
	}
	return nil
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
