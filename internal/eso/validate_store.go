package eso

import (
	"net/url"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateStore enforces on one store what ESO's admission webhook enforces, and
// refuses what this project does not support, each with its field path. A store of
// another provider is not judged beyond what all stores share.
func ValidateStore(s Store) field.ErrorList {
	spec := field.NewPath("spec")
	var errs field.ErrorList
	if s.Spec.RefreshInterval != nil {
		errs = append(errs, validateWait(*s.Spec.RefreshInterval, spec.Child("refreshInterval"))...)
	}
	if r := s.Spec.RetrySettings; r != nil && r.RetryInterval != nil {
		errs = append(errs, validateWait(*DurationText(*r.RetryInterval), spec.Child("retrySettings", "retryInterval"))...)
	}
	for i, c := range s.Spec.Conditions {
		errs = append(errs, validateCondition(c, spec.Child("conditions").Index(i))...)
	}
	vault := spec.Child("provider", "vault")
	switch {
	case s.Spec.Provider.undecodable() != nil:
		errs = append(errs, field.Invalid(vault, field.OmitValueType{}, s.Spec.Provider.undecodable().Error()))
	case s.Spec.Provider.Vault != nil:
		errs = append(errs, validateVault(s, s.Spec.Provider.Vault, vault)...)
	case len(s.Spec.Provider.Other) == 0:
		errs = append(errs, field.Required(spec.Child("provider"), "no provider is set; set vault"))
	}
	return errs
}

func validateWait(d Duration, path *field.Path) field.ErrorList {
	parsed, err := d.Parse()
	switch {
	case err != nil:
		return field.ErrorList{field.Invalid(path, d.String(), err.Error())}
	case parsed < 0:
		return field.ErrorList{field.Invalid(path, d.String(), "must not be negative")}
	}
	return nil
}

func validateCondition(c StoreCondition, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if _, err := metav1.LabelSelectorAsSelector(c.NamespaceSelector); err != nil {
		errs = append(errs, field.Invalid(path.Child("namespaceSelector"), field.OmitValueType{}, err.Error()))
	}
	for i, expr := range c.NamespaceRegexes {
		errs = append(errs, validateRegexp(expr, path.Child("namespaceRegexes").Index(i))...)
	}
	return errs
}

func validateVault(s Store, v *VaultProvider, path *field.Path) field.ErrorList {
	errs := validateServer(v.Server, path.Child("server"))
	errs = append(errs, validateKey(v.Mount(), path.Child("path"))...)
	if (v.ClientTLS.CertSecretRef == nil) != (v.ClientTLS.KeySecretRef == nil) {
		errs = append(errs, field.Invalid(path.Child("tls"), field.OmitValueType{}, "certSecretRef and keySecretRef must both be set, or neither"))
	}
	if v.CheckAndSet != nil && v.CheckAndSet.Required && v.KVVersion() == 1 {
		errs = append(errs, field.Invalid(path.Child("checkAndSet"), true, "KV version v1 has no check-and-set"))
	}
	if ca := v.CAProvider; ca != nil && len(v.CABundle) == 0 && s.Cluster() && ca.Namespace == nil {
		errs = append(errs, field.Required(path.Child("caProvider", "namespace"), "missing namespace on caProvider secret"))
	}
	errs = append(errs, validateAuth(v.Auth, path.Child("auth"))...)
	return append(errs, validateReferences(s, v.References(), path)...)
}

// validateServer takes web addresses only: a unix socket would be a file of the
// controller's own Pod. An address with a password in it is not repeated.
func validateServer(server string, path *field.Path) field.ErrorList {
	u, err := url.Parse(server)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
		return nil
	}
	const detail = "must start with http:// or https:// and name a host, e.g. https://vault.vault.svc:8200"
	if strings.Contains(server, "@") {
		return field.ErrorList{field.Invalid(path, field.OmitValueType{}, detail)}
	}
	return field.ErrorList{field.Invalid(path, server, detail)}
}

// validateReferences refuses references that leave the store's namespace, which a
// SecretStore never may, and those that name nothing.
func validateReferences(s Store, refs []Reference, vault *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, ref := range refs {
		members := strings.Split(ref.Field, ".")
		path := vault.Child(members[0], members[1:]...)
		if !s.Cluster() && ref.Namespace != nil && *ref.Namespace != s.Meta.Namespace {
			errs = append(errs, field.Invalid(path.Child("namespace"), *ref.Namespace,
				"namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore"))
		}
		if ref.Name == "" {
			errs = append(errs, field.Required(path.Child("name"), "name the "+ref.Kind))
		}
		if ref.Key == "" && ref.Kind != "ServiceAccount" {
			errs = append(errs, field.Required(path.Child("key"), "name the key of the "+ref.Kind))
		}
	}
	return errs
}

const supportedMethods = "use appRole, kubernetes, jwt, cert, userPass, ldap or tokenSecretRef"

func validateAuth(a *VaultAuth, path *field.Path) field.ErrorList {
	methods := a.Methods()
	if len(methods) == 0 {
		return field.ErrorList{field.Required(path, "cannot initialize Vault client: no valid auth method specified; "+supportedMethods)}
	}
	var errs field.ErrorList
	if len(methods) > 1 {
		errs = append(errs, field.Invalid(path, strings.Join(methods, ", "), "more than one auth method is set; keep one"))
	}
	if a.IAM != nil {
		errs = append(errs, field.Forbidden(path.Child("iam"), "AWS IAM login is not supported; "+supportedMethods))
	}
	if a.GCP != nil {
		errs = append(errs, field.Forbidden(path.Child("gcp"), "Google login is not supported; "+supportedMethods))
	}
	if a.AppRole != nil && a.AppRole.RoleID == "" && a.AppRole.RoleRef == nil {
		errs = append(errs, field.Required(path.Child("appRole"), "invalid Auth.AppRole: neither `roleId` nor `roleRef` was supplied"))
	}
	if a.JWT != nil && a.JWT.SecretRef == nil && a.JWT.KubernetesServiceAccountToken == nil {
		errs = append(errs, field.Required(path.Child("jwt"), "neither `secretRef` nor `kubernetesServiceAccountToken` was supplied"))
	}
	if a.Kubernetes != nil && a.Kubernetes.ServiceAccountRef == nil && a.Kubernetes.SecretRef == nil {
		errs = append(errs, field.Required(path.Child("kubernetes"), "set serviceAccountRef or secretRef: the controller's own token is not lent to stores"))
	}
	return append(errs, validateLoginPath(a, path)...)
}

// validateLoginPath refuses mounts and user names that would take the login, with its
// credential, to another path of Vault.
func validateLoginPath(a *VaultAuth, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	check := func(method, member, value string) {
		errs = append(errs, validateKey(value, path.Child(method, member))...)
	}
	if a.AppRole != nil {
		check("appRole", "path", a.AppRole.Path)
	}
	if a.Kubernetes != nil {
		check("kubernetes", "mountPath", a.Kubernetes.Path)
	}
	if a.LDAP != nil {
		check("ldap", "path", a.LDAP.Path)
		check("ldap", "username", a.LDAP.Username)
	}
	if a.UserPass != nil {
		check("userPass", "path", a.UserPass.Path)
		check("userPass", "username", a.UserPass.Username)
	}
	if a.JWT != nil {
		check("jwt", "path", a.JWT.Path)
	}
	if a.Cert != nil {
		check("cert", "path", a.Cert.Path)
	}
	return errs
}
