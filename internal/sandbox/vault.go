package sandbox

import (
	"context"
	"crypto/x509/pkix"
	"fmt"
	"os"
	"strings"
	"text/template"
)

const caFile = "vault-ca.pem"

// vaultConfig is a server as production runs it: raft storage, no dev mode.
const vaultConfig = `disable_mlock = true
ui = false
api_addr = "{{.Address}}"
cluster_addr = "https://127.0.0.1:{{.Cluster}}"
plugin_directory = "{{.Plugins}}"

listener "tcp" {
  address = "127.0.0.1:{{.API}}"
  cluster_address = "127.0.0.1:{{.Cluster}}"
{{- if .Cert}}
  tls_cert_file = "{{.Cert}}.crt"
  tls_key_file = "{{.Cert}}.key"
{{- else}}
  tls_disable = true
{{- end}}
}

storage "raft" {
  path = "{{.Data}}"
  node_id = "{{.Name}}"
  performance_multiplier = 1
  autopilot_update_interval = "500ms"
  autopilot_reconcile_interval = "1s"
{{- range .Peers}}
  retry_join {
    leader_api_addr = "{{.}}"
{{- if $.CA}}
    leader_ca_cert_file = "{{$.CA}}"
{{- end}}
  }
{{- end}}
}
{{.Extra}}
`

// VaultNodes is the number of Vault servers: 0, 1 or 3.
func (s *Sandbox) VaultNodes() int { return len(s.state.Ports.Vaults) }

// VaultAddress is the base URL of node i on this machine.
func (s *Sandbox) VaultAddress(i int) string {
	scheme := "http"
	if s.state.TLS {
		scheme = "https"
	}
	return scheme + "://" + local(s.state.Ports.Vaults[i].API)
}

// VaultCA is the path of the CA that signed Vault's certificate; "" without TLS.
func (s *Sandbox) VaultCA() string {
	if !s.state.TLS {
		return ""
	}
	return s.path(caFile)
}

// VaultPlugins is Vault's plugin_directory.
func (s *Sandbox) VaultPlugins() string { return s.path("plugins") }

// StartVault starts node i on its ports and its data and waits until it answers.
// After a StopVault it comes back sealed.
func (s *Sandbox) StartVault(ctx context.Context, i int) error {
	name := vaultName(i)
	if p, found := s.process(name); found && p.alive() {
		return fmt.Errorf("%s runs already", name)
	}
	if err := s.writeVaultConfig(i); err != nil {
		return fmt.Errorf("writing the configuration of %s: %w", name, err)
	}
	if err := s.start(name, s.Binary("vault"), nil, "server", "-config="+s.path(name, "vault.hcl")); err != nil {
		return err
	}
	client, err := s.VaultClient(i)
	if err != nil {
		return err
	}
	return s.await(ctx, name, func(ctx context.Context) error {
		_, err := client.Sys().SealStatusWithContext(ctx)
		return err
	})
}

// StopVault ends node i's process and returns when it has ended. Its data and its
// ports stay its own.
func (s *Sandbox) StopVault(i int) { s.stop(vaultName(i)) }

func vaultName(i int) string { return fmt.Sprintf("vault-%d", i) }

func (s *Sandbox) writeVaultConfig(i int) error {
	name := vaultName(i)
	for _, dir := range []string{s.path(name, "data"), s.VaultPlugins()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	values := struct {
		Name, Address, Data, Plugins, Cert, CA string
		Extra                                  string
		API, Cluster                           int
		Peers                                  []string
	}{
		Name: name, Address: s.VaultAddress(i), Data: s.path(name, "data"), Plugins: s.VaultPlugins(), CA: s.VaultCA(),
		API: s.state.Ports.Vaults[i].API, Cluster: s.state.Ports.Vaults[i].Cluster,
	}
	if s.state.TLS {
		values.Cert = s.path("vault-tls")
	}
	change := s.vaultChange(i)
	values.Extra = change.Extra
	for other := range s.VaultNodes() {
		if other != i && !change.Alone {
			values.Peers = append(values.Peers, s.VaultAddress(other))
		}
	}
	var text strings.Builder
	if err := template.Must(template.New("").Parse(vaultConfig)).Execute(&text, values); err != nil {
		return err
	}
	return os.WriteFile(s.path(name, "vault.hcl"), []byte(text.String()), 0o600)
}

// writeVaultPKI makes a CA and one certificate for every name under which the
// cluster and this machine reach Vault.
func (s *Sandbox) writeVaultPKI() error {
	ca, err := newAuthority("sandbox vault", s.path(caFile))
	if err != nil {
		return err
	}
	return ca.issue(s.path("vault-tls"), pkix.Name{CommonName: "vault"}, "127.0.0.1", "localhost",
		"vault", "vault.vault", "vault.vault.svc", "vault.vault.svc.cluster.local", "*.vault-internal",
		"*.vault-internal.vault.svc", "*.vault-internal.vault.svc.cluster.local")
}
