package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const kubernetesVersion = "v1.37.2"

// part is a binary of the sandbox and the module under hack/ that pins it.
type part struct {
	name, module, pkg string
	args              []string
	minutes           float64 // CPU-minutes of a cold build, for the progress line
}

func parts() []part {
	const version = "k8s.io/component-base/version"
	k8s := []string{"-ldflags", "-s -w -X " + version + ".gitVersion=" + kubernetesVersion +
		" -X " + version + ".gitMajor=1 -X " + version + ".gitMinor=37 -X " + version + ".gitTreeState=clean" +
		" -X " + version + ".gitCommit=unknown -X " + version + ".buildDate=1970-01-01T00:00:00Z"}
	plain := []string{"-ldflags", "-s -w"}
	return []part{
		{"etcd", "etcd", "go.etcd.io/etcd/server/v3", plain, 0.5},
		{"kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", k8s, 15},
		{"kube-controller-manager", "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager", k8s, 5},
		{"kubectl", "kubernetes", "k8s.io/kubernetes/cmd/kubectl", k8s, 1},
		{"vault", "vault", "github.com/hashicorp/vault", append([]string{"-tags", "minimal"}, plain...), 8},
		{"kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok", plain, 1},
		{"krew", "krew", "sigs.k8s.io/krew/cmd/krew", plain, 0.5},
	}
}

// Names lists the binaries that Build knows.
func Names() []string {
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return names
}

// Build makes sure that the named binaries exist and returns their paths. Found
// ones are used: VAULT_BIN, then the directory KUBEBUILDER_ASSETS, then PATH (a
// kubectl older than 1.33 is passed over); the rest is built once into root/bin,
// where a change of the module that pins it makes it be built again. Progress goes
// to out. Parallel calls wait for each other.
func Build(ctx context.Context, root string, out io.Writer, names ...string) (map[string]string, error) {
	paths := map[string]string{}
	var missing []part
	for _, p := range parts() {
		if !contains(names, p.name) {
			continue
		}
		if path := find(root, p); path != "" {
			paths[p.name] = path
		} else {
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		return paths, nil
	}
	if err := os.MkdirAll(filepath.Join(root, "bin"), 0o755); err != nil {
		return nil, err
	}
	unlock, err := lock(filepath.Join(root, "bin", ".build.lock"))
	if err != nil {
		return nil, fmt.Errorf("locking the build: %w", err)
	}
	defer unlock()
	for i, p := range missing {
		if path := find(root, p); path != "" { // built while we waited
			paths[p.name] = path
			continue
		}
		fmt.Fprintf(out, "building %s (%d of %d, about %.1f min of one core when cold) … ", p.name, i+1, len(missing), p.minutes)
		start := time.Now()
		if err := compile(ctx, root, p); err != nil {
			fmt.Fprintln(out, "failed")
			return nil, fmt.Errorf("building %s: %w", p.name, err)
		}
		fmt.Fprintf(out, "done in %s\n", time.Since(start).Round(time.Second))
		paths[p.name] = filepath.Join(root, "bin", p.name)
	}
	return paths, nil
}

func compile(ctx context.Context, root string, p part) error {
	module := filepath.Join(root, "hack", p.module)
	binary := filepath.Join(root, "bin", p.name)
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-o", binary + ".new"}, p.args...)
	cmd := exec.CommandContext(ctx, "go", append(args, p.pkg)...)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build in %s: %w\n%s", module, err, text)
	}
	if err := os.Rename(binary+".new", binary); err != nil {
		return err
	}
	pin, err := os.ReadFile(filepath.Join(module, "go.mod"))
	if err != nil {
		return err
	}
	return os.WriteFile(stamp(root, p), pin, 0o644)
}

func stamp(root string, p part) string { return filepath.Join(root, "bin", "."+p.name+".mod") }

func find(root string, p part) string {
	if p.name == "vault" && os.Getenv("VAULT_BIN") != "" {
		return os.Getenv("VAULT_BIN")
	}
	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" && executable(filepath.Join(assets, p.name)) {
		return filepath.Join(assets, p.name)
	}
	built := filepath.Join(root, "bin", p.name)
	if path, err := exec.LookPath(p.name); err == nil && path != built && fits(p, path) {
		return path
	}
	pin, err := os.ReadFile(filepath.Join(root, "hack", p.module, "go.mod"))
	was, stampErr := os.ReadFile(stamp(root, p))
	if err == nil && stampErr == nil && string(pin) == string(was) && executable(built) {
		return built
	}
	return ""
}

// fits refuses a kubectl that is too old for the sandbox's API server.
func fits(p part, path string) bool {
	if p.name != "kubectl" {
		return true
	}
	text, err := exec.Command(path, "version", "--client", "-o", "json").Output()
	var version struct {
		ClientVersion struct{ Minor string }
	}
	if err != nil || json.Unmarshal(text, &version) != nil {
		return false
	}
	minor, err := strconv.Atoi(strings.TrimRight(version.ClientVersion.Minor, "+"))
	return err == nil && minor >= 33
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// Root is the directory of this repository, found from this source file or from
// the working directory.
func Root() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		start = filepath.Dir(file)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "hack", "kubernetes", "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("not inside the repository: no hack/kubernetes/go.mod above " + start)
		}
	}
}
