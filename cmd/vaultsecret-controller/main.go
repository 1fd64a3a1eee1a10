// Command vaultsecret-controller syncs Vault KV into Kubernetes Secrets, by External
// Secrets Operator's own API.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"

	"vaultsecret.io/kubectl-vaultsecret/controller"
	"vaultsecret.io/kubectl-vaultsecret/internal/version"
)

func main() { os.Exit(run(os.Args[1:])) }

// run returns the exit code: 0 all is well, 1 it could not run, 2 (--once) a mapping
// failed.
func run(args []string) int {
	config := controller.Default()
	flags := pflag.NewFlagSet("vaultsecret-controller", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.SetOutput(os.Stderr)
	config.AddFlags(flags)
	show := flags.Bool("version", false, "print the version and end")
	flags.Usage = func() {
		fmt.Fprintf(os.Stderr, "Usage: vaultsecret-controller [flags]\n\nFlags:\n%s", flags.FlagUsagesWrapped(100))
	}
	err := flags.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return 0
	case err != nil:
		return usage(err)
	case flags.NArg() > 0:
		return usage(fmt.Errorf("unexpected argument %q", flags.Arg(0)))
	case *show:
		fmt.Println("vaultsecret-controller", version.Version)
		return 0
	}
	if err := config.Validate(); err != nil {
		return usage(err)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	switch err := controller.Run(ctx, config, os.Stderr); {
	case err == nil:
		return 0
	case errors.Is(err, controller.ErrFailed):
		fmt.Fprintln(os.Stderr, "vaultsecret-controller:", err)
		return 2
	default:
		fmt.Fprintln(os.Stderr, "vaultsecret-controller:", err)
		return 1
	}
}

func usage(err error) int {
	fmt.Fprintf(os.Stderr, "vaultsecret-controller: %v\nSee 'vaultsecret-controller --help' for the flags.\n", err)
	return 1
}
