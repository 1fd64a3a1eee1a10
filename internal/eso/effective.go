package eso

import (
	"slices"
	"time"
)

// TargetName is the name of the Secret.
func (es *ExternalSecret) TargetName() string {
	if es.Spec.Target.Name != "" {
		return es.Spec.Target.Name
	}
	return es.Name
}

// CreationPolicy is the effective creation policy; Owner when empty.
func (es *ExternalSecret) CreationPolicy() CreationPolicy {
	if p := es.Spec.Target.CreationPolicy; p != "" {
		return p
	}
	return CreateOwner
}

// DeletionPolicy is the effective deletion policy; Retain when empty.
func (es *ExternalSecret) DeletionPolicy() DeletionPolicy {
	if p := es.Spec.Target.DeletionPolicy; p != "" {
		return p
	}
	return DeleteRetain
}

// RefreshPolicy is the effective refresh policy; Periodic when empty.
func (es *ExternalSecret) RefreshPolicy() RefreshPolicy {
	if p := es.Spec.RefreshPolicy; p != "" {
		return p
	}
	return RefreshPeriodic
}

// RefreshInterval is the effective interval; one hour when absent, which the API
// server's default makes impossible for stored objects.
func (es *ExternalSecret) RefreshInterval() (time.Duration, error) {
	if es.Spec.RefreshInterval == nil {
		return time.Hour, nil
	}
	return es.Spec.RefreshInterval.Parse()
}

// Effective returns the reference with its kind filled in.
func (r StoreRef) Effective() StoreRef {
	if r.Kind == "" {
		r.Kind = KindSecretStore
	}
	return r
}

// String is "ClusterSecretStore/vault".
func (r StoreRef) String() string {
	r = r.Effective()
	return r.Kind + "/" + r.Name
}

// DataStore is the store of spec.data[i]: a sourceRef replaces secretStoreRef
// wholly, its kind is not inherited.
func (es *ExternalSecret) DataStore(i int) StoreRef {
	return es.entryStore(es.Spec.Data[i].SourceRef)
}

// DataFromStore is the store of spec.dataFrom[i].
func (es *ExternalSecret) DataFromStore(i int) StoreRef {
	return es.entryStore(es.Spec.DataFrom[i].SourceRef)
}

func (es *ExternalSecret) entryStore(source *SourceRef) StoreRef {
	if source != nil && source.StoreRef != nil {
		return source.StoreRef.Effective()
	}
	if es.Spec.SecretStoreRef != nil {
		return es.Spec.SecretStoreRef.Effective()
	}
	return StoreRef{}.Effective()
}

// StoreRefs lists the distinct stores that the entries use, in order of first use.
func (es *ExternalSecret) StoreRefs() []StoreRef {
	var refs []StoreRef
	add := func(ref StoreRef) {
		if !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	for i := range es.Spec.Data {
		add(es.DataStore(i))
	}
	for i := range es.Spec.DataFrom {
		add(es.DataFromStore(i))
	}
	if len(refs) == 0 && es.Spec.SecretStoreRef != nil {
		add(es.Spec.SecretStoreRef.Effective())
	}
	return refs
}

// Mount is the KV mount, "" when keys start with it themselves.
func (v *VaultProvider) Mount() string {
	if v.Path == nil {
		return ""
	}
	return *v.Path
}

// KVVersion is 1 or 2; 2 when empty.
func (v *VaultProvider) KVVersion() int {
	if v.Version == "v1" {
		return 1
	}
	return 2
}

// VaultNamespace is the Vault Enterprise namespace of reads, "" for none.
func (v *VaultProvider) VaultNamespace() string { return deref(v.Namespace) }

// LoginNamespace is the Vault Enterprise namespace of the login.
func (v *VaultProvider) LoginNamespace() string {
	if v.Auth != nil && v.Auth.Namespace != nil {
		return *v.Auth.Namespace
	}
	return v.VaultNamespace()
}

// Methods lists the login methods that are set, by field name, in the order in
// which ESO tries them; the first one counts.
func (a *VaultAuth) Methods() []string {
	if a == nil {
		return nil
	}
	set := []struct {
		name string
		is   bool
	}{
		{"tokenSecretRef", a.TokenSecretRef != nil},
		{"appRole", a.AppRole != nil},
		{"kubernetes", a.Kubernetes != nil},
		{"ldap", a.LDAP != nil},
		{"userPass", a.UserPass != nil},
		{"jwt", a.JWT != nil},
		{"cert", a.Cert != nil},
		{"iam", a.IAM != nil},
		{"gcp", a.GCP != nil},
	}
	var methods []string
	for _, m := range set {
		if m.is {
			methods = append(methods, m.name)
		}
	}
	return methods
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
