package bootstrap

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// storeMeta is the metadata of a new store.
func storeMeta(s Setup) *metav1.ObjectMeta {
	m := &metav1.ObjectMeta{Name: s.Store.Name}
	if s.Kind == eso.KindSecretStore {
		m.Namespace = s.Store.Namespace
	}
	return m
}

// WantedStore is the store as it should be: the one that is there with another login, or
// a new one. Without Facts.RoleID the role does not exist yet.
func WantedStore(s Setup, f Facts) eso.Store {
	login := func(have *eso.VaultAuth) *eso.VaultAuth {
		return s.login(have, f.RoleID, f.APIAudience, s.selfReview(&f))
	}
	have := f.Store
	if have != nil {
		spec := have.Spec.DeepCopy()
		spec.Provider.Vault.Auth = login(spec.Provider.Vault.Auth)
		return eso.Store{Kind: have.Kind, Meta: have.Meta, Spec: spec, Status: have.Status}
	}
	v := &eso.VaultProvider{Server: s.Server, Version: "v2", CABundle: s.CA}
	if s.Mount != "" {
		v.Path = &s.Mount
	}
	if s.VaultNamespace != "" {
		v.Namespace = &s.VaultNamespace
	}
	v.Auth = login(nil)
	m := storeMeta(s)
	m.Labels, m.Annotations = s.labels(), s.annotations()
	return eso.Store{Kind: s.Kind, Meta: m, Spec: &eso.StoreSpec{Provider: eso.Provider{Vault: v}}, Status: new(eso.StoreStatus)}
}

func (s Setup) labels() map[string]string { return map[string]string{LabelMadeBy: FieldManager} }

func (s Setup) annotations() map[string]string {
	return map[string]string{AnnotationSetup: s.StoreName()}
}

// login is the store's auth. In a ClusterSecretStore every reference names its
// namespace, so that the login is the store's own and not that of each mapping's
// namespace.
func (s Setup) login(have *eso.VaultAuth, roleID, apiAudience string, selfReview bool) *eso.VaultAuth {
	auth := new(eso.VaultAuth)
	if have != nil {
		auth.Namespace = have.Namespace
	}
	in := func(namespace string) *string {
		if s.Kind == eso.KindClusterSecretStore {
			return &namespace
		}
		return nil
	}
	secret := eso.SecretKeySelector{Name: s.Secret.Name, Namespace: in(s.Secret.Namespace), Key: s.credentialKey()}
	switch s.Method {
	case MethodAppRole:
		auth.AppRole = &eso.AppRoleAuth{Path: s.AuthPath, RoleID: roleID, SecretRef: secret}
	case MethodToken:
		auth.TokenSecretRef = &secret
	case MethodKubernetes:
		audiences := []string{storeAudience}
		if selfReview {
			audiences = append(audiences, apiAudience)
		}
		auth.Kubernetes = &eso.KubernetesAuth{Path: s.AuthPath, Role: s.Role, ServiceAccountRef: &eso.ServiceAccountSelector{
			Name: s.Account.Name, Namespace: in(s.Account.Namespace), Audiences: audiences,
		}}
	}
	return auth
}

func planStore(p *Plan, s Setup, f *Facts) error {
	step := Step{Part: PartStore, Action: Keep, Target: s.StoreName()}
	want := WantedStore(s, *f)
	for _, line := range loginLines(want.Spec.Provider.Vault.Auth) {
		step.Diff = append(step.Diff, "+ "+line)
	}
	if f.Store == nil {
		step.Action, step.Why = Create, "reads "+s.Server
		if s.Server == "" {
			return fmt.Errorf("where the store's controller reaches Vault is not known: no Service of Vault was found")
		}
		p.add(step)
		return nil
	}
	have := f.Store.Spec.Provider.Vault.Auth
	if equality.Semantic.DeepEqual(have, want.Spec.Provider.Vault.Auth) {
		step.Diff = nil
		p.add(step)
		return nil
	}
	var old []string
	for _, line := range loginLines(have) {
		old = append(old, "- "+line)
	}
	step.Action, step.Diff = Update, append(old, step.Diff...)
	if f.GitOwner != "" {
		step.Action = HandOver
		step.Why = "kept in Git by " + f.GitOwner + ": change it there"
	}
	p.add(step)
	if f.GitOwner == "" && f.Store.Meta.Annotations[eso.AnnotationLastApplied] != "" {
		p.notice("the store was made with kubectl apply: change the login in its manifest too (--export prints it), or the next apply brings the old one back")
	}
	p.leftOver(s, f)
	return nil
}

