// Command sandbox starts and stops a real Kubernetes API and Vault on this machine.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	root := &cobra.Command{
		Use: "sandbox", Short: "A real Kubernetes API and Vault on this machine, for demos and tests",
		SilenceUsage: true, SilenceErrors: true,
	}
	root.AddCommand(up(), down(), restartVault(), build(), proxy())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func up() *cobra.Command {
	config := sandbox.Config{Progress: os.Stderr}
	var foreground, controller bool
	cmd := &cobra.Command{
		Use: "up --dir DIR", Short: "Start a sandbox and leave it running", Args: cobra.NoArgs,
		Example: "  sandbox up --dir /tmp/sandbox\n  . /tmp/sandbox/env\n  kubectl -n vault get pods\n  sandbox down --dir /tmp/sandbox",
		RunE: func(cmd *cobra.Command, _ []string) error {
			config.Detach = !foreground
			config.CRDs = config.CRDs || controller
			s, err := start(cmd.Context(), config, controller)
			if err != nil || !foreground {
				return err
			}
			return hold(cmd.Context(), s)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&config.Dir, "dir", "", "directory that holds everything")
	flags.StringVar(&config.Vault, "vault", sandbox.VaultUnsealed, "state of Vault: unsealed, sealed, uninitialized or none")
	flags.IntVar(&config.VaultNodes, "vault-nodes", 1, "Vault servers: 1 or 3 (raft)")
	flags.BoolVar(&config.VaultTLS, "vault-tls", false, "serve Vault by TLS, with a private CA in DIR/vault-ca.pem")
	flags.BoolVar(&config.CRDs, "crds", false, "apply manifests/crds")
	flags.BoolVar(&controller, "controller", false, "apply manifests/ and run the controller as its ServiceAccount")
	flags.BoolVar(&foreground, "foreground", false, "stay, print the exports, and end the sandbox on Ctrl-C")
	_ = cmd.MarkFlagRequired("dir") // fails only for a flag that is not there
	return cmd
}

func start(ctx context.Context, config sandbox.Config, controller bool) (*sandbox.Sandbox, error) {
	begin := time.Now()
	s, err := sandbox.Start(ctx, config)
	if err != nil {
		return nil, err
	}
	if controller {
		if err := s.StartController(ctx); err != nil {
			return nil, errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
		}
	}
	fmt.Fprintf(os.Stderr, "ready in %s; use it with: . %s\n", time.Since(begin).Round(100*time.Millisecond), filepath.Join(s.Dir, "env"))
	return s, nil
}

// hold shows the exports, waits for the signal and ends the sandbox.
func hold(ctx context.Context, s *sandbox.Sandbox) error {
	env, err := os.ReadFile(filepath.Join(s.Dir, "env"))
	if err == nil {
		fmt.Print(string(env))
		fmt.Fprintln(os.Stderr, "Ctrl-C ends it.")
		<-ctx.Done()
	}
	return errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
}

func down() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "down --dir DIR", Short: "End a sandbox and remove its data; its logs stay", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := sandbox.Load(dir)
			if errors.Is(err, fs.ErrNotExist) {
				return nil // it has ended already
			}
			if err != nil {
				return err
			}
			return s.Stop(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "directory of the sandbox")
	_ = cmd.MarkFlagRequired("dir")
	return cmd
}

// restartVault is what becomes of a server when its Pod is restarted: it comes back
// sealed.
func restartVault() *cobra.Command {
	var dir string
	var node int
	cmd := &cobra.Command{
		Use: "restart-vault --dir DIR --node N", Short: "End one of a sandbox's Vault servers and start it again, sealed", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := sandbox.Load(dir)
			if err != nil {
				return err
			}
			if node < 0 || node >= s.VaultNodes() {
				return fmt.Errorf("--node=%d: the sandbox has %d Vault servers", node, s.VaultNodes())
			}
			s.StopVault(node)
			return s.StartVault(cmd.Context(), node)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "directory of the sandbox")
	cmd.Flags().IntVar(&node, "node", 0, "which server, from 0")
	_ = cmd.MarkFlagRequired("dir")
	return cmd
}

func build() *cobra.Command {
	var only []string
	cmd := &cobra.Command{
		Use: "build", Short: "Build the sandbox's programs into bin/, those that are missing", Args: cobra.NoArgs,
		Long: "Build what is neither in KUBEBUILDER_ASSETS, nor named by VAULT_BIN, nor new enough on PATH: " + strings.Join(sandbox.Programs(), ", ") + ".",
		RunE: func(cmd *cobra.Command, _ []string) error {
			root, err := sandbox.Root()
			if err != nil {
				return err
			}
			_, err = sandbox.Build(cmd.Context(), root, os.Stderr, only...)
			return err
		},
	}
	cmd.Flags().StringSliceVar(&only, "only", sandbox.Programs(), "programs to build")
	return cmd
}

func proxy() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "proxy", Short: "Serve the Service names of a sandbox's Vault", Hidden: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			s, err := sandbox.Load(dir)
			if err != nil {
				return err
			}
			return s.ServeProxy()
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "directory of the sandbox")
	return cmd
}
