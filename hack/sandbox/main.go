// Command sandbox starts and stops a real Kubernetes API and Vault on this machine.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
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
	root.AddCommand(up(), down(), build(), proxy())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func up() *cobra.Command {
	config := sandbox.Config{Detach: true, Progress: os.Stderr}
	var foreground, controller bool
	cmd := &cobra.Command{
		Use: "up --dir DIR", Short: "Start a sandbox and leave it running", Args: cobra.NoArgs,
		Example: "  sandbox up --dir /tmp/sandbox\n  . /tmp/sandbox/env\n  kubectl get pods -n vault",
		RunE: func(cmd *cobra.Command, _ []string) error {
			start := time.Now()
			s, err := sandbox.Start(cmd.Context(), config)
			if err != nil {
				return err
			}
			if controller {
				if err := s.StartController(cmd.Context()); err != nil {
					s.Stop()
					return err
				}
			}
			fmt.Fprintf(os.Stderr, "ready in %s; use it with: . %s/env\n", time.Since(start).Round(100*time.Millisecond), s.Dir)
			if !foreground {
				return nil
			}
			env, err := os.ReadFile(s.Dir + "/env")
			if err != nil {
				return err
			}
			fmt.Print(string(env))
			fmt.Fprintln(os.Stderr, "Ctrl-C ends it.")
			<-cmd.Context().Done()
			s.Stop()
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&config.Dir, "dir", "", "directory that holds everything")
	flags.StringVar(&config.Vault, "vault", sandbox.VaultUnsealed, "state of Vault: unsealed, sealed, uninitialized or none")
	flags.IntVar(&config.VaultNodes, "vault-nodes", 1, "Vault servers: 1 or 3 (raft)")
	flags.BoolVar(&config.VaultTLS, "vault-tls", false, "serve Vault by TLS, with a private CA")
	flags.BoolVar(&foreground, "foreground", false, "stay, print the exports, and end the sandbox on Ctrl-C")
	flags.BoolVar(&controller, "controller", false, "apply manifests/ and run the controller as its ServiceAccount")
	_ = cmd.MarkFlagRequired("dir")
	return cmd
}

func down() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "down --dir DIR", Short: "End a sandbox", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			s, err := sandbox.Load(dir)
			if errors.Is(err, fs.ErrNotExist) {
				fmt.Fprintln(os.Stderr, "no sandbox in", dir)
				return nil
			}
			if err != nil {
				return err
			}
			s.Stop()
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "directory of the sandbox")
	_ = cmd.MarkFlagRequired("dir")
	return cmd
}

func build() *cobra.Command {
	var only []string
	cmd := &cobra.Command{
		Use: "build", Short: "Build the sandbox's binaries into bin/", Args: cobra.NoArgs,
		Long: "Build what is not found on PATH, in KUBEBUILDER_ASSETS or by VAULT_BIN: " + strings.Join(sandbox.Names(), ", ") + ".",
		RunE: func(cmd *cobra.Command, _ []string) error {
			root, err := sandbox.Root()
			if err != nil {
				return err
			}
			_, err = sandbox.Build(cmd.Context(), root, os.Stderr, only...)
			return err
		},
	}
	cmd.Flags().StringSliceVar(&only, "only", sandbox.Names(), "binaries to build")
	return cmd
}

func proxy() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "proxy", Hidden: true, Args: cobra.NoArgs,
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
