package gather_test

import (
	"strings"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
)

// warnings are what works now and will not, or not as its author thinks.
func warnings() []fault {
	return []fault{
		{warns: true, name: "refreshPolicy CreatedOnce", code: "VS206", says: []string{"CreatedOnce"}, do: func(s *stack) (string, string) {
			return s.healthy(strings.Replace(mappingDoc, "refreshInterval: 1h", "refreshPolicy: CreatedOnce", 1))
		}},
		{warns: true, name: "refreshInterval 0", code: "VS206", says: []string{"0"}, do: func(s *stack) (string, string) {
			return s.healthy(strings.Replace(mappingDoc, "refreshInterval: 1h", `refreshInterval: "0"`, 1))
		}},
		{warns: true, name: "two controllers act", code: "VS103", says: []string{"2 controllers would act"}, do: func(s *stack) (string, string) {
			s.controller("external-secrets", 1, 1)
			s.controller("vaultsecret-controller", 1, 1)
			return s.healthy(mappingDoc)
		}},
		{warns: true, name: "deletionPolicy Merge, path missing", code: "VS211", says: []string{"loses its keys or goes"}, also: []string{"VS602", "VS701"}, do: func(s *stack) (string, string) {
			return s.healthy(strings.Replace(mappingDoc, "app/db", "app/none", 1) + "  target: {deletionPolicy: Merge}\n")
		}},
		{warns: true, name: "namespace regex not anchored", code: "VS305", says: []string{"namespaceRegexes[0]", "not only the whole name"}, do: func(s *stack) (string, string) {
			_, mapping := s.healthy(mappingDoc)
			name := "css-" + s.namespace
			return s.cluster(name, "\n  conditions: [{namespaceRegexes: ["+s.namespace+"]}]") + readyDoc("Valid"),
				strings.Replace(mapping, "{name: vault, kind: SecretStore}", "{name: "+name+", kind: ClusterSecretStore}", 1)
		}},
		{warns: true, name: "referent store", code: "VS303", says: []string{"referent"}, do: func(s *stack) (string, string) {
			_, mapping := s.healthy(mappingDoc)
			name := "css-" + s.namespace
			doc := strings.Replace(s.cluster(name, ""), ", namespace: "+s.namespace, "", 1)
			return doc + readyDoc("Valid"), strings.Replace(mapping, "{name: vault, kind: SecretStore}", "{name: "+name+", kind: ClusterSecretStore}", 1)
		}},
		{warns: true, name: "root token in use", code: "VS506", says: []string{"root token"}, do: func(s *stack) (string, string) {
			s.long = s.RootToken
			return s.healthy(mappingDoc)
		}},
		{warns: true, name: "token ends soon", code: "VS503", says: []string{"the stored token ends in"}, do: func(s *stack) (string, string) {
			s.long = s.shortToken("10m", 0)
			return s.healthy(mappingDoc)
		}},
		{warns: true, name: "token has few uses left", code: "VS503", says: []string{"times more"}, do: func(s *stack) (string, string) {
			s.long = s.shortToken("1h", 50)
			return s.healthy(mappingDoc)
		}},
		{warns: true, name: "certificate ends soon", code: "VS405", says: []string{"ends in"}, do: func(s *stack) (string, string) {
			store, mapping := s.healthy(mappingDoc)
			address, der := tlsServer(s.t, s.VaultAddress(0), time.Now().Add(20*time.Hour))
			return withCA(s.t, strings.Replace(store, s.VaultAddress(0), address, 1), der), mapping
		}},
		{warns: true, name: "Vault namespace, community edition", code: "VS408", says: []string{`"team-a"`, "has no namespaces"}, do: func(s *stack) (string, string) {
			store, mapping := s.healthy(mappingDoc)
			return strings.Replace(store, "version: v2", "version: v2\n      namespace: team-a", 1), mapping
		}},
		{warns: true, name: "clocks differ", code: "VS407", says: []string{"off by"}, do: func(s *stack) (string, string) {
			s.change = func(c *gather.Config) { c.Now = func() time.Time { return time.Now().Add(2 * time.Minute) } }
			return s.healthy(mappingDoc)
		}},
		{warns: true, name: "Vault holds another value", code: "VS701", says: []string{"1 to change (password)"}, do: func(s *stack) (string, string) {
			store, mapping := s.healthy(mappingDoc)
			s.Put(s.t, s.mount, "app/db", map[string]any{"user": "app", "password": canary + "-new"})
			return store, mapping
		}},
		{warns: true, name: "workload older than the Secret", code: "VS702", says: []string{"deployment api", "before its last change"}, do: func(s *stack) (string, string) {
			s.workload()
			return s.healthy(mappingDoc)
		}},
		{warns: true, name: "ExternalSecret being deleted", code: "VS201", says: []string{"being deleted", "example.com/hold"}, do: func(s *stack) (string, string) {
			s.after = s.deleting
			return s.healthy(strings.Replace(mappingDoc, "{name: api-db}", "{name: api-db, finalizers: [example.com/hold]}", 1))
		}},
		{warns: true, name: "refresh overdue", code: "VS202", says: []string{"overdue by"}, do: func(s *stack) (string, string) {
			s.synced = time.Now().Add(-5 * time.Hour)
			return s.healthy(mappingDoc)
		}},
	}
}
