package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
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
	// token is set for tokenSecretRef, login for every other method. login may ask
	// Kubernetes for a ServiceAccount's token, so it is called only to log in.
	token redact.Bytes
	login func(context.Context) (vault.Login, error)
	// identity names every object that was read, with UID and resourceVersion.
	identity []string
}

// Format prints nothing of it.
func (m material) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "material("+redact.Mask+")") }

// key holds every input of an identity, so that two identities never share a login:
// the store with its generation and spec (method, role, Vault namespaces), every
// object that was read, and for referent stores the mapping's namespace.
func key(s scope, m material) string {
	spec, err := json.Marshal(s.store.Spec.Provider)
	if err != nil {
		spec = []byte(err.Error())
	}
	digest := sha256.Sum256(spec)
	parts := []string{owner(s), strconv.FormatInt(s.store.Meta.Generation, 10), hex.EncodeToString(digest[:])}
	return strings.Join(append(parts, m.identity...), "\n")
}

// owner is what identities of the same store and referent namespace share: a newer
// one replaces the others.
func owner(s scope) string {
	namespace := ""
	if s.store.Referent() {
		namespace = s.namespace
	}
	return s.store.String() + "\n" + string(s.store.Meta.UID) + "\n" + namespace
}

// resolve reads what a store refers to for a mapping in the scope's namespace.
func (r Resolver) resolve(ctx context.Context, s scope) (material, error) {
	if errs := eso.ValidateStore(s.store); len(errs) > 0 {
		return material{}, &kv.Error{Kind: kv.BadConfig, Field: errs[0].Field, Detail: fmt.Sprintf("%s: %s", s.store, errs.ToAggregate())}
	}
	v := s.store.Spec.Provider.Vault
	m := material{config: connection(s.store)}
	values := map[string]redact.Bytes{}
	for _, ref := range v.References() {
		if ref.Kind == "ServiceAccount" {
			namespace, err := s.target(ref)
			if err != nil {
				return material{}, err
			}
			m.identity = append(m.identity, ref.Field+"="+namespace+"/"+ref.Name)
			continue
		}
		value, identity, err := r.value(ctx, s, ref)
		if err != nil {
			return material{}, err
		}
		values[ref.Field] = value
		m.identity = append(m.identity, ref.Field+"="+identity)
	}
	trust(&m.config, values)
	r.credential(s, &m, values)
	return m, nil
}

// connection is what the spec itself says of the way to Vault.
func connection(store eso.Store) vault.Config {
	v := store.Spec.Provider.Vault
	config := vault.Config{
		Address: v.Server, Namespace: v.VaultNamespace(), Headers: v.Headers, CA: caBundle(v.CABundle),
		ReadYourWrites: v.ReadYourWrites, ForwardInconsistent: v.ForwardInconsistent,
	}
	if settings := store.Spec.RetrySettings; settings != nil {
		retries := 0
		if settings.MaxRetries != nil {
			retries = int(*settings.MaxRetries)
		}
		config.MaxRetries = &retries
		if settings.RetryInterval != nil {
			config.RetryInterval, _ = time.ParseDuration(*settings.RetryInterval) // validated before
		}
	}
	return config
}

// trust adds what the store's references say of TLS.
func trust(config *vault.Config, values map[string]redact.Bytes) {
	if ca, ok := values["caProvider"]; ok {
		config.CA = ca.Reveal()
	}
	if cert, ok := values["tls.certSecretRef"]; ok {
		config.Certificate, config.Key = cert.Reveal(), values["tls.keySecretRef"]
	}
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

// credential fills in the token or the login request, by method. Tokens, JWTs and ids
// lose surrounding white space, which no Vault takes; passwords are sent as they are.
func (r Resolver) credential(s scope, m *material, values map[string]redact.Bytes) {
	v := s.store.Spec.Provider.Vault
	login := func(mount, suffix string, body map[string]redact.Bytes) vault.Login {
		return vault.Login{Path: "auth/" + strings.Trim(mount, "/") + "/login" + suffix, Namespace: v.LoginNamespace(), Body: body}
	}
	static := func(l vault.Login) func(context.Context) (vault.Login, error) {
		return func(context.Context) (vault.Login, error) { return l, nil }
	}
	trimmed := func(field string) redact.Bytes { return bytes.TrimSpace(values[field].Reveal()) }
	switch a := v.Auth; a.Methods()[0] {
	case "tokenSecretRef":
		m.token = trimmed("auth.tokenSecretRef")
	case "appRole":
		role := text(a.AppRole.RoleID)
		if len(role) == 0 {
			role = trimmed("auth.appRole.roleRef")
		}
		m.login = static(login(or(a.AppRole.Path, "approle"), "", map[string]redact.Bytes{"role_id": role, "secret_id": trimmed("auth.appRole.secretRef")}))
	case "kubernetes":
		body := map[string]redact.Bytes{"role": text(a.Kubernetes.Role), "jwt": trimmed("auth.kubernetes.secretRef")}
		m.login = static(login(or(a.Kubernetes.Path, "kubernetes"), "", body))
		if ref := a.Kubernetes.ServiceAccountRef; ref != nil {
			m.login = r.withAccountToken(s, m.login, account{"auth.kubernetes.serviceAccountRef", *ref, ref.Audiences, 600})
		}
	case "ldap":
		m.login = static(login(or(a.LDAP.Path, "ldap"), "/"+strings.TrimSpace(a.LDAP.Username), map[string]redact.Bytes{"password": values["auth.ldap.secretRef"]}))
	case "userPass":
		m.login = static(login(or(a.UserPass.Path, "userpass"), "/"+strings.TrimSpace(a.UserPass.Username), map[string]redact.Bytes{"password": values["auth.userPass.secretRef"]}))
	case "jwt":
		body := map[string]redact.Bytes{"role": text(a.JWT.Role), "jwt": trimmed("auth.jwt.secretRef")}
		m.login = static(login(or(a.JWT.Path, "jwt"), "", body))
		if t := a.JWT.KubernetesServiceAccountToken; t != nil && a.JWT.SecretRef == nil {
			m.login = r.withAccountToken(s, m.login, jwtAccount(t))
		}
	case "cert":
		m.config.Certificate, m.config.Key = values["auth.cert.clientCert"].Reveal(), values["auth.cert.secretRef"]
		body := map[string]redact.Bytes{}
		if a.Cert.VaultRole != "" {
			body["name"] = text(a.Cert.VaultRole)
		}
		m.login = static(login(or(a.Cert.Path, "cert"), "", body))
	}
}

func text(s string) redact.Bytes { return redact.Bytes(strings.TrimSpace(s)) }

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