// leftOver tells what the store's old login leaves behind. Setup does not touch it.
func (p *Plan) leftOver(s Setup, f *Facts) {
	auth := f.Store.Spec.Provider.Vault.Auth
	if f.Login.Method != "" && f.Login.Method != s.Method {
		p.notice(fmt.Sprintf("the login that setup made before stays; take it away with: kubectl vaultsecret setup --store %s --auth %s --remove", s.storeRef(), f.Login.Method))
		return
	}
	if auth == nil || auth.TokenSecretRef == nil {
		return
	}
	ref := auth.TokenSecretRef
	namespace := f.Store.Meta.Namespace
	if ref.Namespace != nil {
		namespace = *ref.Namespace
	}
	if namespace == "" || (Place{namespace, ref.Name}) == s.Secret {
		return
	}
	if len(f.Others.Old) > 0 {
		p.notice(fmt.Sprintf("Secret %s/%s with the old token stays, for %s uses it too", namespace, ref.Name, strings.Join(f.Others.Old, ", ")))
		return
	}
	p.notice(fmt.Sprintf("Secret %[1]s/%[2]s with the old token stays; once all is well: revoke that token, then kubectl -n %[1]s delete secret %[2]s", namespace, ref.Name))
}

// loginLines says how a store logs in, a field a line.
func loginLines(a *eso.VaultAuth) []string {
	if a == nil {
		return nil
	}
	at := func(r *eso.SecretKeySelector) string {
		if r == nil {
			return ""
		}
		name := r.Name
		if r.Namespace != nil {
			name = *r.Namespace + "/" + name
		}
		return fmt.Sprintf("Secret %s, key %s", name, r.Key)
	}
	switch methods := a.Methods(); {
	case len(methods) == 0:
		return nil
	case a.TokenSecretRef != nil:
		return []string{"tokenSecretRef: " + at(a.TokenSecretRef)}
	case a.AppRole != nil:
		role := a.AppRole.RoleID
		switch {
		case role == "" && a.AppRole.RoleRef != nil:
			role = at(a.AppRole.RoleRef)
		case role == "":
			role = "(known once the role exists)"
		}
		return []string{"appRole: " + a.AppRole.Path + "/, roleId " + role, "appRole.secretRef: " + at(&a.AppRole.SecretRef)}
	case a.Kubernetes != nil:
		lines := []string{"kubernetes: " + a.Kubernetes.Path + "/, role " + a.Kubernetes.Role}
		if r := a.Kubernetes.ServiceAccountRef; r != nil {
			name := r.Name
			if r.Namespace != nil {
				name = *r.Namespace + "/" + name
			}
			return append(lines, fmt.Sprintf("kubernetes.serviceAccountRef: %s, audiences [%s]", name, strings.Join(r.Audiences, ", ")))
		}
		return append(lines, "kubernetes.secretRef: "+at(a.Kubernetes.SecretRef))
	default:
		return []string{methods[0]}
	}
}

// planOld plans the end of credentials that this setup's own took the place of.
func planOld(p *Plan, s Setup, f Facts) {
	planStrays(p, s, f)
	n := len(s.replaced(*p, f))
	if n == 0 {
		return
	}
	if store, _ := p.Step(PartStore); store.Action == HandOver { // the store still logs in with it
		p.notice("the old credential lives on until the store is changed in Git: run setup again then")
		return
	}
	step := Step{Part: PartOld, Action: Delete, Target: count(n, "replaced secret_id")}
	if s.Method == MethodToken {
		step.Target = "the replaced token"
	}
	p.add(step)
}

// renewed reports whether a new credential takes the place of one.
func (p Plan) renewed() bool {
	step, _ := p.Step(PartCredential)
	return step.Action == Update && !step.Renews
}

// replaced lists the accessors of credentials that are to end.
func (s Setup) replaced(p Plan, f Facts) []string {
	var ended []string
	renewed := p.renewed()
	switch s.Method {
	case MethodAppRole:
		for _, id := range f.SecretIDs {
			current := f.Secret.Exists && id.Accessor == f.Secret.Accessor
			if s.marks(id.Metadata) && (!current || renewed) {
				ended = append(ended, id.Accessor)
			}
		}
	case MethodToken:
		if f.Secret.Replaced != "" {
			ended = append(ended, f.Secret.Replaced)
		}
		if renewed && f.Secret.Accessor != "" && f.Token != nil {
			ended = append(ended, f.Secret.Accessor)
		}
	}
	return ended
}
