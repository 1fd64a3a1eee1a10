package sandbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/hashicorp/vault/api"
	"golang.org/x/sync/errgroup"
)

const (
	initFile          = "vault-init.json"
	shares, threshold = 5, 3
)

// bringUpVault starts every node and brings them to the wanted state.
func (s *Sandbox) bringUpVault(ctx context.Context, want string) error {
	if s.state.TLS {
		if err := s.writeVaultPKI(); err != nil {
			return fmt.Errorf("writing Vault's certificates: %w", err)
		}
	}
	if err := s.eachVault(ctx, s.StartVault); err != nil || want == VaultUninitialized || want == VaultNone {
		return err
	}
	if err := s.initVault(ctx); err != nil {
		return fmt.Errorf("initialising vault-0: %w", err)
	}
	if want == VaultSealed && s.VaultNodes() == 1 {
		return nil // it is, until somebody unseals it
	}
	if err := s.UnsealVault(ctx); err != nil {
		return err
	}
	if err := s.awaitVoters(ctx); err != nil || want == VaultUnsealed {
		return err
	}
	return s.eachVault(ctx, s.SealVault)
}

// awaitVoters returns when every node votes, so that any one of them may be stopped.
// Vault makes a node wait for ten seconds before it may vote; here one is enough.
func (s *Sandbox) awaitVoters(ctx context.Context) error {
	if s.VaultNodes() == 1 {
		return nil
	}
	client, err := s.VaultClient(0)
	if err != nil {
		return err
	}
	_, err = client.Logical().WriteWithContext(ctx, "sys/storage/raft/autopilot/configuration", map[string]any{"server_stabilization_time": "1s"})
	if err != nil {
		return fmt.Errorf("configuring raft's autopilot: %w", err)
	}
	return s.await(ctx, vaultName(0), func(ctx context.Context) error {
		pilot, err := client.Sys().RaftAutopilotStateWithContext(ctx)
		if err != nil {
			return err
		}
		if len(pilot.Voters) < s.VaultNodes() {
			return fmt.Errorf("%d of %d nodes vote", len(pilot.Voters), s.VaultNodes())
		}
		return nil
	})
}

func (s *Sandbox) eachVault(ctx context.Context, act func(context.Context, int) error) error {
	nodes, ctx := errgroup.WithContext(ctx)
	for i := range s.VaultNodes() {
		nodes.Go(func() error { return act(ctx, i) })
	}
	return nodes.Wait()
}

// VaultClient speaks to node i, with the root token once there is one, and never
// retries. VAULT_… variables have no part in it.
func (s *Sandbox) VaultClient(i int) (*api.Client, error) {
	transport := &http.Transport{ForceAttemptHTTP2: true}
	if s.state.TLS {
		pem, err := os.ReadFile(s.VaultCA())
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	client, err := api.NewClient(&api.Config{
		Address: s.VaultAddress(i), Timeout: 30 * time.Second,
		HttpClient: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	})
	if err != nil {
		return nil, err
	}
	client.ClearNamespace()
	client.SetToken(s.RootToken)
	return client, nil
}

// SealVault seals node i. A standby cannot seal itself: it is started anew, as an
// operator would.
func (s *Sandbox) SealVault(ctx context.Context, i int) error {
	if s.VaultNodes() > 1 {
		s.StopVault(i)
		return s.StartVault(ctx, i)
	}
	client, err := s.VaultClient(i)
	if err != nil {
		return err
	}
	return client.Sys().SealWithContext(ctx)
}

// UnsealVault gives every running node three shares and returns when the root token
// is answered through each of them.
func (s *Sandbox) UnsealVault(ctx context.Context) error {
	var running []int
	for i := range s.VaultNodes() {
		if p, found := s.process(vaultName(i)); found && p.alive() {
			running = append(running, i)
		}
	}
	nodes, ctx := errgroup.WithContext(ctx)
	for _, i := range running {
		nodes.Go(func() error {
			if err := s.unsealNode(ctx, i); err != nil {
				return fmt.Errorf("unsealing vault-%d: %w", i, err)
			}
			return nil
		})
	}
	return nodes.Wait()
}

func (s *Sandbox) unsealNode(ctx context.Context, i int) error {
	client, err := s.VaultClient(i)
	if err != nil {
		return err
	}
	// A node that joins is initialised once it has the leader's challenge.
	err = s.await(ctx, vaultName(i), func(ctx context.Context) error {
		status, err := client.Sys().SealStatusWithContext(ctx)
		if err == nil && !status.Initialized {
			err = errors.New("not initialised, or not joined yet")
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, share := range s.Shares[:threshold] {
		if _, err := client.Sys().UnsealWithContext(ctx, share); err != nil {
			return err
		}
	}
	// A node that cannot forward yet redirects to the active one, which our own clients
	// do not follow: it serves once it answers itself.
	config := client.CloneConfig()
	config.DisableRedirects = true
	direct, err := api.NewClient(config)
	if err != nil {
		return err
	}
	direct.ClearNamespace()
	direct.SetToken(s.RootToken)
	return s.await(ctx, vaultName(i), func(ctx context.Context) error {
		answer, err := direct.Auth().Token().LookupSelfWithContext(ctx)
		if err == nil && answer == nil {
			err = errors.New("redirected to the active node")
		}
		return err
	})
}

func (s *Sandbox) initVault(ctx context.Context) error {
	client, err := s.VaultClient(0)
	if err != nil {
		return err
	}
	answer, err := client.Sys().InitWithContext(ctx, &api.InitRequest{SecretShares: shares, SecretThreshold: threshold})
	if err != nil {
		return err
	}
	// As `vault operator init -format=json` prints it.
	raw, err := json.MarshalIndent(map[string]any{
		"unseal_keys_b64": answer.KeysB64, "unseal_keys_hex": answer.Keys, "unseal_shares": shares, "unseal_threshold": threshold,
		"recovery_keys_b64": []string{}, "recovery_keys_hex": []string{}, "recovery_keys_shares": 0, "recovery_keys_threshold": 0,
		"root_token": answer.RootToken,
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.path(initFile), append(raw, '\n'), 0o600); err != nil {
		return err
	}
	return s.loadKeys()
}

func (s *Sandbox) loadKeys() error {
	raw, err := os.ReadFile(s.path(initFile))
	if err != nil {
		return err
	}
	var file struct {
		Keys  []string `json:"unseal_keys_b64"`
		Token string   `json:"root_token"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return fmt.Errorf("reading %s: %w", s.path(initFile), err)
	}
	s.Shares, s.RootToken = file.Keys, file.Token
	return nil
}

// EnableVaultAudit enables a file audit device at file/ and returns the path of its
// log.
func (s *Sandbox) EnableVaultAudit(ctx context.Context) (string, error) {
	client, err := s.VaultClient(0)
	if err != nil {
		return "", err
	}
	path := s.path("vault-audit.log")
	return path, client.Sys().EnableAuditWithOptionsWithContext(ctx, "file", &api.EnableAuditOptions{
		Type: "file", Options: map[string]string{"file_path": path},
	})
}
