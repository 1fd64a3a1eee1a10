package main

import (
	"os"
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// runAsPlugin in the environment makes this test binary the plugin itself, so that tests
// start it as people do: with a terminal, signals and an exit code.
const runAsPlugin = "VAULTSECRET_TEST_RUNS_PLUGIN"

// Three servers over TLS with a private CA, to be wiped and set up anew by each case.
var shared = sandbox.Shared{Config: sandbox.Config{VaultNodes: 3, VaultTLS: true, Vault: sandbox.VaultUninitialized}}

func TestMain(m *testing.M) {
	if os.Getenv(runAsPlugin) != "" {
		os.Exit(run())
	}
	os.Exit(shared.Main(m))
}
