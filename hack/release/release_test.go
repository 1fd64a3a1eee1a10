package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// root is the repository.
func root(t *testing.T) string {
	t.Helper()
	dir, err := sandbox.Root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// fixed stands in for the compiler.
func fixed(_ context.Context, _ string, p platform, version, path string) error {
	return os.WriteFile(path, []byte(p.String()+" "+version), 0o755)
}

func TestEveryPlatformTwiceTheSame(t *testing.T) {
	var first map[string]string
	for range 2 {
		out := t.TempDir()
		r := release{root: root(t), out: out, version: "v1.2.3", baseURL: "https://example.org", build: fixed}
		if err := run(t.Context(), r, allPlatforms); err != nil {
			t.Fatal(err)
		}
		files := map[string]string{}
		entries, err := os.ReadDir(out)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			raw, err := os.ReadFile(filepath.Join(out, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			files[e.Name()] = string(raw)
		}
		if len(files) != 7 {
			t.Fatalf("%d files, want 5 archives, checksums and manifest", len(files))
		}
		for line := range strings.Lines(files["checksums.txt"]) {
			sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
			if !strings.Contains(files["vaultsecret.yaml"], "sha256: "+sum) || files[name] == "" {
				t.Errorf("%s: the manifest has another checksum, or the file is missing", name)
			}
		}
		check := exec.Command("sha256sum", "-c", "checksums.txt")
		check.Dir = out
		if said, err := check.CombinedOutput(); err != nil {
			t.Errorf("sha256sum: %v\n%s", err, said)
		}
		if first == nil {
			first = files
		}
		for name, text := range files {
			if first[name] != text {
				t.Errorf("%s differs from run to run", name)
			}
		}
	}
}

func TestSemantic(t *testing.T) {
	for described, want := range map[string]string{
		"v1.2.3": "v1.2.3", "v1.2.3-4-gabc-dirty": "v1.2.3-4-gabc-dirty",
		"0123456": "v0.0.0-g0123456", "": "v0.0.0-gunknown",
	} {
		if got := semantic(described); got != want {
			t.Errorf("semantic(%q) = %s, want %s", described, got, want)
		}
	}
}

// A real krew installs the archive offline, and the real kubectl finds the plugin.
func TestKrewInstallsThePlugin(t *testing.T) {
	programs, err := sandbox.Build(t.Context(), root(t), os.Stderr, "krew", "kubectl")
	if err != nil {
		t.Fatal(err)
	}
	out, store := t.TempDir(), t.TempDir()
	host := platform{runtime.GOOS, runtime.GOARCH}
	// Without -trimpath the host's build cache serves; the bytes are not the point here.
	build := func(ctx context.Context, root string, _ platform, version, path string) error {
		c := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-ldflags", "-s -w -X "+module+"/internal/version.Version="+version, "-o", path, "./cmd/kubectl-vaultsecret")
		c.Dir, c.Stderr = root, os.Stderr
		return c.Run()
	}
	r := release{root: root(t), out: out, version: "v1.2.3", baseURL: "https://offline.invalid", build: build}
	if err := r.make(t.Context(), []platform{host}); err != nil {
		t.Fatal(err)
	}
	archives, err := filepath.Glob(filepath.Join(out, "*.tar.gz"))
	if err != nil || len(archives) != 1 {
		t.Fatalf("archives: %v, %v", archives, err)
	}
	environment := []string{
		"KREW_ROOT=" + store, "HOME=" + t.TempDir(), "KUBECONFIG=/nonexistent", "KREW_NO_UPGRADE_CHECK=1",
		"PATH=" + filepath.Join(store, "bin") + string(os.PathListSeparator) + os.Getenv("PATH"),
	}
	command := func(program string, args ...string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), program, args...)
		c.Env = environment
		said, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, said)
		}
		return string(said)
	}
	command(programs["krew"], "install", "--manifest="+filepath.Join(out, "vaultsecret.yaml"), "--archive="+archives[0])
	if got := command(programs["kubectl"], "vaultsecret", "version", "--client"); !strings.Contains(got, "v1.2.3") {
		t.Errorf("version --client said %q", got)
	}
	if _, err := os.Stat(filepath.Join(store, "store", "vaultsecret", "v1.2.3", "LICENSE")); err != nil {
		t.Errorf("the licence is not installed: %v", err)
	}
}
