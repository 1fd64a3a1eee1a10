package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"
)

// epoch is the time of every file in an archive: the oldest that zip can tell.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// member is a file of an archive.
type member struct {
	name string
	mode int64
	data []byte
}

// archive is what was packed for one platform; Sum is its sha256 in hexadecimal.
type archive struct{ OS, Arch, Name, Binary, Sum string }

// pack writes one archive: zip for Windows, tar.gz elsewhere.
func pack(dir string, p platform, members []member) (archive, error) {
	form, extension := tarball, ".tar.gz"
	if p.OS == "windows" {
		form, extension = zipped, ".zip"
	}
	raw, err := form(members)
	if err != nil {
		return archive{}, err
	}
	name := "kubectl-vaultsecret_" + p.OS + "_" + p.Arch + extension
	sum := sha256.Sum256(raw)
	return archive{p.OS, p.Arch, name, p.binary(), hex.EncodeToString(sum[:])}, os.WriteFile(filepath.Join(dir, name), raw, 0o644)
}

func tarball(members []member) ([]byte, error) {
	var b bytes.Buffer
	compressed := gzip.NewWriter(&b)
	t := tar.NewWriter(compressed)
	for _, m := range members {
		header := &tar.Header{Name: m.name, Mode: m.mode, Size: int64(len(m.data)), ModTime: epoch, Format: tar.FormatUSTAR}
		if err := t.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := t.Write(m.data); err != nil {
			return nil, err
		}
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	if err := compressed.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func zipped(members []member) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, m := range members {
		header := &zip.FileHeader{Name: m.name, Method: zip.Deflate, Modified: epoch}
		header.SetMode(os.FileMode(m.mode))
		w, err := z.CreateHeader(header)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(m.data); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// checksums writes the file that `sha256sum -c` reads.
func (r release) checksums(packed []archive) error {
	var text strings.Builder
	for _, a := range packed {
		fmt.Fprintf(&text, "%s  %s\n", a.Sum, a.Name)
	}
	return os.WriteFile(filepath.Join(r.out, "checksums.txt"), []byte(text.String()), 0o644)
}

// manifest fills krew's manifest in.
func (r release) manifest(packed []archive) error {
	source, err := template.ParseFiles(filepath.Join(r.root, "krew", "vaultsecret.yaml"))
	if err != nil {
		return fmt.Errorf("reading krew's manifest: %w", err)
	}
	var text bytes.Buffer
	err = source.Option("missingkey=error").Execute(&text, struct {
		Version, BaseURL string
		Archives         []archive
	}{r.version, r.baseURL, packed})
	if err != nil {
		return fmt.Errorf("filling krew's manifest in: %w", err)
	}
	return os.WriteFile(filepath.Join(r.out, "vaultsecret.yaml"), text.Bytes(), 0o644)
}
