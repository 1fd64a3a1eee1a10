package gather_test

import (
	"strings"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
)

// vaultFaults are faults of the way to Vault, and of Vault itself.
func vaultFaults() []fault {
	return []fault{
		{name: "server misspelt", code: "VS401", says: []string{"no such host", "spec.provider.vault.server"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return strings.Replace(s.store(), s.VaultAddress(0), "http://vault.nowhere.invalid:8200", 1), mappingDoc
		}},
		{name: "nothing listens", code: "VS401", says: []string{"connection refused"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return strings.Replace(s.store(), s.VaultAddress(0), "http://127.0.0.1:1", 1), mappingDoc
		}},
		{name: "https where http is spoken", code: "VS403", says: []string{"does not speak TLS"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return strings.Replace(s.store(), "http://", "https://", 1), mappingDoc
		}},
		{name: "port hangs", code: "VS401", says: []string{"no answer in time"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			s.change = func(c *gather.Config) { c.Timeout = time.Second }
			return strings.Replace(s.store(), s.VaultAddress(0), "http://"+hanging(s.t), 1), mappingDoc
		}},
		{name: "TLS handshake hangs", code: "VS401", says: []string{"TLS handshake: no answer in time"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			s.change = func(c *gather.Config) { c.Timeout = time.Second }
			return strings.Replace(s.store(), s.VaultAddress(0), "https://"+hanging(s.t), 1), mappingDoc
		}},
		{name: "Service misspelt, from a laptop", code: "VS401", says: []string{"no such host", "vault/valt"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			s.change = tunnel
			return strings.Replace(s.store(), s.VaultAddress(0), "http://valt.vault.svc:8200", 1), mappingDoc
		}},
		{name: "certificate signed by itself", code: "VS403", says: []string{"unknown authority", "caBundle/caProvider"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			address, _ := tlsServer(s.t, s.VaultAddress(0), time.Now().Add(time.Hour))
			return strings.Replace(s.store(), s.VaultAddress(0), address, 1), mappingDoc
		}},
		{name: "certificate expired", code: "VS403", says: []string{"out of date"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			address, der := tlsServer(s.t, s.VaultAddress(0), time.Now().Add(-time.Hour))
			return withCA(s.t, strings.Replace(s.store(), s.VaultAddress(0), address, 1), der), mappingDoc
		}},
		{name: "certificate for another name", code: "VS403", says: []string{"vault.example.com"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			address, der := tlsServer(s.t, s.VaultAddress(0), time.Now().Add(time.Hour), "vault.example.com")
			return withCA(s.t, strings.Replace(s.store(), s.VaultAddress(0), address, 1), der), mappingDoc
		}},
		{name: "ConfigMap of the CA missing", code: "VS501", says: []string{"ConfigMap", "/vault-ca does not exist", "caProvider"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			address, _ := tlsServer(s.t, s.VaultAddress(0), time.Now().Add(time.Hour))
			doc := strings.Replace(s.store(), s.VaultAddress(0), address, 1)
			return strings.Replace(doc, "      version: v2", "      caProvider: {type: ConfigMap, name: vault-ca, key: ca.crt}\n      version: v2", 1), mappingDoc
		}},
		{name: "Vault never initialized", code: "VS404", says: []string{"was never initialized"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return strings.Replace(s.store(), s.VaultAddress(0), s.freshVault(), 1), mappingDoc
		}},
		{name: "Vault sealed", code: "VS402", says: []string{"sealed", "of 3 shares"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			s.seal()
			return s.store(), mappingDoc
		}},
		{name: "Vault sealed, through a port-forward", code: "VS402", says: []string{inCluster, "vault/vault-0 sealed 0/3"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			s.change = tunnel
			s.seal()
			return strings.Replace(s.store(), s.VaultAddress(0), inCluster, 1), mappingDoc
		}},
		{name: "standby without an active server", code: "VS402", says: []string{"a standby without an active server"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			return strings.Replace(s.store(), s.VaultAddress(0), s.leaderless(), 1), mappingDoc
		}},
		{name: "Vault stopped", code: "VS401", says: []string{"connection refused"}, do: func(s *stack) (string, string) {
			s.credential(s.token)
			s.stop()
			return s.store(), mappingDoc
		}},
	}
}
