package eso

// Reference is a Secret, ConfigMap or ServiceAccount that a store names.
type Reference struct {
	// Field is the path below spec.provider.vault, e.g. "auth.tokenSecretRef".
	Field string
	// Kind is Secret, ConfigMap or ServiceAccount.
	Kind string
	Name string
	// Key in the object; for kinds that have keys.
	Key string
	// Namespace as written, nil when absent.
	Namespace *string
	// Referent is whether ESO takes an absent namespace, in a ClusterSecretStore,
	// as the mapping's and treats the store as referent because of it.
	Referent bool
}

// References lists every object that the provider names, the login method that
// counts first. It is the one list that resolving, watching and validating share.
func (v *VaultProvider) References() []Reference {
	refs := v.Auth.references()
	secret := func(field string, s *SecretKeySelector, key string) {
		if s != nil {
			refs = append(refs, reference(field, *s, key, false))
		}
	}
	secret("tls.certSecretRef", v.ClientTLS.CertSecretRef, "tls.crt")
	secret("tls.keySecretRef", v.ClientTLS.KeySecretRef, "tls.key")
	if ca := v.CAProvider; ca != nil && len(v.CABundle) == 0 {
		refs = append(refs, Reference{Field: "caProvider", Kind: ca.Type, Name: ca.Name, Key: ca.Key, Namespace: ca.Namespace})
	}
	return refs
}

func (a *VaultAuth) references() []Reference {
	methods := a.Methods()
	if len(methods) == 0 {
		return nil
	}
	field := "auth." + methods[0]
	var refs []Reference
	secret := func(member string, s *SecretKeySelector, key string, referent bool) {
		if s != nil {
			refs = append(refs, reference(field+member, *s, key, referent))
		}
	}
	account := func(member string, s *ServiceAccountSelector) {
		if s != nil {
			refs = append(refs, Reference{Field: field + member, Kind: "ServiceAccount", Name: s.Name, Namespace: s.Namespace, Referent: true})
		}
	}
	switch methods[0] {
	case "tokenSecretRef":
		secret("", a.TokenSecretRef, "", true)
	case "appRole":
		if a.AppRole.RoleID == "" {
			secret(".roleRef", a.AppRole.RoleRef, "", false)
		}
		secret(".secretRef", &a.AppRole.SecretRef, "", true)
	case "kubernetes":
		account(".serviceAccountRef", a.Kubernetes.ServiceAccountRef)
		if a.Kubernetes.ServiceAccountRef == nil {
			secret(".secretRef", a.Kubernetes.SecretRef, "token", true)
		}
	case "ldap":
		secret(".secretRef", &a.LDAP.SecretRef, "", true)
	case "userPass":
		secret(".secretRef", &a.UserPass.SecretRef, "", true)
	case "jwt":
		secret(".secretRef", a.JWT.SecretRef, "", true)
		if t := a.JWT.KubernetesServiceAccountToken; t != nil && a.JWT.SecretRef == nil {
			account(".kubernetesServiceAccountToken.serviceAccountRef", &t.ServiceAccountRef)
		}
	case "cert":
		secret(".clientCert", &a.Cert.ClientCert, "", false)
		secret(".secretRef", &a.Cert.SecretRef, "", true)
	}
	return refs
}

func reference(field string, s SecretKeySelector, key string, referent bool) Reference {
	if s.Key != "" {
		key = s.Key
	}
	return Reference{Field: field, Kind: "Secret", Name: s.Name, Key: key, Namespace: s.Namespace, Referent: referent}
}

// Referent reports whether the login of a store depends on the mapping's
// namespace: a ClusterSecretStore that leaves a namespace open.
func (s Store) Referent() bool {
	if !s.Cluster() || s.Spec.Provider.Vault == nil {
		return false
	}
	for _, ref := range s.Spec.Provider.Vault.References() {
		if ref.Namespace == nil && ref.Kind != "ConfigMap" && ref.Field != "caProvider" {
			return true
		}
	}
	return false
}
