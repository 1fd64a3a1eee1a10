package bootstrap

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// longestShare is more than the longest share of a Vault key, in bytes, and less than any
// OpenPGP message.
const longestShare = 100

// ReadShares reads shares from a file that init wrote, or from text with one a line.
// A document names its threshold and that many shares are enough; where it holds no
// unseal keys, its recovery keys are the shares (they are wanted by a seal migration).
func ReadShares(r io.Reader) ([]redact.Bytes, error) {
	raw, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("reading the shares: %w", err)
	}
	var shares []redact.Bytes
	var d keyDocument
	if json.Unmarshal(raw, &d) == nil {
		keys, threshold := d.KeysBase64, d.Threshold
		if len(keys) == 0 {
			keys, threshold = d.RecoveryBase64, d.RecoveryThreshold
		}
		for _, share := range keys[:min(max(threshold, 1), len(keys))] {
			shares = append(shares, redact.Bytes(share))
		}
	} else {
		for line := range bytes.Lines(raw) {
			if line = bytes.TrimSpace(line); len(line) > 0 {
				shares = append(shares, line)
			}
		}
	}
	if len(shares) == 0 {
		return nil, errors.New("no share in the file: write one a line, or give the file that init wrote")
	}
	for _, share := range shares {
		if encrypted(share) {
			return nil, errors.New("the shares in the file are encrypted (init --pgp-keys): each holder decrypts their own, and gives it with --key-file - or at the prompt")
		}
	}
	return shares, nil
}

// encrypted tells an OpenPGP message, armored or as base64, from a share.
func encrypted(share redact.Bytes) bool {
	text := share.Reveal()
	if bytes.HasPrefix(text, []byte("-----BEGIN PGP MESSAGE")) {
		return true
	}
	raw, err := base64.StdEncoding.DecodeString(string(text))
	return err == nil && len(raw) > longestShare && raw[0]&0x80 != 0
}
