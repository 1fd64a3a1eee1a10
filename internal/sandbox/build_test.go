package sandbox

import (
	"os"
	"path/filepath"
	"testing"
)

// script writes an executable shell script and returns its path.
func script(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFoundProgramMustBeNewEnough(t *testing.T) {
	kubectl := part{name: "kubectl", oldest: "1.33", version: []string{"version", "--client"}}
	for output, want := range map[string]bool{
		"Client Version: v1.32.4-dispatcher\nKustomize Version: v5.5.0": false,
		"Client Version: v1.33.0": true,
		"Client Version: v1.40.2": true,
		"Client Version: v2.0.0":  true,
		"Client Version: v0.99.1": false,
		"no version":              false,
	} {
		path := script(t, t.TempDir(), "kubectl", `[ "$*" = "version --client" ] && echo '`+output+`'`)
		if got := kubectl.fits(t.Context(), path); got != want {
			t.Errorf("%q fits: %t, want %t", output, got, want)
		}
	}
	if kubectl.fits(t.Context(), filepath.Join(t.TempDir(), "kubectl")) {
		t.Error("a program that is not there fits")
	}
	if kubectl.fits(t.Context(), script(t, t.TempDir(), "kubectl", "echo v1.40.0; exit 1")) {
		t.Error("a program that fails fits")
	}
}

// tree is a repository root whose bin/ holds a kwok built from hack/kwok as it is.
func tree(t *testing.T) (root string, kwok part) {
	t.Helper()
	root = t.TempDir()
	for _, dir := range []string{"bin", "hack/kwok"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	kwok = part{name: "kwok", module: "kwok", oldest: "0.7", version: []string{"--version"}}
	script(t, filepath.Join(root, "bin"), "kwok", "echo kwok version v0.8.0")
	for _, path := range []string{kwok.gomod(root), kwok.stamp(root)} {
		if err := os.WriteFile(path, []byte("module kwok\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root, kwok
}

func TestFindTakesAssetsThenBuiltThenPath(t *testing.T) {
	root, kwok := tree(t)
	assets, onPath := t.TempDir(), t.TempDir()
	script(t, onPath, "kwok", "echo kwok version v0.9.0")
	t.Setenv("PATH", onPath+":"+os.Getenv("PATH"))
	t.Setenv("KUBEBUILDER_ASSETS", assets)

	want := func(when, path string) {
		t.Helper()
		got, err := kwok.find(t.Context(), root)
		if err != nil || got != path {
			t.Errorf("%s: %q, %v; want %q", when, got, err, path)
		}
	}
	want("without assets", kwok.built(root))
	script(t, assets, "kwok", "echo kwok version v0.6.0")
	want("with old assets", kwok.built(root))
	script(t, assets, "kwok", "echo kwok version v0.7.0")
	want("with assets", filepath.Join(assets, "kwok"))
	t.Setenv("KUBEBUILDER_ASSETS", "")
	if err := os.WriteFile(kwok.gomod(root), []byte("module kwok // newer\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	want("when the module has changed", filepath.Join(onPath, "kwok"))
	script(t, onPath, "kwok", "echo kwok version v0.1.0")
	want("when nothing fits", "")
}

func TestVaultBinMustFit(t *testing.T) {
	vault := part{name: "vault", oldest: "1.21", version: []string{"--version"}}
	path := script(t, t.TempDir(), "vault", "echo Vault v1.13.2")
	t.Setenv("VAULT_BIN", path)
	if got, err := vault.find(t.Context(), t.TempDir()); err == nil {
		t.Errorf("an old VAULT_BIN is taken: %q", got)
	}
	script(t, filepath.Dir(path), "vault", "echo Vault v1.21.4")
	if got, err := vault.find(t.Context(), t.TempDir()); err != nil || got != path {
		t.Errorf("VAULT_BIN: %q, %v; want %q", got, err, path)
	}
}

func TestKubernetesIsToldItsVersion(t *testing.T) {
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts() {
		pin, err := os.ReadFile(p.gomod(root))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.linkerFlags(string(pin)); err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
	}
	if _, err := (part{module: "kubernetes"}).linkerFlags("module x\n"); err == nil {
		t.Error("a module that does not require k8s.io/kubernetes has a version")
	}
}

func TestBuildRefusesUnknownNames(t *testing.T) {
	if _, err := Build(t.Context(), t.TempDir(), os.Stderr, "etdc"); err == nil {
		t.Error("etdc is built")
	}
}
