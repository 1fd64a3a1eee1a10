package plugin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// maxToken bounds what is read of a token's file, in bytes.
const maxToken = 64 << 10

// vaultToken is the caller's own token of Vault, for commands that write there.
type vaultToken struct{ file string }

func (v *vaultToken) addFlags(c *cobra.Command) {
	c.Flags().StringVar(&v.file, "vault-token-file", "", "read your Vault token from a file, - for standard input; VAULT_TOKEN, ~/.vault-token, else a hidden prompt when empty")
	_ = c.MarkFlagFilename("vault-token-file")
}

// read takes the token from the first place that has one: the flag's file, VAULT_TOKEN,
// ~/.vault-token (all as the vault command does), a hidden prompt.
func (v *vaultToken) read(ctx context.Context, o *Options) (redact.Bytes, error) {
	if v.file != "" {
		return v.fromFile(o)
	}
	if token := bytes.TrimSpace([]byte(os.Getenv("VAULT_TOKEN"))); len(token) > 0 {
		return token, nil
	}
	token, err := fromHome()
	if err != nil || len(token) > 0 {
		return token, err
	}
	if !o.interactive() {
		return nil, fail(errors.New("a Vault token is needed, and there is none"),
			"set VAULT_TOKEN, run vault login, or give it with --vault-token-file PATH (- for standard input)")
	}
	token, err = o.askHidden(ctx, "Vault token (hidden): ")
	if err == nil && len(token) == 0 {
		return nil, fail(errors.New("no Vault token was given; nothing was changed"), "")
	}
	return token, err
}

// sendTo reads the token for the server of a store, which may have it.
func (v *vaultToken) sendTo(ctx context.Context, o *Options, clients *kube.Clients, store eso.Store, trust serverTrust) (redact.Bytes, error) {
	if err := trust.allow(ctx, o, clients, store); err != nil {
		return nil, err
	}
	return v.read(ctx, o)
}

func (v *vaultToken) fromFile(o *Options) (redact.Bytes, error) {
	in, what := o.In, "standard input"
	if v.file != "-" {
		f, err := os.Open(v.file)
		if err != nil {
			return nil, fmt.Errorf("reading the Vault token: %w", err)
		}
		defer f.Close()
		in, what = f, v.file
	}
	raw, err := io.ReadAll(io.LimitReader(in, maxToken))
	if err != nil {
		return nil, fmt.Errorf("reading the Vault token from %s: %w", what, err)
	}
	token := bytes.TrimSpace(raw)
	if len(token) == 0 {
		return nil, fail(fmt.Errorf("reading the Vault token from %s: it is empty", what), "")
	}
	return token, nil
}

// fromHome is the token that vault login left, nil when there is none.
func fromHome() (redact.Bytes, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, nil // as the vault command: no home, no token there
	}
	raw, err := os.ReadFile(filepath.Join(home, ".vault-token"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the token that vault login left: %w", err)
	}
	return bytes.TrimSpace(raw), nil
}
