package sandbox

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// part is a program of the sandbox and the module under hack/ that pins it.
type part struct {
	name, module, pkg string
	tags              string
	oldest            string   // the oldest version that is taken when found, as major.minor; "" is none at all
	version           []string // the arguments that make it print its version
	minutes           float64  // CPU-minutes of a cold build, for the progress line
}

func parts() []part {
	const k8s = "k8s.io/kubernetes/cmd/"
	flag := []string{"--version"}
	return []part{
		{"etcd", "etcd", "go.etcd.io/etcd/server/v3", "", "3.5", flag, 0.5},
		{"kube-apiserver", "kubernetes", k8s + "kube-apiserver", "", "1.33", flag, 14},
		{"vault", "vault", "github.com/hashicorp/vault", "minimal", "1.21", flag, 7},
		{authPlugin("kubernetes"), "vault", "github.com/hashicorp/vault-plugin-auth-kubernetes/cmd/vault-plugin-auth-kubernetes", "minimal", "", nil, 0.5},
		{authPlugin("ldap"), "vault", "github.com/hashicorp/vault/builtin/credential/ldap/cmd/ldap", "minimal", "", nil, 0.5},
		{"kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok", "", "0.7", flag, 1},
		{"kube-controller-manager", "kubernetes", k8s + "kube-controller-manager", "", "1.33", flag, 5},
		{"kubectl", "kubernetes", k8s + "kubectl", "", "1.33", []string{"version", "--client"}, 1},
		{"ldapd", "ldap", "vaultsecret.io/kubectl-vaultsecret/hack/ldap", "", "", nil, 0.3},
		{"krew", "krew", "sigs.k8s.io/krew/cmd/krew", "", "0.4", []string{"version"}, 0.5},
	}
}

// Programs lists what Build knows, in the order in which it builds.
func Programs() []string {
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return names
}

// Build makes sure that the named programs exist and returns the path of each. The
// first of these is taken:
//
//  1. for vault, what VAULT_BIN names; else what the directory KUBEBUILDER_ASSETS
//     holds, if it is not too old;
//  2. what was built into root/bin from the module that pins it as it is now;
//  3. what is on PATH, if it is not too old;
//  4. what is then built, once, into root/bin.
//
// A line for each build goes to progress. Calls of several processes wait for each
// other.
func Build(ctx context.Context, root string, progress io.Writer, names ...string) (map[string]string, error) {
	for _, name := range names {
		if !slices.Contains(Programs(), name) {
			return nil, fmt.Errorf("no program %q: there are %s", name, strings.Join(Programs(), ", "))
		}
	}
	paths := map[string]string{}
	var missing []part
	for _, p := range parts() {
		if !slices.Contains(names, p.name) {
			continue
		}
		path, err := p.find(ctx, root)
		if err != nil {
			return nil, err
		}
		if paths[p.name] = path; path == "" {
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
		if !p.current(root) { // else it was built while we waited
			fmt.Fprintf(progress, "building %s (%d of %d; about %g min of one core when nothing is cached)\n", p.name, i+1, len(missing), p.minutes)
			start := time.Now()
			if err := p.build(ctx, root); err != nil {
				return nil, fmt.Errorf("building %s: %w", p.name, err)
			}
			fmt.Fprintf(progress, "built %s in %s\n", p.name, time.Since(start).Round(time.Second))
		}
		paths[p.name] = p.built(root)
	}
	return paths, nil
}

// find returns the program's path, "" when it has to be built.
func (p part) find(ctx context.Context, root string) (string, error) {
	if path := os.Getenv("VAULT_BIN"); path != "" && p.name == "vault" {
		if !p.fits(ctx, path) {
			return "", fmt.Errorf("VAULT_BIN=%s is not a vault of version %s or newer", path, p.oldest)
		}
		return path, nil
	}
	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" {
		if path := filepath.Join(assets, p.name); p.fits(ctx, path) {
			return path, nil
		}
	}
	if p.current(root) {
		return p.built(root), nil
	}
	if path, err := exec.LookPath(p.name); err == nil && path != p.built(root) && p.fits(ctx, path) {
		return filepath.Abs(path)
	}
	return "", nil
}

// fits runs a program to learn whether it is new enough. The first number with two
// dots in what it prints is taken for its version.
func (p part) fits(ctx context.Context, path string) bool {
	if info, err := os.Stat(path); err != nil || info.IsDir() || p.oldest == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	text, err := exec.CommandContext(ctx, path, p.version...).CombinedOutput()
	found := regexp.MustCompile(`(\d+)\.(\d+)\.\d+`).FindSubmatch(text)
	if err != nil || found == nil {
		return false
	}
	var major, minor, oldMajor, oldMinor int
	_, err = fmt.Sscanf(string(found[0]), "%d.%d", &major, &minor)
	_, oldErr := fmt.Sscanf(p.oldest, "%d.%d", &oldMajor, &oldMinor)
	return err == nil && oldErr == nil && (major > oldMajor || major == oldMajor && minor >= oldMinor)
}

func (p part) built(root string) string { return filepath.Join(root, "bin", p.name) }
func (p part) stamp(root string) string { return filepath.Join(root, "bin", "."+p.name+".mod") }
func (p part) gomod(root string) string { return filepath.Join(root, "hack", p.module, "go.mod") }

// current tells whether bin/ holds the program as its module pins it now.
func (p part) current(root string) bool {
	if _, err := os.Stat(p.built(root)); err != nil {
		return false
	}
	want, err := os.ReadFile(p.gomod(root))
	have, haveErr := os.ReadFile(p.stamp(root))
	return err == nil && haveErr == nil && string(want) == string(have)
}

func (p part) build(ctx context.Context, root string) error {
	pin, err := os.ReadFile(p.gomod(root))
	if err != nil {
		return err
	}
	flags, err := p.linkerFlags(string(pin))
	if err != nil {
		return err
	}
	binary := p.built(root)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly",
		"-tags", p.tags, "-ldflags", flags, "-o", binary+".new", p.pkg)
	cmd.Dir = filepath.Dir(p.gomod(root))
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s in %s: %w\n%s", p.pkg, cmd.Dir, err, text)
	}
	if err := os.Rename(binary+".new", binary); err != nil {
		return err
	}
	return os.WriteFile(p.stamp(root), pin, 0o644)
}

// linkerFlags strip the program and tell Kubernetes which version it is; without
// that its parts refuse each other.
func (p part) linkerFlags(pin string) (string, error) {
	flags := "-s -w"
	if p.module != "kubernetes" {
		return flags, nil
	}
	version := regexp.MustCompile(`k8s\.io/kubernetes (v(\d+)\.(\d+)\.\d+)`).FindStringSubmatch(pin)
	if version == nil {
		return "", fmt.Errorf("hack/%s/go.mod does not require k8s.io/kubernetes", p.module)
	}
	for _, pair := range [][2]string{
		{"gitVersion", version[1]},
		{"gitMajor", version[2]},
		{"gitMinor", version[3]},
		{"gitCommit", "unknown"},
		{"gitTreeState", "clean"},
		{"buildDate", "1970-01-01T00:00:00Z"},
	} {
		flags += " -X k8s.io/component-base/version." + pair[0] + "=" + pair[1]
	}
	return flags, nil
}
