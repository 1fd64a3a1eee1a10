package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// A real krew installs the archive offline into an empty root, and the real kubectl
// finds the plugin there.
func TestKrewInstallsTheSnapshot(t *testing.T) {
	root, err := sandbox.Root()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(root)
	binaries, err := sandbox.Build(t.Context(), root, os.Stderr, "krew", "kubectl")
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	platform := runtime.GOOS + "/" + runtime.GOARCH
	r := release{version: "v9.8.7", out: out, url: "https://releases.invalid", platforms: []string{platform}}
	if err := r.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(out, "kubectl-vaultsecret_"+runtime.GOOS+"_"+runtime.GOARCH+".tar.gz")
	if members := output(t, nil, "tar", "-tzf", archive); !strings.Contains(members, "LICENSE") {
		t.Errorf("the archive holds %q, want the licence inside", members)
	}
	krewRoot := t.TempDir()
	env := []string{"KREW_ROOT=" + krewRoot, "HTTPS_PROXY=http://127.0.0.1:1", "PATH=" + filepath.Join(krewRoot, "bin") + ":" + os.Getenv("PATH")}
	// krew's receipt of itself and an index are not needed for an explicit manifest.
	output(t, env, binaries["krew"], "install", "--manifest="+filepath.Join(out, "vaultsecret.yaml"), "--archive="+archive)
	got := output(t, env, binaries["kubectl"], "vaultsecret", "version", "--client")
	if !strings.Contains(got, "v9.8.7") {
		t.Errorf("kubectl vaultsecret version --client printed %q, want v9.8.7", got)
	}
}

func output(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), env...)
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, text)
	}
	return string(text)
}
