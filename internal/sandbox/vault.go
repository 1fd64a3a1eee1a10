package sandbox

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// vaultNode is one Vault server's ports.
type vaultNode struct {
	API     int `json:"api"`
	Cluster int `json:"cluster"`
}

// VaultAddress is the base URL of node i on this machine.
func (s *Sandbox) VaultAddress(i int) string {
	scheme := "http"
	if s.TLS {
		scheme = "https"
	}
	return fmt.Sprintf("%s://127.0.0.1:%d", scheme, s.Vaults[i].API)
}

func (s *Sandbox) startVault(ctx context.Context) error {
	if len(s.Vaults) == 0 {
		return nil
	}
	if s.TLS {
		ca, err := newAuthority("sandbox vault", s.path("vault-ca.crt"))
		if err != nil {
			return err
		}
		if err := ca.issue(s.path("vault"), pkix.Name{CommonName: "vault"}, "127.0.0.1", "localhost",
			"vault", "vault.vault", "vault.vault.svc", "vault.vault.svc.cluster.local", "*.vault-internal"); err != nil {
			return err
		}
	}
	for i := range s.Vaults {
		if err := s.StartVault(ctx, i); err != nil {
			return err
		}
	}
	if s.config.Vault == VaultUninitialized {
		return nil
	}
	if err := s.initVault(ctx); err != nil {
		return fmt.Errorf("initialising vault: %w", err)
	}
	if err := s.UnsealVault(ctx); err != nil {
		return err
	}
	if s.config.Vault == VaultSealed {
		for i := range s.Vaults {
			if err := s.SealVault(ctx, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// StartVault starts node i on its ports and data and waits until it answers. It
// comes back sealed.
func (s *Sandbox) StartVault(ctx context.Context, i int) error {
	name := fmt.Sprintf("vault-%d", i)
	if err := os.MkdirAll(s.path(name), 0o700); err != nil {
		return err
	}
	tlsLines := "tls_disable = true"
	if s.TLS {
		tlsLines = fmt.Sprintf("tls_cert_file = %q\n  tls_key_file = %q", s.path("vault.crt"), s.path("vault.key"))
	}
	join := ""
	if i > 0 {
		ca := ""
		if s.TLS {
			ca = fmt.Sprintf("leader_ca_cert_file = %q", s.path("vault-ca.crt"))
		}
		join = fmt.Sprintf("retry_join {\n    leader_api_addr = %q\n    %s\n  }", s.VaultAddress(0), ca)
	}
	config := fmt.Sprintf(`disable_mlock = true
ui = false
api_addr = %q
cluster_addr = "https://127.0.0.1:%d"
plugin_directory = %q
listener "tcp" {
  address = "127.0.0.1:%d"
  cluster_address = "127.0.0.1:%d"
  %s
}
storage "raft" {
  path = %q
  node_id = %q
  performance_multiplier = 1
  %s
}
`, s.VaultAddress(i), s.Vaults[i].Cluster, s.path(name), s.Vaults[i].API, s.Vaults[i].Cluster, tlsLines, s.path(name), name, join)
	if err := os.WriteFile(s.path(name, "vault.hcl"), []byte(config), 0o600); err != nil {
		return err
	}
	if err := s.start(name, s.Binary("vault"), []string{"VAULT_ADDR=", "VAULT_TOKEN="}, "server", "-config="+s.path(name, "vault.hcl")); err != nil {
		return err
	}
	return s.wait(ctx, name, func(ctx context.Context) error {
		_, err := s.vault(ctx, i, http.MethodGet, "sys/seal-status", "", nil)
		return err
	})
}

// StopVault ends node i's process; its data and ports stay its own.
func (s *Sandbox) StopVault(i int) { s.stop(fmt.Sprintf("vault-%d", i)) }

// SealVault seals node i.
func (s *Sandbox) SealVault(ctx context.Context, i int) error {
	_, err := s.vault(ctx, i, http.MethodPut, "sys/seal", s.RootToken, nil)
	return err
}

// UnsealVault unseals every node with the first three shares and waits until the
// first one is active.
func (s *Sandbox) UnsealVault(ctx context.Context) error {
	for i := range s.Vaults {
		if err := s.unsealNode(ctx, i); err != nil {
			return fmt.Errorf("unsealing vault-%d: %w", i, err)
		}
	}
	return s.wait(ctx, "vault-0", func(ctx context.Context) error {
		_, err := s.vault(ctx, 0, http.MethodGet, "sys/health?standbyok=true", "", nil)
		return err
	})
}

func (s *Sandbox) unsealNode(ctx context.Context, i int) error {
	for _, share := range s.Shares[:3] {
		if _, err := s.vault(ctx, i, http.MethodPut, "sys/unseal", "", map[string]any{"key": share}); err != nil {
			return err
		}
	}
	return s.wait(ctx, fmt.Sprintf("vault-%d", i), func(ctx context.Context) error {
		answer, err := s.vault(ctx, i, http.MethodGet, "sys/seal-status", "", nil)
		if err != nil {
			return err
		}
		if answer["sealed"] != false {
			return errors.New("still sealed")
		}
		if i > 0 {
			return nil
		}
		_, err = s.vault(ctx, i, http.MethodGet, "sys/health", "", nil)
		return err
	})
}

func (s *Sandbox) initVault(ctx context.Context) error {
	answer, err := s.vault(ctx, 0, http.MethodPut, "sys/init", "", map[string]any{"secret_shares": 5, "secret_threshold": 3})
	if err != nil {
		return err
	}
	file := map[string]any{
		"unseal_keys_b64": answer["keys_base64"], "unseal_keys_hex": answer["keys"],
		"unseal_shares": 5, "unseal_threshold": 3, "root_token": answer["root_token"],
	}
	raw, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.path("vault-init.json"), raw, 0o600); err != nil {
		return err
	}
	return s.loadKeys()
}

func (s *Sandbox) loadKeys() error {
	raw, err := os.ReadFile(s.path("vault-init.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var file struct {
		Keys  []string `json:"unseal_keys_b64"`
		Token string   `json:"root_token"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return err
	}
	s.Shares, s.RootToken = file.Keys, file.Token
	return nil
}

// Vault sends one request to the active node as root and returns the decoded
// answer, nil when it has no body.
func (s *Sandbox) Vault(ctx context.Context, method, path string, body map[string]any) (map[string]any, error) {
	return s.vault(ctx, 0, method, path, s.RootToken, body)
}

func (s *Sandbox) vault(ctx context.Context, node int, method, path, token string, body map[string]any) (map[string]any, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, s.VaultAddress(node)+"/v1/"+path, bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("X-Vault-Token", token)
	}
	client, err := s.vaultClient()
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 400 {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, strings.TrimSpace(string(text)))
	}
	var answer map[string]any
	if len(text) > 0 {
		err = json.Unmarshal(text, &answer)
	}
	return answer, err
}

func (s *Sandbox) vaultClient() (*http.Client, error) {
	transport := &http.Transport{}
	if s.TLS {
		pem, err := os.ReadFile(s.path("vault-ca.crt"))
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}, nil
}

// AuditVault enables a file audit device and returns its path.
func (s *Sandbox) AuditVault(ctx context.Context) (string, error) {
	path := s.path("vault-audit.log")
	_, err := s.Vault(ctx, http.MethodPut, "sys/audit/file", map[string]any{"type": "file", "options": map[string]any{"file_path": path}})
	return path, err
}
