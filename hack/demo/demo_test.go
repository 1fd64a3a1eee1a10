// Package demo tests that `make demo` does what it says.
package demo

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// The walkthrough, step by step, with the manifests as people have them in Git. The
// script itself compares what is in the cluster with what is in Vault.
func TestWalkthrough(t *testing.T) {
	root := built(t)
	out, err := exec.CommandContext(t.Context(), filepath.Join(root, "hack", "demo", "demo.sh")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"6 of 6 parts passed",
		"VS402", "is sealed (0 of 3 shares given)", "fix: kubectl vaultsecret unseal",
		"synced in", "1 key changed (hmac-secret)",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the demo never says %q", want)
		}
	}
}

// built makes the programs that the scripts run, and returns the repository's root.
func built(t *testing.T) string {
	t.Helper()
	root, err := sandbox.Root()
	if err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "make", "build")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("make build: %v\n%s", err, out)
	}
	return root
}
