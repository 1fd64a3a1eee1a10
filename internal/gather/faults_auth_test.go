package gather_test

import (
	"fmt"
	"strings"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// credentialFaults are faults of the credential, each login method its own.
func credentialFaults() []fault {
	return []fault{
		{name: "wrong token", code: "VS502", says: []string{"auth.tokenSecretRef", "SecretStore/"}, do: func(s *stack) (string, string) {
			s.credential("hvs.wrong")
			return s.store(), mappingDoc
		}},
		{name: "token Secret missing", code: "VS501", says: []string{"/vault-token does not exist"}, do: func(s *stack) (string, string) {
			return s.store(), mappingDoc
		}},
		{name: "key of the Secret missing", code: "VS501", says: []string{`no key "tokn"`, `did you mean "token"`}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return strings.Replace(s.store(), "key: token", "key: tokn", 1), mappingDoc
		}},
		{name: "value under the key is empty", code: "VS501", says: []string{"is empty", "vault-token"}, do: func(s *stack) (string, string) {
			s.credential("")
			return s.store(), mappingDoc
		}},
		{name: "token has expired", code: "VS502", says: []string{"auth.tokenSecretRef"}, do: func(s *stack) (string, string) {
			s.credential(s.shortToken("1s", 0))
			sandbox.Eventually(s.t, func() error { return s.tokenGone() })
			return s.store(), mappingDoc
		}},
		{name: "token is used up", code: "VS502", says: []string{"auth.tokenSecretRef"}, do: func(s *stack) (string, string) {
			s.credential(s.shortToken("1h", 1))
			s.useToken()
			return s.store(), mappingDoc
		}},
		{name: "appRole: wrong secretId", code: "VS502", says: []string{"auth.appRole", "invalid role or secret ID"}, do: func(s *stack) (string, string) {
			path, role := s.appRole()
			s.keep("approle", map[string]string{"id": "00000000-0000-0000-0000-000000000000"})
			return s.with("{appRole: {path: " + path + ", roleId: " + role + ", secretRef: {name: approle, key: id}}}"), mappingDoc
		}},
		{name: "appRole: wrong roleId", code: "VS502", says: []string{"auth.appRole", "invalid role or secret ID"}, do: func(s *stack) (string, string) {
			path, _ := s.appRole()
			s.keep("approle", map[string]string{"id": s.field("auth/"+path+"/role/app/secret-id", "secret_id")})
			return s.with("{appRole: {path: " + path + ", roleId: nobody, secretRef: {name: approle, key: id}}}"), mappingDoc
		}},
		{name: "appRole: secretId used up", code: "VS502", says: []string{"auth.appRole"}, do: func(s *stack) (string, string) {
			path, role := s.appRole()
			s.write("auth/"+path+"/role/app", map[string]any{"secret_id_num_uses": 1})
			id := s.field("auth/"+path+"/role/app/secret-id", "secret_id")
			s.write("auth/"+path+"/login", map[string]any{"role_id": role, "secret_id": id})
			s.keep("approle", map[string]string{"id": id})
			return s.with("{appRole: {path: " + path + ", roleId: " + role + ", secretRef: {name: approle, key: id}}}"), mappingDoc
		}},
		{name: "userPass: wrong password", code: "VS502", says: []string{"auth.userPass", "invalid username or password"}, do: func(s *stack) (string, string) {
			path := s.enable("userpass")
			s.write("auth/"+path+"/users/ann", map[string]any{"password": "right", "token_policies": s.policy()})
			s.keep("ann", map[string]string{"password": "wrong"})
			return s.with("{userPass: {path: " + path + ", username: ann, secretRef: {name: ann, key: password}}}"), mappingDoc
		}},
		{name: "auth method is not enabled", code: "VS502", says: []string{"auth/nowhere"}, do: func(s *stack) (string, string) {
			s.keep("ann", map[string]string{"password": "right"})
			return s.with("{userPass: {path: nowhere, username: ann, secretRef: {name: ann, key: password}}}"), mappingDoc
		}},
		{name: "jwt: another audience", code: "VS502", says: []string{"auth.jwt", "aud"}, do: func(s *stack) (string, string) {
			path, sign := s.jwt()
			s.keep("jwt", map[string]string{"jwt": sign("someone-else", time.Hour)})
			return s.with("{jwt: {path: " + path + ", role: app, secretRef: {name: jwt, key: jwt}}}"), mappingDoc
		}},
		{name: "jwt: expired", code: "VS502", says: []string{"auth.jwt", "expired"}, do: func(s *stack) (string, string) {
			path, sign := s.jwt()
			s.keep("jwt", map[string]string{"jwt": sign("vault", -time.Hour)})
			return s.with("{jwt: {path: " + path + ", role: app, secretRef: {name: jwt, key: jwt}}}"), mappingDoc
		}},
		{name: "jwt: ServiceAccount missing", code: "VS501", says: []string{"ServiceAccount", "/app does not exist"}, do: func(s *stack) (string, string) {
			path, _ := s.jwt()
			return s.with("{jwt: {path: " + path + ", role: app, kubernetesServiceAccountToken: {serviceAccountRef: {name: app}}}}"), mappingDoc
		}},
		{name: "kubernetes: role not bound to the ServiceAccount", code: "VS502", says: []string{"auth.kubernetes", "service account name not authorized"}, do: func(s *stack) (string, string) {
			path := s.kubernetesAuth("app")
			s.account("stranger")
			return s.with("{kubernetes: {mountPath: " + path + ", role: app, serviceAccountRef: {name: stranger, audiences: [vault]}}}"), mappingDoc
		}},
		{name: "kubernetes: role missing", code: "VS502", says: []string{"auth.kubernetes", "invalid role name"}, do: func(s *stack) (string, string) {
			path := s.kubernetesAuth("app")
			return s.with("{kubernetes: {mountPath: " + path + ", role: nobody, serviceAccountRef: {name: app, audiences: [vault]}}}"), mappingDoc
		}},
		{name: "ldap: no directory answers", code: "VS502", says: []string{"auth.ldap"}, do: func(s *stack) (string, string) {
			s.plugin("ldap")
			path := s.enable("ldap")
			s.write("auth/"+path+"/config", map[string]any{"url": "ldap://127.0.0.1:1", "userdn": "dc=example", "request_timeout": 1})
			s.keep("ann", map[string]string{"password": "right"})
			return s.with("{ldap: {path: " + path + ", username: ann, secretRef: {name: ann, key: password}}}"), mappingDoc
		}},
		{name: "cert: Vault does not know the certificate", code: "VS502", says: []string{"auth.cert"}, do: func(s *stack) (string, string) {
			path := s.enable("cert")
			cert, key := keyPair(s.t)
			s.keep("cert", map[string]string{"crt": cert, "key": key})
			return s.with("{cert: {path: " + path + ", clientCert: {name: cert, key: crt}, secretRef: {name: cert, key: key}}}"), mappingDoc
		}},
	}
}

// policyFaults are rights that the credential lacks in Vault.
func policyFaults() []fault {
	return []fault{
		{name: "token without the policy", code: "VS504", says: []string{`no "read" on`, "/data/other/db"}, do: func(s *stack) (string, string) {
			s.credential(s.VaultToken(s.t, fmt.Sprintf(`path "%s/data/app/*" { capabilities = ["read"] }`, s.mount)))
			return s.store(), strings.Replace(mappingDoc, "app/db", "other/db", 1)
		}},
		{name: "token with the default policy alone", code: "VS504", says: []string{`no "read" on`}, do: func(s *stack) (string, string) {
			s.credential(s.VaultToken(s.t, `path "sys/health" { capabilities = ["read"] }`))
			return s.store(), mappingDoc
		}},
		{name: "find may not list", code: "VS505", says: []string{`no "list" on`}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), findDoc(".*")
		}},
	}
}
