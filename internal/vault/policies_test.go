package vault_test

import (
	"slices"
	"strings"
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// Which rule decides is asked of the real Vault: a token of the policy tells by
// sys/capabilities-self what it may, and the reading of the text must say the same.
func TestDecidingRuleIsVaultsOwn(t *testing.T) {
	sb := shared.Sandbox(t)
	paths := []string{"kv/data/app/db", "kv/data/app/dbx", "kv/data/app", "kv/data/other/db", "kv/data/x/y/db", "kv/data/deny/me", "kv/metadata/app/db", "else/data/app/db"}
	for _, policy := range []string{
		`path "kv/data/*" { capabilities = ["read"] }`,
		`path "kv/data/app/*" { capabilities = ["list"] }
		 path "kv/data/*" { capabilities = ["read"] }`,
		`path "kv/data/app/db" { capabilities = ["deny"] }
		 path "kv/data/app/*" { capabilities = ["read", "list"] }`,
		`path "kv/data/+/db" { capabilities = ["read"] }
		 path "kv/data/app/*" { capabilities = ["update"] }`,
		`path "kv/+/app/*" { capabilities = ["read"] }
		 path "kv/data/app/+" { capabilities = ["list"] }`,
		`path "kv/data/+/+/db" { capabilities = ["read"] }
		 path "kv/data/+/*" { capabilities = ["list"] }`,
		`path "+/data/app/d*" { capabilities = ["read"] }
		 path "+/data/+/db" { capabilities = ["update"] }`,
		`path "kv/data/app/db" { policy = "write" }
		 path "kv/data/deny/*" { policy = "deny" }
		 path "*" { capabilities = ["read"] }`,
		`path "/kv/data/app/db" { capabilities = ["read"] }`,
	} {
		client := connect(t, sb.VaultAddress(0), sb.VaultToken(t, policy))
		rules, err := vault.ParsePolicy(policy)
		if err != nil {
			t.Fatal(err)
		}
		may, err := client.Capabilities(t.Context(), paths...)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if got, want := vault.Deciding(rules, path).Allows("read"), slices.Contains(may[path], "read"); got != want {
				t.Errorf("read on %s: %v, and Vault says %v (%v), by\n%s", path, got, want, may[path], policy)
			}
		}
	}
}

func TestPolicies(t *testing.T) {
	sb := shared.Sandbox(t)
	names, err := connect(t, sb.VaultAddress(0), sb.RootToken).PolicyNames(t.Context())
	if err != nil || !slices.Contains(names, "root") || !slices.Contains(names, "default") {
		t.Errorf("%v, %v", names, err)
	}
	_, err = connect(t, sb.VaultAddress(0), sb.VaultToken(t, `path "x" { capabilities = ["read"] }`)).PolicyNames(t.Context())
	if kv.KindOf(err) != kv.Denied || !strings.Contains(err.Error(), "sys/policies/acl") {
		t.Errorf("without the right: %v", err)
	}
	if _, err := vault.ParsePolicy(`path "x" {`); err == nil || strings.Contains(err.Error(), "x") {
		t.Errorf("no HCL: %v", err)
	}
	rules, err := vault.ParsePolicy(`path "secret/data/{{identity.entity.name}}/*" { capabilities = ["read"] }`)
	if err != nil || len(rules) != 1 || !rules[0].Templated() || vault.Deciding(rules, "secret/data/x/y") != nil ||
		!rules[0].MayCover("secret/data/x/y", "read") || rules[0].MayCover("kv/data/x", "read") || rules[0].MayCover("secret/data/x/y", "update") {
		t.Errorf("templated: %+v, %v", rules, err)
	}
}
