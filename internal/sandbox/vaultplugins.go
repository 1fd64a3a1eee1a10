package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/vault/api"
)

func authPlugin(kind string) string { return "vault-auth-" + kind }

// AddVaultAuth makes an auth method known to Vault that its minimal build leaves
// out: "kubernetes" or "ldap". It is built when it is missing, and may be added
// again. Enabling it at a path is the caller's matter.
func (s *Sandbox) AddVaultAuth(ctx context.Context, kind string) error {
	name := authPlugin(kind)
	built, err := Build(ctx, s.root, os.Stderr, name)
	if err != nil {
		return err
	}
	// Vault runs only what lies in its plugin directory itself, and no link out of it.
	program, err := os.ReadFile(built[name])
	if err != nil {
		return err
	}
	target := filepath.Join(s.VaultPlugins(), name)
	if err := os.WriteFile(target+".new", program, 0o700); err != nil {
		return err
	}
	if err := os.Rename(target+".new", target); err != nil { // the old one may be running
		return err
	}
	client, err := s.VaultClient(0)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(program)
	err = client.Sys().RegisterPluginWithContext(ctx, &api.RegisterPluginInput{
		Name: kind, Type: api.PluginTypeCredential, Command: name, SHA256: hex.EncodeToString(sum[:]),
	})
	if err != nil {
		return fmt.Errorf("registering auth method %s: %w", kind, err)
	}
	return nil
}
