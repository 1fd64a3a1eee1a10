package bootstrap

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// ErrInitialized: a server of Vault is initialized already.
var ErrInitialized = errors.New("this Vault is already initialized")

// CheckInit looks at a request before anything is made or sent.
func CheckInit(r vault.InitRequest) error {
	switch {
	case r.Shares < 1 || r.Shares > 255:
		return fmt.Errorf("%d key shares: want 1 to 255", r.Shares)
	case r.Threshold < 1 || r.Threshold > r.Shares:
		return fmt.Errorf("a threshold of %d: want 1 to the number of shares, %d", r.Threshold, r.Shares)
	case r.Threshold == 1 && r.Shares > 1:
		return errors.New("a threshold of 1 needs exactly one share")
	case len(r.PGPKeys) > 0 && len(r.PGPKeys) != r.Shares:
		return fmt.Errorf("%d PGP keys for %d shares: give one for each", len(r.PGPKeys), r.Shares)
	}
	return nil
}

// Init initializes the first server. It refuses when any server is initialized, and
// when one cannot be asked: that one may be.
func Init(ctx context.Context, servers []Server, r vault.InitRequest) (vault.InitAnswer, error) {
	if err := CheckInit(r); err != nil {
		return vault.InitAnswer{}, err
	}
	for _, s := range States(ctx, servers) {
		if s.Err != nil {
			return vault.InitAnswer{}, fmt.Errorf("whether %s is initialized is not known: %w", s.Server, s.Err)
		}
		if s.Initialized {
			return vault.InitAnswer{}, fmt.Errorf("%s: %w", s.Server, ErrInitialized)
		}
	}
	answer, err := servers[0].Client.Init(ctx, r)
	if unreachable(err) {
		return vault.InitAnswer{}, fmt.Errorf("%s: %w; it may be initialized by now, with keys that nobody has: look with kubectl vaultsecret unseal --status, and if it is, empty its storage before the next init", servers[0].Name, err)
	}
	if err != nil {
		return vault.InitAnswer{}, fmt.Errorf("%s: %w", servers[0].Name, err)
	}
	return answer, nil
}

// KeyFile is the file that keeps what init returned.
type KeyFile struct {
	file *os.File
	path string
	full bool
}

// CreateKeyFile makes the file, mode 0600, and puts it on disk before Vault is asked:
// what Vault says afterwards can be kept. It never overwrites.
func CreateKeyFile(path string) (*KeyFile, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s exists and is not overwritten; name another file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("creating the output file: %w", err)
	}
	k := &KeyFile{file: f, path: path}
	if err := k.sync(); err != nil {
		k.Abandon()
		return nil, fmt.Errorf("putting %s on disk: %w", path, err)
	}
	return k, nil
}

func (k *KeyFile) sync() error {
	if err := k.file.Sync(); err != nil {
		return err
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
	KeysBase64 []string `json:"unseal_keys_b64"`
	KeysHex    []string `json:"unseal_keys_hex"`
	Shares     int      `json:"unseal_shares"`
	Threshold  int      `json:"unseal_threshold"`
	RootToken  string   `json:"root_token"`
}

// Write keeps the answer, in the form of `vault operator init -format=json`.
func (k *KeyFile) Write(answer vault.InitAnswer, r vault.InitRequest) error {
	d := keyDocument{Shares: r.Shares, Threshold: r.Threshold, RootToken: string(answer.RootToken.Reveal())}
	for _, share := range answer.Shares {
		text := string(share.Reveal())
		d.KeysBase64 = append(d.KeysBase64, text)
		if raw, err := base64.StdEncoding.DecodeString(text); err == nil {
			d.KeysHex = append(d.KeysHex, hex.EncodeToString(raw))
		}
	}
	raw, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return errors.New("encoding the keys")
	}
	k.full = true
	if _, err := k.file.Write(append(raw, '\n')); err != nil {
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

// ReadShares reads shares from a file that init wrote, or from text with one a line.
// A document names its threshold and that many shares are enough.
func ReadShares(r io.Reader) ([]redact.Bytes, error) {
	raw, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("reading the shares: %w", err)
	}
	var d keyDocument
	if json.Unmarshal(raw, &d) == nil && len(d.KeysBase64) > 0 {
		enough := min(max(d.Threshold, 1), len(d.KeysBase64))
		var shares []redact.Bytes
		for _, share := range d.KeysBase64[:enough] {
			shares = append(shares, redact.Bytes(share))
		}
		return shares, nil
	}
	var shares []redact.Bytes
	for line := range bytes.Lines(raw) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			shares = append(shares, line)
		}
	}
	if len(shares) == 0 {
		return nil, errors.New("no share in the file: write one a line, or give the file that init wrote")
	}
	return shares, nil
}
