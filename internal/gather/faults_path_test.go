package gather_test

import (
	"fmt"
	"strings"

	"github.com/hashicorp/vault/api"
)

// pathFaults are faults of what is read: mount, path, version, property, value.
func pathFaults() []fault {
	return []fault{
		{name: "mount missing, root sees it", code: "VS601", says: []string{"no mount nomount"}, do: func(s *stack) (string, string) {
			s.credential(s.RootToken)
			return strings.Replace(s.store(), "path: "+s.mount, "path: nomount", 1), mappingDoc
		}},
		{name: "mount missing, a limited token sees it", code: "VS601", says: []string{"no mount nomount"}, do: func(s *stack) (string, string) {
			s.credential(s.VaultToken(s.t, `path "nomount/data/*" { capabilities = ["read"] }`))
			return strings.Replace(s.store(), "path: "+s.mount, "path: nomount", 1), mappingDoc
		}},
		{name: "mount misspelt", code: "VS601", says: []string{"sees no mount", "did you mean"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return strings.Replace(s.store(), "path: "+s.mount, "path: "+s.mount[:len(s.mount)-1], 1), mappingDoc
		}},
		{name: "KV version mismatch", code: "VS604", says: []string{"KV version 2", "spec.provider.vault.version"}, do: func(s *stack) (string, string) {
			s.credential(s.RootToken)
			return strings.Replace(s.store(), "version: v2", "version: v1", 1), mappingDoc
		}},
		{name: "path missing", code: "VS602", says: []string{"/data/app/dbb", "spec.data[0].remoteRef.key"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), strings.Replace(mappingDoc, "app/db", "app/dbb", 1)
		}},
		{name: "path misspelt, the token may list", code: "VS602", says: []string{`did you mean "db"`}, do: func(s *stack) (string, string) {
			s.credential(s.VaultToken(s.t, fmt.Sprintf(`path "%s/*" { capabilities = ["read", "list"] }`, s.mount)))
			return s.store(), strings.Replace(mappingDoc, "app/db", "app/bd", 1)
		}},
		{name: "version destroyed", code: "VS603", says: []string{"version 1 of", "destroyed", "spec.data[0].remoteRef.version"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			if err := s.RootVault(s.t).KVv2(s.mount).Destroy(s.t.Context(), "app/db", []int{1}); err != nil {
				s.t.Fatal(err)
			}
			return s.store(), strings.Replace(mappingDoc, "property: password", `version: "1", property: password`, 1)
		}},
		{name: "newest version deleted", code: "VS603", says: []string{"newest version", "deleted"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			if err := s.RootVault(s.t).KVv2(s.mount).Delete(s.t.Context(), "app/db"); err != nil {
				s.t.Fatal(err)
			}
			return s.store(), mappingDoc
		}},
		{name: "property missing", code: "VS605", says: []string{`property "pasword"`, `did you mean "password"`, "it has password, user"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), strings.Replace(mappingDoc, "property: password", "property: pasword", 1)
		}},
		{name: "value is no base64", code: "VS607", says: []string{"spec.data[0].remoteRef", "Base64"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), strings.Replace(mappingDoc, "property: password", "property: password, decodingStrategy: Base64", 1)
		}},
		{name: "template fails", code: "VS608", says: []string{"spec.target.template"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), mappingDoc + "  target: {template: {data: {url: '{{ .host.name }}'}}}\n"
		}},
		{name: "find matches nothing", code: "VS606", says: []string{"spec.dataFrom[0].find"}, do: func(s *stack) (string, string) {
			s.credential(s.RootToken)
			return s.store(), findDoc("zzz")
		}},
		{name: "pinned version never existed", code: "VS602", says: []string{"app/db?version=9"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), strings.Replace(mappingDoc, "property: password", `version: "9", property: password`, 1)
		}},
		{name: "version is no number", code: "VS602", says: []string{`version "two"`}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), strings.Replace(mappingDoc, "property: password", `version: two, property: password`, 1)
		}},
		{name: "mount is no KV engine", code: "VS604", says: []string{"of type transit, not kv"}, do: func(s *stack) (string, string) {
			s.credential(s.RootToken)
			mount := s.namespace + "-transit"
			if err := s.RootVault(s.t).Sys().MountWithContext(s.t.Context(), mount, &api.MountInput{Type: "transit"}); err != nil {
				s.t.Fatal(err)
			}
			return strings.Replace(s.store(), "path: "+s.mount, "path: "+mount, 1), mappingDoc
		}},
		{name: "KV v1 read as v2", code: "VS604", says: []string{"KV version 1"}, do: func(s *stack) (string, string) {
			s.credential(s.RootToken)
			return strings.Replace(s.store(), "path: "+s.mount, "path: "+s.KVMount(s.t, 1), 1), mappingDoc
		}},
		{name: "KV v1 path missing", code: "VS602", says: []string{"/app/db", "spec.data[0].remoteRef.key"}, do: func(s *stack) (string, string) {
			s.credential(s.RootToken)
			return strings.Replace(strings.Replace(s.store(), "path: "+s.mount, "path: "+s.KVMount(s.t, 1), 1), "version: v2", "version: v1", 1), mappingDoc
		}},
		{name: "template does not parse", code: "VS608", says: []string{"spec.target.template"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), mappingDoc + "  target: {template: {data: {url: '{{ .password '}}}\n"
		}},
		{name: "key that no Secret may have", code: "VS608", says: []string{"invalid secret keys", "a/password"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), head() + "  dataFrom: [{extract: {key: app/db}, rewrite: [{regexp: {source: '(.*)', target: a/$1}}]}]\n"
		}},
		{name: "extract of what is no object", code: "VS605", says: []string{`property "password"`}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), head() + "  dataFrom: [{extract: {key: app/db, property: password}}]\n"
		}},
		{name: "metadata may not be read", code: "VS505", says: []string{`no "read" on`, "/metadata/app/db"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), strings.Replace(mappingDoc, ", property: password", ", metadataPolicy: Fetch", 1)
		}},
	}
}
