package plugin

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// sealable is a sandbox whose Vault a test may seal; it is open again afterwards.
func sealable(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	sb := shared.Sandbox(t)
	t.Cleanup(func() {
		if err := sb.UnsealVault(context.Background()); err != nil {
			t.Errorf("opening Vault again: %v", err)
		}
	})
	return sb
}

// TestBootstrapScripts runs testdata/bootstrap, whose scripts seal Vault and so run
// apart from the others. `share N FILE` writes the first N key shares to a file.
func TestBootstrapScripts(t *testing.T) {
	sb := sealable(t)
	t.Run("scripts", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir: "testdata/bootstrap",
			Setup: func(env *testscript.Env) error {
				for _, pair := range sb.Env() {
					name, value, _ := strings.Cut(pair, "=")
					switch name {
					case "VAULT_ADDR":
						env.Setenv("VAULT_SERVER", value)
					case "PATH":
						env.Setenv("PATH", env.Getenv("PATH")+":"+value)
					default:
						env.Setenv(name, value)
					}
				}
				env.Setenv("LANG", "C.UTF-8")
				env.Setenv("HOME", env.WorkDir)
				return nil
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"exits": exits,
				"share": func(ts *testscript.TestScript, _ bool, args []string) {
					n, err := strconv.Atoi(args[0])
					ts.Check(err)
					ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Join(sb.Shares[:n], "\n")), 0o600))
				},
			},
		})
	})
}
