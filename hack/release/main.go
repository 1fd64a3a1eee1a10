// Command release packs the plugin for every platform: archives with the licence
// inside, their checksums, and the manifest for krew.
//
// Rules: two runs from the same commit give the same bytes (no paths, no clock, no
// owner in an archive); a checksum in the manifest is always that of the file beside
// it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
)

const module = "vaultsecret.io/kubectl-vaultsecret"

// platform is an operating system and an architecture, in Go's names and krew's.
type platform struct{ OS, Arch string }

func (p platform) String() string { return p.OS + "/" + p.Arch }

// binary is the plugin's file name there.
func (p platform) binary() string {
	if p.OS == "windows" {
		return "kubectl-vaultsecret.exe"
	}
	return "kubectl-vaultsecret"
}

const allPlatforms = "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64"

func main() {
	versionFlag := flag.String("version", "", "version of the release, as git describe prints it")
	out := flag.String("out", "dist", "directory to write to")
	names := flag.String("platforms", allPlatforms, "platforms to pack, separated by commas")
	baseURL := flag.String("base-url", "https://vaultsecret.io/releases", "where the archives will be found, without version and file name")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, release{root: ".", out: *out, version: semantic(*versionFlag), baseURL: *baseURL, build: compile}, *names); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, r release, names string) error {
	var platforms []platform
	for name := range strings.SplitSeq(names, ",") {
		system, arch, ok := strings.Cut(name, "/")
		if !ok {
			return fmt.Errorf("platform %q: want os/arch", name)
		}
		platforms = append(platforms, platform{system, arch})
	}
	return r.make(ctx, platforms)
}

var semver = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)

// semantic makes what git describe prints a version that krew accepts: a bare commit
// becomes a pre-release of v0.0.0. The g keeps a commit of digits alone from being a
// number with a leading zero.
func semantic(described string) string {
	if semver.MatchString(described) {
		return described
	}
	if described == "" {
		described = "unknown"
	}
	return "v0.0.0-g" + described
}

// compile builds the plugin for one platform into path.
func compile(ctx context.Context, root string, p platform, version, path string) error {
	fmt.Fprintf(os.Stderr, "building %s\n", p)
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= -X "+module+"/internal/version.Version="+version,
		"-o", path, "./cmd/kubectl-vaultsecret")
	c.Dir = root
	c.Env = append(os.Environ(), "GOOS="+p.OS, "GOARCH="+p.Arch, "CGO_ENABLED=0")
	c.Stdout, c.Stderr = os.Stderr, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("building for %s: %w", p, err)
	}
	return nil
}

// release is one run.
type release struct {
	root, out, version, baseURL string
	build                       func(ctx context.Context, root string, p platform, version, path string) error
}

// make packs every platform, then writes what names their checksums.
func (r release) make(ctx context.Context, platforms []platform) error {
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "vaultsecret-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	licence, err := os.ReadFile(filepath.Join(r.root, "LICENSE"))
	if err != nil {
		return fmt.Errorf("reading the licence: %w", err)
	}
	var packed []archive
	for _, p := range platforms {
		path := filepath.Join(work, p.OS+"-"+p.Arch)
		if err := r.build(ctx, r.root, p, r.version, path); err != nil {
			return err
		}
		program, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		a, err := pack(r.out, p, []member{{p.binary(), 0o755, program}, {"LICENSE", 0o644, licence}})
		if err != nil {
			return fmt.Errorf("packing for %s: %w", p, err)
		}
		packed = append(packed, a)
	}
	return errors.Join(r.checksums(packed), r.manifest(packed))
}
