package vault_test

import (
	"os"
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

var shared sandbox.Shared

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

var noRetries = 0

// connect returns a client of an address under a token.
func connect(t *testing.T, address, token string) *vault.Client {
	t.Helper()
	client, err := vault.New(vault.Config{Address: address, MaxRetries: &noRetries})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client.WithToken(redact.Bytes(token))
}
