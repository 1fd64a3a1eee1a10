package vault_test

import (
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// A token that may go to one server must not go to another that looks like it.
func TestSameServer(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"https://vault.example:8200", "https://vault.example:8200", true},
		{"https://vault.example:8200", "https://Vault.Example:8200/", true},
		{"https://vault.example", "https://vault.example:443", true},
		{"http://vault.example", "http://vault.example:80", true},
		{"https://[::1]:8200", "https://[::1]:8200", true},
		{"https://gateway.example/vault", "https://gateway.example/vault/", true},
		{"https://vault.example:8200", "http://vault.example:8200", false},
		{"https://vault.example:8200", "https://vault.example:8201", false},
		{"https://vault.example", "https://vault.example:8200", false},
		{"https://vault.example:8200", "https://vault.example.evil:8200", false},
		{"https://vault.example:8200", "https://vault.example:8200@evil:8200", false},
		{"https://vault.vault.svc:8200", "https://vault.vault.svc.cluster.local:8200", false},
		{"https://gateway.example/vault", "https://gateway.example/theirs", false},
		{"https://gateway.example/vault", "https://gateway.example", false},
		{"https://vault.example:8200", "https://vault.example:8200?x=y", false},
		{"", "", false},
		{"vault.example:8200", "vault.example:8200", false},
		{"unix:///run/vault", "unix:///run/vault", false},
	} {
		if got := vault.SameServer(c.a, c.b); got != c.same {
			t.Errorf("SameServer(%q, %q) is %t", c.a, c.b, got)
		}
		if got := vault.SameServer(c.b, c.a); got != c.same {
			t.Errorf("SameServer(%q, %q) is %t", c.b, c.a, got)
		}
	}
}
