package gather_test

import (
	"strings"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
)

// storeFaults are faults of the store, and of the cluster around it.
func storeFaults() []fault {
	return []fault{
		{name: "store missing", code: "VS301", says: []string{"SecretStore/", "spec.secretStoreRef.name", `did you mean "vault"`}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), strings.Replace(mappingDoc, "{name: vault, kind", "{name: valt, kind", 1)
		}},
		{name: "store of another class", code: "VS306", says: []string{`class "other"`, "spec.controller"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return strings.Replace(s.store(), "spec:\n", "spec:\n  controller: other\n", 1), mappingDoc
		}},
		{name: "two auth methods", code: "VS308", says: []string{"spec.provider.vault.auth"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return strings.Replace(s.store(), "auth: {", "auth: {userPass: {path: userpass, username: u, secretRef: {name: vault-token, key: token}}, ", 1), mappingDoc
		}},
		{name: "store of the other kind", code: "VS301", says: []string{"there is a SecretStore of that name", "spec.secretStoreRef.kind"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), strings.Replace(mappingDoc, "kind: SecretStore", "kind: ClusterSecretStore", 1)
		}},
		{name: "field of the store dropped", code: "VS308", says: []string{"spec.provider.vault.severs", "no such field"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return strings.Replace(s.store(), "{name: vault}",
				`{name: vault, annotations: {kubectl.kubernetes.io/last-applied-configuration: '{"spec":{"provider":{"vault":{"severs":"http://x"}}}}'}}`, 1), mappingDoc
		}},
		{name: "reference into another namespace", code: "VS308", says: []string{"spec.provider.vault.auth.tokenSecretRef.namespace"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return s.with("{tokenSecretRef: {name: vault-token, key: token, namespace: kube-system}}"), mappingDoc
		}},
		{name: "provider is not vault, and nobody serves it", code: "VS307", says: []string{"spec.provider.fake", "no External Secrets Operator"}, do: func(s *stack) (string, string) {
			return "apiVersion: external-secrets.io/v1\nkind: SecretStore\nmetadata: {name: vault}\nspec: {provider: {fake: {data: []}}}\n", mappingDoc
		}},
		{name: "conditions do not admit the namespace", code: "VS304", says: []string{"spec.conditions", "do not admit namespace"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			name := "css-" + s.namespace
			return s.cluster(name, "\n  conditions: [{namespaces: [elsewhere], namespaceRegexes: [^prod$]}]"),
				strings.Replace(mappingDoc, "{name: vault, kind: SecretStore}", "{name: "+name+", kind: ClusterSecretStore}", 1)
		}},
		{name: "condition is no regular expression", code: "VS308", says: []string{"namespaceRegexes[0]"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			name := "css-" + s.namespace
			return s.cluster(name, "\n  conditions: [{namespaceRegexes: ['prod[']}]"),
				strings.Replace(mappingDoc, "{name: vault, kind: SecretStore}", "{name: "+name+", kind: ClusterSecretStore}", 1)
		}},
		{name: "controller has no ready Pod", code: "VS103", says: []string{"has no ready Pod (0 wanted)"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			s.controller("external-secrets", 0, 0)
			return s.store(), mappingDoc
		}},
		{name: "no controller at all", code: "VS103", says: []string{"no controller is seen that serves this mapping"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), mappingDoc
		}},
		{name: "CRDs absent", code: "VS102", says: []string{"externalsecrets.external-secrets.io", "are not installed"}, do: func(s *stack) (string, string) {
			bare := s.bare()
			s.change = func(c *gather.Config) { c.Clients = bare }
			return "", ""
		}},
		{name: "API server gone", code: "VS101", says: []string{"127.0.0.1:1", "connection refused"}, do: func(s *stack) (string, string) {
			s.change = func(c *gather.Config) { c.Clients = s.clientsAt("https://127.0.0.1:1") }
			return "", ""
		}},
		{name: "API server hangs", code: "VS101", says: []string{"no answer in time"}, do: func(s *stack) (string, string) {
			address := hanging(s.t)
			s.change = func(c *gather.Config) {
				c.Timeout, c.Clients = time.Second, s.clientsAt("http://"+address)
			}
			return "", ""
		}},
	}
}
