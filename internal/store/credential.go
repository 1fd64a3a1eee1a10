package store

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// material is everything that a store refers to, resolved.
type material struct {
	config vault.Config
	// token is set for tokenSecretRef, login for every other method.
	token redact.Bytes
	login *vault.Login
	// identity names every object that was read, with UID and resourceVersion.
	identity []string
}

// resolve reads what a store refers to for a mapping in the scope's namespace.
func (r Resolver) resolve(ctx context.Context, s scope) (material, error) {
	if errs := eso.ValidateStore(s.store); len(errs) > 0 {
		return material{}, &kv.Error{Kind: kv.BadConfig, Field: errs[0].Field, Detail: fmt.Sprintf("%s: %s", s.store, errs.ToAggregate())}
	}
	v := s.store.Spec.Provider.Vault
	m := material{config: vault.Config{
		Address: v.Server, Namespace: v.VaultNamespace(), Headers: v.Headers, CA: caBundle(v.CABundle),
		ReadYourWrites: v.ReadYourWrites, ForwardInconsistent: v.ForwardInconsistent,
	}}
	if settings := s.store.Spec.RetrySettings; settings != nil {
		retries := 0
		if settings.MaxRetries != nil {
			retries = int(*settings.MaxRetries)
		}
		m.config.MaxRetries = &retries
		if settings.RetryInterval != nil {
			m.config.RetryInterval, _ = time.ParseDuration(*settings.RetryInterval)
		}
	}
	values := map[string]redact.Bytes{}
	for _, ref := range v.References() {
		if ref.Kind == "ServiceAccount" {
			continue
		}
		value, identity, err := r.value(ctx, s, ref)
		if err != nil {
			return material{}, err
		}
		values[ref.Field] = value
		m.identity = append(m.identity, ref.Field+"="+identity)
	}
	if ca, ok := values["caProvider"]; ok {
		m.config.CA = ca.Reveal()
	}
	if cert, ok := values["tls.certSecretRef"]; ok {
		m.config.Certificate, m.config.Key = cert.Reveal(), values["tls.keySecretRef"]
	}
	return m, r.credential(ctx, s, &m, values)
}

// caBundle takes PEM, and PEM that was encoded as base64 once too often.
func caBundle(raw []byte) []byte {
	if len(raw) == 0 {
		return nil
	}
	if bytes.Contains(raw, []byte("-----BEGIN")) {
		return raw
	}
	if decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(raw))); err == nil {
		return decoded
	}
	return raw
}

// credential fills in the token or the login request, by method.
func (r Resolver) credential(ctx context.Context, s scope, m *material, values map[string]redact.Bytes) error {
	v := s.store.Spec.Provider.Vault
	login := func(mount, suffix string, body map[string]redact.Bytes) {
		m.login = &vault.Login{Path: "auth/" + strings.Trim(mount, "/") + "/login" + suffix, Namespace: v.LoginNamespace(), Body: body}
	}
	text := func(s string) redact.Bytes { return redact.Bytes(strings.TrimSpace(s)) }
	trimmed := func(field string) redact.Bytes { return bytes.TrimSpace(values[field].Reveal()) }
	switch a := v.Auth; a.Methods()[0] {
	case "tokenSecretRef":
		m.token = trimmed("auth.tokenSecretRef")
	case "appRole":
		role := text(a.AppRole.RoleID)
		if len(role) == 0 {
			role = trimmed("auth.appRole.roleRef")
		}
		login(or(a.AppRole.Path, "approle"), "", map[string]redact.Bytes{"role_id": role, "secret_id": trimmed("auth.appRole.secretRef")})
	case "kubernetes":
		jwt := trimmed("auth.kubernetes.secretRef")
		if ref := a.Kubernetes.ServiceAccountRef; ref != nil {
			var err error
			if jwt, err = r.accountToken(ctx, s, "auth.kubernetes.serviceAccountRef", *ref, ref.Audiences, 600); err != nil {
				return err
			}
		}
		login(or(a.Kubernetes.Path, "kubernetes"), "", map[string]redact.Bytes{"role": text(a.Kubernetes.Role), "jwt": jwt})
	case "ldap":
		login(or(a.LDAP.Path, "ldap"), "/"+strings.TrimSpace(a.LDAP.Username), map[string]redact.Bytes{"password": values["auth.ldap.secretRef"]})
	case "userPass":
		login(or(a.UserPass.Path, "userpass"), "/"+strings.TrimSpace(a.UserPass.Username), map[string]redact.Bytes{"password": values["auth.userPass.secretRef"]})
	case "jwt":
		jwt := trimmed("auth.jwt.secretRef")
		if t := a.JWT.KubernetesServiceAccountToken; t != nil && a.JWT.SecretRef == nil {
			audiences, seconds := []string{"vault"}, int64(600)
			if t.Audiences != nil {
				audiences = *t.Audiences
			}
			if t.ExpirationSeconds != nil {
				seconds = *t.ExpirationSeconds
			}
			var err error
			jwt, err = r.accountToken(ctx, s, "auth.jwt.kubernetesServiceAccountToken.serviceAccountRef", t.ServiceAccountRef,
				append(append([]string(nil), t.ServiceAccountRef.Audiences...), audiences...), seconds)
			if err != nil {
				return err
			}
		}
		login(or(a.JWT.Path, "jwt"), "", map[string]redact.Bytes{"role": text(a.JWT.Role), "jwt": jwt})
	case "cert":
		m.config.Certificate, m.config.Key = values["auth.cert.clientCert"].Reveal(), values["auth.cert.secretRef"]
		body := map[string]redact.Bytes{}
		if a.Cert.VaultRole != "" {
			body["name"] = text(a.Cert.VaultRole)
		}
		login(or(a.Cert.Path, "cert"), "", body)
	}
	return nil
}

func (r Resolver) accountToken(ctx context.Context, s scope, field string, ref eso.ServiceAccountSelector, audiences []string, seconds int64) (redact.Bytes, error) {
	namespace, err := s.target(eso.Reference{Field: field, Kind: "ServiceAccount", Name: ref.Name, Namespace: ref.Namespace})
	if err != nil {
		return nil, err
	}
	token, err := r.Cluster.ServiceAccountToken(ctx, namespace, ref.Name, audiences, time.Duration(seconds)*time.Second)
	if err != nil {
		return nil, &kv.Error{Kind: kv.BadConfig, Field: "spec.provider.vault." + field, Err: err, Detail: fmt.Sprintf(
			"cannot request Kubernetes service account token for service account %q in namespace %q (spec.provider.vault.%s of %s): %s", ref.Name, namespace, field, s.store, err)}
	}
	return token, nil
}

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
