package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const plugin = "kubectl-vaultsecret"

// release is one set of archives.
type release struct {
	version, out, url string
	platforms         []string
}

func allPlatforms() []string {
	return []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64"}
}

func (r release) run(ctx context.Context) error {
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	manifest, err := os.ReadFile("krew/vaultsecret.yaml")
	if err != nil {
		return fmt.Errorf("run it from the root of the repository: %w", err)
	}
	text := strings.NewReplacer("{{VERSION}}", r.version, "{{URL}}", r.url).Replace(string(manifest))
	var sums strings.Builder
	for _, platform := range r.platforms {
		goos, arch, ok := strings.Cut(platform, "/")
		if !ok {
			return fmt.Errorf("platform %q: want os/arch", platform)
		}
		fmt.Fprintf(os.Stderr, "building for %s … ", platform)
		start := time.Now()
		archive, sum, err := r.archive(ctx, goos, arch)
		if err != nil {
			fmt.Fprintln(os.Stderr, "failed")
			return fmt.Errorf("building for %s: %w", platform, err)
		}
		fmt.Fprintf(os.Stderr, "%s in %s\n", archive, time.Since(start).Round(time.Second))
		text = strings.ReplaceAll(text, "{{SHA256_"+goos+"_"+arch+"}}", sum)
		fmt.Fprintf(&sums, "%s  %s\n", sum, archive)
	}
	text = dropUnbuilt(text)
	if err := os.WriteFile(filepath.Join(r.out, "checksums.txt"), []byte(sums.String()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, "vaultsecret.yaml"), []byte(text), 0o644)
}

// dropUnbuilt removes the platforms that have no archive, so that the manifest names
// no sum that does not exist.
func dropUnbuilt(manifest string) string {
	head, platforms, _ := strings.Cut(manifest, "  platforms:\n")
	var kept strings.Builder
	for _, entry := range strings.SplitAfter(platforms, "\n    - selector:") {
		block := strings.TrimSuffix(entry, "\n    - selector:")
		if strings.Contains(block, "{{SHA256_") || strings.TrimSpace(block) == "" {
			continue
		}
		block = strings.TrimPrefix(block, "    - selector:")
		kept.WriteString("    - selector:" + strings.TrimSuffix(block, "\n") + "\n")
	}
	_, body, _ := strings.Cut(head, "apiVersion:")
	return "apiVersion:" + body + "  platforms:\n" + kept.String()
}

// archive builds one binary and packs it with the licence.
func (r release) archive(ctx context.Context, goos, arch string) (name, sum string, err error) {
	dir, err := os.MkdirTemp("", "release-")
	if err != nil {
		return "", "", err
	}
	defer os.RemoveAll(dir)
	binary := plugin
	if goos == "windows" {
		binary += ".exe"
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -X vaultsecret.io/kubectl-vaultsecret/internal/version.Version="+r.version,
		"-o", filepath.Join(dir, binary), "./cmd/"+plugin)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+arch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("%w\n%s", err, out)
	}
	files := []file{{binary, filepath.Join(dir, binary), 0o755}, {"LICENSE", "LICENSE", 0o644}}
	name = fmt.Sprintf("%s_%s_%s.tar.gz", plugin, goos, arch)
	pack := tarball
	if goos == "windows" {
		name = strings.TrimSuffix(name, ".tar.gz") + ".zip"
		pack = zipped
	}
	out, err := os.Create(filepath.Join(r.out, name))
	if err != nil {
		return "", "", err
	}
	defer out.Close()
	h := sha256.New()
	if err := pack(io.MultiWriter(out, h), files); err != nil {
		return "", "", err
	}
	return name, hex.EncodeToString(h.Sum(nil)), out.Close()
}

// file is one member of an archive. Its time is fixed, so that archives repeat.
type file struct {
	name, path string
	mode       int64
}

func epoch() time.Time { return time.Unix(315532800, 0).UTC() } // 1980, the first that zip knows

func tarball(out io.Writer, files []file) error {
	zipper := gzip.NewWriter(out)
	archive := tar.NewWriter(zipper)
	for _, f := range files {
		raw, err := os.ReadFile(f.path)
		if err != nil {
			return err
		}
		if err := archive.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(raw)), ModTime: epoch(), Format: tar.FormatPAX}); err != nil {
			return err
		}
		if _, err := archive.Write(raw); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return zipper.Close()
}

func zipped(out io.Writer, files []file) error {
	archive := zip.NewWriter(out)
	for _, f := range files {
		raw, err := os.ReadFile(f.path)
		if err != nil {
			return err
		}
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: epoch()}
		header.SetMode(os.FileMode(f.mode))
		w, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := w.Write(raw); err != nil {
			return err
		}
	}
	return archive.Close()
}
