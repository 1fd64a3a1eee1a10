package eso

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateStore enforces on one store what ESO's admission webhook enforces, and
// refuses what this project does not support, each with its field path.
func ValidateStore(s Store) field.ErrorList {
	spec := field.NewPath("spec")
	var errs field.ErrorList
	if s.Spec.RefreshInterval != nil {
		if d, err := s.Spec.RefreshInterval.Parse(); err != nil {
			errs = append(errs, field.Invalid(spec.Child("refreshInterval"), s.Spec.RefreshInterval.String(), err.Error()))
		} else if d < 0 {
			errs = append(errs, field.Invalid(spec.Child("refreshInterval"), s.Spec.RefreshInterval.String(), "must not be negative"))
		}
	}
	if r := s.Spec.RetrySettings; r != nil && r.RetryInterval != nil {
		if _, err := time.ParseDuration(*r.RetryInterval); err != nil {
			errs = append(errs, field.Invalid(spec.Child("retrySettings", "retryInterval"), *r.RetryInterval, err.Error()))
		}
	}
	for i, c := range s.Spec.Conditions {
		for j, expr := range c.NamespaceRegexes {
			errs = append(errs, validateRegexp(expr, spec.Child("conditions").Index(i).Child("namespaceRegexes").Index(j))...)
		}
	}
	if v := s.Spec.Provider.Vault; v != nil {
		errs = append(errs, validateVault(s, v, spec.Child("provider", "vault"))...)
	}
	return errs
}

func validateVault(s Store, v *VaultProvider, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if !strings.HasPrefix(v.Server, "http://") && !strings.HasPrefix(v.Server, "https://") {
		errs = append(errs, field.Invalid(path.Child("server"), v.Server, "must start with http:// or https://"))
	}
	if (v.ClientTLS.CertSecretRef == nil) != (v.ClientTLS.KeySecretRef == nil) {
		errs = append(errs, field.Invalid(path.Child("tls"), "", "certSecretRef and keySecretRef must both be set, or neither"))
	}
	if v.CheckAndSet != nil && v.CheckAndSet.Required && v.KVVersion() == 1 {
		errs = append(errs, field.Invalid(path.Child("checkAndSet"), true, "KV version v1 has no check-and-set"))
	}
	if ca := v.CAProvider; ca != nil && len(v.CABundle) == 0 {
		switch {
		case ca.Key == "":
			errs = append(errs, field.Required(path.Child("caProvider", "key"), "name the key that holds the certificates"))
		case s.Cluster() && ca.Namespace == nil:
			errs = append(errs, field.Required(path.Child("caProvider", "namespace"), "missing namespace on caProvider secret"))
		case !s.Cluster() && ca.Namespace != nil && *ca.Namespace != s.Meta.Namespace:
			errs = append(errs, foreignNamespace(path.Child("caProvider", "namespace"), *ca.Namespace))
		}
	}
	errs = append(errs, validateAuth(v.Auth, path.Child("auth"))...)
	if !s.Cluster() {
		for _, ref := range v.References() {
			if ref.Namespace != nil && *ref.Namespace != s.Meta.Namespace {
				errs = append(errs, foreignNamespace(path.Child(strings.Split(ref.Field, ".")[0], strings.Split(ref.Field, ".")[1:]...).Child("namespace"), *ref.Namespace))
			}
		}
	}
	return errs
}

func foreignNamespace(path *field.Path, namespace string) *field.Error {
	return field.Invalid(path, namespace,
		"namespace should either be empty or match the namespace of the SecretStore for a namespaced SecretStore")
}

func validateAuth(a *VaultAuth, path *field.Path) field.ErrorList {
	methods := a.Methods()
	switch {
	case len(methods) == 0:
		return field.ErrorList{field.Required(path, "cannot initialize Vault client: no valid auth method specified; set tokenSecretRef, appRole, kubernetes, jwt, cert, userPass or ldap")}
	case len(methods) > 1:
		return field.ErrorList{field.Invalid(path, strings.Join(methods, ", "), "more than one auth method is set; keep one")}
	case a.IAM != nil:
		return field.ErrorList{field.Forbidden(path.Child("iam"), "AWS IAM login is not supported; use appRole, kubernetes, jwt, cert, userPass, ldap or tokenSecretRef")}
	case a.GCP != nil:
		return field.ErrorList{field.Forbidden(path.Child("gcp"), "Google login is not supported; use appRole, kubernetes, jwt, cert, userPass, ldap or tokenSecretRef")}
	case a.AppRole != nil && a.AppRole.RoleID == "" && a.AppRole.RoleRef == nil:
		return field.ErrorList{field.Required(path.Child("appRole"), "invalid Auth.AppRole: neither `roleId` nor `roleRef` was supplied")}
	case a.JWT != nil && a.JWT.SecretRef == nil && a.JWT.KubernetesServiceAccountToken == nil:
		return field.ErrorList{field.Required(path.Child("jwt"), "neither `secretRef` nor `kubernetesServiceAccountToken` was supplied")}
	case a.Kubernetes != nil && a.Kubernetes.ServiceAccountRef == nil && a.Kubernetes.SecretRef == nil:
		return field.ErrorList{field.Required(path.Child("kubernetes"), "set serviceAccountRef or secretRef: the controller's own token is not lent to stores")}
	}
	return nil
}
