package bootstrap

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
)

// ReadPGPKeys reads public keys for Vault's init, which wants each as base64 of its
// binary form. Armored keys are taken out of their armor.
func ReadPGPKeys(paths []string) ([]string, error) {
	var keys []string
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading a PGP key: %w", err)
		}
		if bytes.Contains(raw, []byte("PRIVATE KEY")) {
			return nil, fmt.Errorf("%s holds a private key; give the public one", path)
		}
		key := base64.StdEncoding.EncodeToString(raw)
		if bytes.Contains(raw, []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----")) {
			if key, err = armored(string(raw)); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// armored takes the base64 body of an ASCII armor (RFC 9580, section 6): the lines
// between the blank line after the headers and the checksum or the end.
func armored(text string) (string, error) {
	_, text, _ = strings.Cut(text, "-----BEGIN PGP PUBLIC KEY BLOCK-----")
	text, _, closed := strings.Cut(text, "-----END PGP PUBLIC KEY BLOCK-----")
	if !closed {
		return "", fmt.Errorf("the armor has no end")
	}
	_, body, found := strings.Cut(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n")
	if !found {
		return "", fmt.Errorf("the armor has no blank line after its headers")
	}
	var key strings.Builder
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "=") {
			break
		}
		key.WriteString(line)
	}
	raw, err := base64.StdEncoding.DecodeString(key.String())
	if err != nil || len(raw) == 0 {
		return "", fmt.Errorf("the armor holds no key")
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}
