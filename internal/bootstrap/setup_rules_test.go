package bootstrap

import (
	"slices"
	"strings"
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// What each kind of read takes, by the version of the mount.
func TestRules(t *testing.T) {
	read := func(key string) Want { return Want{Mapping: "a/b", Ref: kv.Ref{Key: key}} }
	find := func(folder string, tags bool) Want {
		return Want{Mapping: "a/b", Find: true, Tags: tags, Ref: kv.Ref{Key: folder}}
	}
	for _, c := range []struct {
		name    string
		mount   string
		version int
		want    Want
		rules   []string
	}{
		{"a key", "secret", 2, read("app/db"), []string{`path "secret/data/app/db" { capabilities = ["read"] }`}},
		{"with its mount", "secret", 2, read("secret/app/db"), []string{`path "secret/data/app/db" { capabilities = ["read"] }`}},
		{"with data", "secret", 2, read("secret/data/app/db"), []string{`path "secret/data/app/db" { capabilities = ["read"] }`}},
		{"without a mount in the store", "", 2, read("secret/app/db"), []string{`path "secret/data/app/db" { capabilities = ["read"] }`}},
		{"metadata", "secret", 2, Want{Ref: kv.Ref{Key: "app/db", Metadata: true}}, []string{`path "secret/metadata/app/db" { capabilities = ["read"] }`}},
		{"find", "secret", 2, find("app", false), []string{
			`path "secret/data/app/*" { capabilities = ["read"] }`, `path "secret/metadata/app/*" { capabilities = ["list"] }`,
		}},
		{"find everywhere by tags", "secret", 2, find("", true), []string{
			`path "secret/data/*" { capabilities = ["read"] }`, `path "secret/metadata/*" { capabilities = ["list", "read"] }`,
		}},
		{"KV v1", "secret", 1, read("app/db"), []string{`path "secret/app/db" { capabilities = ["read"] }`}},
		{"find in KV v1", "secret", 1, find("app", false), []string{`path "secret/app/*" { capabilities = ["list", "read"] }`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rules, left := Rules(c.mount, c.version, []Want{c.want}, Further{}, kvMounts("secret", c.version))
			var got []string
			for _, r := range rules {
				got = append(got, ruleLine(r))
			}
			if !slices.Equal(got, c.rules) || len(left) > 0 {
				t.Errorf("rules %q (left out: %q), want %q", got, left, c.rules)
			}
		})
	}
}

// --with-metadata lets the metadata of exactly the paths be read whose data may be, and the
// policy remembers that it was asked for.
func TestRulesWithMetadata(t *testing.T) {
	wants := []Want{{Mapping: "x/y", Ref: kv.Ref{Key: "app/db"}}, {Mapping: "x/z", Find: true, Ref: kv.Ref{Key: "team"}}}
	rules, _ := Rules("secret", 2, wants, Further{Paths: []string{"more/*"}, Metadata: true}, kvMounts("secret", 2))
	m := madeFor{store: "ClusterSecretStore/vault", metadata: true}
	text := policyText(m, rules)
	want := []string{
		`path "secret/data/app/db" { capabilities = ["read"] }`, `path "secret/data/more/*" { capabilities = ["read"] }`, `path "secret/data/team/*" { capabilities = ["read"] }`,
		`path "secret/metadata/app/db" { capabilities = ["read"] }`, `path "secret/metadata/more/*" { capabilities = ["read"] }`, `path "secret/metadata/team/*" { capabilities = ["list", "read"] }`,
	}
	if got := ruleLines(text); !slices.Equal(got, want) {
		t.Errorf("rules %q, want %q", got, want)
	}
	if back, ours := readPolicy(text); !ours || !back.metadata {
		t.Errorf("read back as %+v, %t", back, ours)
	}
	if back, _ := readPolicy(policyText(madeFor{store: "ClusterSecretStore/vault"}, rules)); back.metadata {
		t.Error("a policy that nobody asked it for counts as one")
	}
}

// Whoever writes an ExternalSecret cannot widen the policy beyond the secret that is
// named: not to another engine, not by a pattern, not by writing policy text.
func TestNeverWidensAPolicyByAKey(t *testing.T) {
	mounts := kvMounts("secret", 2)
	mounts["legacy"] = vault.MountInfo{Mount: vault.Mount{Path: "legacy", Type: "kv", Version: 1}}
	for _, c := range []struct {
		mount   string
		version int
		key     string
	}{
		{"secret", 2, "../../sys/policies/acl/root"},
		{"secret", 2, "app/*"},
		{"secret", 2, "+/db"},
		{"secret", 2, `db" { capabilities = ["sudo"] } path "sys/raw/x`},
		{"secret", 2, "db\npath \"sys/*\" { capabilities = [\"sudo\"] }"},
		{"secret", 2, "db${identity.entity.id}"},
		{"secret", 2, `db\`},
		{"secret", 2, "db{{x"},
		{"secret", 2, "{{identity.entity.id}}/db"},
		{"secret", 2, ""},
		{"", 1, "sys/policies/acl/root"},
		{"", 1, "auth/token/accessors"},
		{"", 1, "cubbyhole/x"},
		{"", 1, "legacy"},
		{"", 2, "sys/data/x"},
		{"", 2, "nowhere/x"},
	} {
		rules, left := Rules(c.mount, c.version, []Want{{Mapping: "tenant/es", Ref: kv.Ref{Key: c.key}}}, Further{}, mounts)
		if len(rules) > 0 {
			t.Errorf("key %q is allowed %q", c.key, rules[0].Path)
		}
		if len(left) != 1 || !strings.HasPrefix(left[0], "tenant/es: ") {
			t.Errorf("key %q: it is not told whose key was left out: %q", c.key, left)
		}
	}
}

// Only the entries that go through the store count, whatever way they name it.
func TestWants(t *testing.T) {
	es := &eso.ExternalSecret{}
	es.Namespace, es.Name = "apps", "web"
	other := &eso.SourceRef{StoreRef: &eso.StoreRef{Name: "other"}}
	es.Spec.SecretStoreRef = &eso.StoreRef{Name: "vault"}
	es.Spec.Data = []eso.Data{
		{RemoteRef: eso.RemoteRef{Key: "a", Version: "2"}},
		{RemoteRef: eso.RemoteRef{Key: "b"}, SourceRef: other},
	}
	es.Spec.DataFrom = []eso.DataFrom{
		{Extract: &eso.RemoteRef{Key: "c", MetadataPolicy: eso.MetadataFetch}},
		{Find: &eso.Find{Path: "d", Tags: map[string]string{"x": "y"}}},
		{Extract: &eso.RemoteRef{Key: "e"}, SourceRef: other},
	}
	got := Wants(es, eso.StoreRef{Kind: eso.KindSecretStore, Name: "vault"})
	want := []Want{
		{Mapping: "apps/web", Ref: kv.Ref{Key: "a", Version: "2"}},
		{Mapping: "apps/web", Ref: kv.Ref{Key: "c", Metadata: true}},
		{Mapping: "apps/web", Ref: kv.Ref{Key: "d"}, Find: true, Tags: true},
	}
	if !slices.Equal(got, want) {
		t.Errorf("wants %+v, want %+v", got, want)
	}
	if more := Wants(es, eso.StoreRef{Kind: eso.KindClusterSecretStore, Name: "vault"}); len(more) > 0 {
		t.Errorf("a ClusterSecretStore of the same name gets %+v", more)
	}
}

// The same rules give the same text, which says for whom it is and what was added.
func TestPolicyText(t *testing.T) {
	m := madeFor{store: "ClusterSecretStore/vault", cluster: "uid", further: []string{"app/*", "b"}}
	rules, _ := Rules("secret", 2, []Want{{Mapping: "x/y", Ref: kv.Ref{Key: "z"}}, {Mapping: "v/w", Ref: kv.Ref{Key: "z"}}}, Further{Paths: m.further}, kvMounts("secret", 2))
	text := policyText(m, rules)
	back, ours := readPolicy(text)
	if !ours || back.store != m.store || back.cluster != m.cluster || !slices.Equal(back.further, m.further) {
		t.Errorf("read back as %+v, %t", back, ours)
	}
	if _, ours := readPolicy("# by hand\n" + text); ours {
		t.Error("a text by hand counts as setup's")
	}
	diff := policyDiff(text, policyText(m, rules[1:]), rules[1:])
	if len(diff) != 1 || !strings.HasPrefix(diff[0], "- path ") {
		t.Errorf("diff %q", diff)
	}
	diff = policyDiff("", text, rules)
	if len(diff) != 3 || !slices.Contains(diff, `+ path "secret/data/z" { capabilities = ["read"] }   # v/w, x/y`) {
		t.Errorf("diff %q", diff)
	}
}
