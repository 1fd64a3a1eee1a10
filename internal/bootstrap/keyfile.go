package bootstrap

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// KeyFile is the file that keeps what init returned.
type KeyFile struct {
	file *os.File
	path string
	full bool
}

// reserved is how much of the disk a file takes before its content is known, in bytes for
// each share: more than the largest RSA-encrypted share in base64 and hexadecimal.
const reserved = 4096

// CreateKeyFile makes the file, mode 0600, with room for the shares, and puts it on disk
// before Vault is asked: what Vault says afterwards can be kept. It never overwrites.
func CreateKeyFile(path string, shares int) (*KeyFile, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s exists and is not overwritten; name another file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("creating the output file: %w", err)
	}
	k := &KeyFile{file: f, path: path}
	if err := k.reserve(shares); err != nil {
		k.Abandon()
		return nil, fmt.Errorf("putting %s on disk: %w", path, err)
	}
	return k, nil
}

// reserve fills the file with blanks: a full disk shows now, not with the keys in hand.
func (k *KeyFile) reserve(shares int) error {
	if _, err := k.file.Write(bytes.Repeat([]byte(" "), (shares+1)*reserved)); err != nil {
		return err
	}
	return k.sync()
}

func (k *KeyFile) sync() error {
	if err := k.file.Sync(); err != nil {
		return err
	}
	if runtime.GOOS == "windows" {
		return nil // a directory cannot be opened for that there
	}
	dir, err := os.Open(filepath.Dir(k.path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// keyDocument is the form of `vault operator init -format=json`.
type keyDocument struct {
	KeysBase64        []string `json:"unseal_keys_b64"`
	KeysHex           []string `json:"unseal_keys_hex"`
	Shares            int      `json:"unseal_shares"`
	Threshold         int      `json:"unseal_threshold"`
	RecoveryBase64    []string `json:"recovery_keys_b64"`
	RecoveryHex       []string `json:"recovery_keys_hex"`
	RecoveryShares    int      `json:"recovery_keys_shares"`
	RecoveryThreshold int      `json:"recovery_keys_threshold"`
	RootToken         string   `json:"root_token"`
}

func document(answer vault.InitAnswer, r vault.InitRequest) keyDocument {
	texts, hexes := []string{}, []string{} // never null
	for _, share := range answer.Shares {
		text := string(share.Reveal())
		texts = append(texts, text)
		if raw, err := base64.StdEncoding.DecodeString(text); err == nil {
			hexes = append(hexes, hex.EncodeToString(raw))
		}
	}
	d := keyDocument{KeysBase64: []string{}, KeysHex: []string{}, RecoveryBase64: []string{}, RecoveryHex: []string{}}
	d.RootToken = string(answer.RootToken.Reveal())
	if r.Recovery {
		d.RecoveryBase64, d.RecoveryHex, d.RecoveryShares, d.RecoveryThreshold = texts, hexes, r.Shares, r.Threshold
	} else {
		d.KeysBase64, d.KeysHex, d.Shares, d.Threshold = texts, hexes, r.Shares, r.Threshold
	}
	return d
}

// Write keeps the answer, in the form of `vault operator init -format=json`.
func (k *KeyFile) Write(answer vault.InitAnswer, r vault.InitRequest) error {
	raw, err := json.MarshalIndent(document(answer, r), "", "  ")
	if err != nil {
		return errors.New("encoding the keys")
	}
	raw = append(raw, '\n')
	k.full = true
	if _, err := k.file.WriteAt(raw, 0); err != nil {
		return fmt.Errorf("writing %s: %w", k.path, err)
	}
	if err := k.file.Truncate(int64(len(raw))); err != nil {
		return fmt.Errorf("writing %s: %w", k.path, err)
	}
	if err := k.sync(); err != nil {
		return fmt.Errorf("putting %s on disk: %w", k.path, err)
	}
	return k.file.Close()
}

// Abandon removes a file that holds nothing.
func (k *KeyFile) Abandon() {
	if !k.full {
		k.file.Close()
		os.Remove(k.path)
	}
}
