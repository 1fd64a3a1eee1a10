package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Env is the environment, as NAME=value, in which kubectl, vault and the plugin
// find this sandbox: KUBECONFIG, PATH and, with a Vault, VAULT_ADDR, VAULT_TOKEN
// (root, once there is one), VAULT_CACERT (with TLS) and SANDBOX_HTTP_PROXY.
func (s *Sandbox) Env() []string {
	env := []string{"KUBECONFIG=" + s.Kubeconfig(), "PATH=" + strings.Join(append(s.programDirs(), os.Getenv("PATH")), ":")}
	return append(env, s.vaultEnv(s.RootToken != "")...)
}

func (s *Sandbox) vaultEnv(token bool) []string {
	if s.VaultNodes() == 0 {
		return nil
	}
	env := []string{"VAULT_ADDR=" + s.VaultAddress(0), "SANDBOX_HTTP_PROXY=" + s.ProxyURL()}
	if s.VaultCA() != "" {
		env = append(env, "VAULT_CACERT="+s.VaultCA())
	}
	if token {
		env = append(env, "VAULT_TOKEN="+s.RootToken)
	}
	return env
}

// programDirs are where the plugin, kubectl and vault are, the repository's first.
func (s *Sandbox) programDirs() []string {
	dirs := []string{filepath.Join(s.root, "bin")}
	for _, name := range []string{"kubectl", "vault"} {
		if dir := filepath.Dir(s.Binary(name)); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// writeEnv writes the shell file that people and scripts source.
func (s *Sandbox) writeEnv(token bool) error {
	var b strings.Builder
	b.WriteString("unset VAULT_ADDR VAULT_TOKEN VAULT_CACERT VAULT_NAMESPACE\n")
	for _, pair := range append([]string{"KUBECONFIG=" + s.Kubeconfig()}, s.vaultEnv(token)...) {
		name, value, _ := strings.Cut(pair, "=")
		fmt.Fprintf(&b, "export %s=%s\n", name, shellQuote(value))
	}
	fmt.Fprintf(&b, "export PATH=%s:\"$PATH\"\n", shellQuote(strings.Join(s.programDirs(), ":")))
	return os.WriteFile(s.path("env"), []byte(b.String()), 0o600)
}

func shellQuote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
