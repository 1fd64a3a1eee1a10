package plugin

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"vaultsecret.io/kubectl-vaultsecret/internal/bootstrap"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

type initOptions struct {
	*Options
	target      vaultTarget
	request     vault.InitRequest
	pgpFiles    []string
	outputFile  string
	unseal      bool
	yes         bool
	addressFlag bool
}

func newInitCommand(o *Options) *cobra.Command {
	i := &initOptions{Options: o}
	c := &cobra.Command{
		Use:   "init",
		Short: "Initialize a new Vault",
		Long: "Initialize Vault through one of its Pods and keep the key shares and the root token in a file that only you\n" +
			"can read. The file is on disk before Vault is asked, and an existing one is never overwritten. Without\n" +
			"--output-file the shares are shown once, on a terminal only. They are never stored in the cluster.",
		Example: "  # Five shares, three of which unseal\n  kubectl vaultsecret init --output-file vault-init.json\n\n" +
			"  # Each share encrypted to its holder\n  kubectl vaultsecret init --key-shares 3 --key-threshold 2 --pgp-keys anna.asc,ben.asc,cleo.asc --output-file vault-init.json\n\n" +
			"  # And unseal at once\n  kubectl vaultsecret init --output-file vault-init.json --unseal",
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			i.addressFlag = c.Flags().Changed("vault-addr")
			return i.run(c.Context())
		},
	}
	i.target.addFlags(c.Flags())
	flags := c.Flags()
	flags.IntVar(&i.request.Shares, "key-shares", 5, "number of key shares")
	flags.IntVar(&i.request.Threshold, "key-threshold", 3, "number of shares that unseal")
	flags.StringSliceVar(&i.pgpFiles, "pgp-keys", nil, "files with public PGP keys (binary or armored), one for each share")
	flags.StringVar(&i.outputFile, "output-file", "", "file for shares and root token, mode 0600, in the form of vault operator init -format=json")
	flags.BoolVar(&i.unseal, "unseal", false, "unseal afterwards, with the new shares")
	flags.BoolVarP(&i.yes, "yes", "y", false, "do not ask for confirmation")
	_ = c.RegisterFlagCompletionFunc("pod", o.completePods)
	_ = c.MarkFlagFilename("output-file")
	_ = c.MarkFlagFilename("pgp-keys")
	return c
}

func (i *initOptions) run(ctx context.Context) error {
	keys, err := bootstrap.ReadPGPKeys(i.pgpFiles)
	if err != nil {
		return err
	}
	i.request.PGPKeys = keys
	if err := bootstrap.CheckInit(i.request); err != nil {
		return &usageError{err}
	}
	if i.unseal && len(keys) > 0 {
		return usage("--unseal needs the shares, and with --pgp-keys only their holders can decrypt them")
	}
	if i.outputFile == "" && !terminal(i.Out) {
		return fail(errors.New("the shares would go to standard output, which is no terminal"), "name a file with --output-file")
	}
	servers, err := i.servers(ctx, i.target, i.addressFlag)
	if err != nil {
		return err
	}
	return i.initialize(ctx, servers)
}

func (i *initOptions) initialize(ctx context.Context, servers []bootstrap.Server) error {
	var file *bootstrap.KeyFile
	if i.outputFile != "" {
		var err error
		if file, err = bootstrap.CreateKeyFile(i.outputFile); err != nil {
			return err
		}
		defer file.Abandon()
	}
	answer, err := bootstrap.Init(ctx, servers, i.request)
	if errors.Is(err, bootstrap.ErrInitialized) {
		return fail(err, "see its seal with: kubectl vaultsecret unseal --status")
	}
	if err != nil {
		return err
	}
	if file != nil {
		if err := file.Write(answer, i.request); err != nil {
			return fail(err, "Vault IS initialized now, and its keys are lost unless the file holds them: look at it before anything else")
		}
	} else {
		i.reveal(answer)
	}
	fmt.Fprintf(i.ErrOut, "%s %s is initialized: %d key shares, %d of them unseal.\n", i.marks().OK, servers[0].Name, i.request.Shares, i.request.Threshold)
	if file != nil {
		fmt.Fprintf(i.ErrOut, "Shares and root token are in %s, which only you can read.\n", i.outputFile)
	}
	fmt.Fprintln(i.ErrOut, "Give each share to another person or safe, apart from the root token, and then delete the file. Lost shares cannot be had again.")
	if !i.unseal {
		fmt.Fprintln(i.ErrOut, "Next: kubectl vaultsecret unseal")
		return nil
	}
	return i.open(ctx, servers, answer)
}

// open goes on to unseal with the shares that are at hand.
func (i *initOptions) open(ctx context.Context, servers []bootstrap.Server, answer vault.InitAnswer) error {
	shares := answer.Shares[:i.request.Threshold]
	machine := bootstrap.Unseal{
		Servers: servers,
		Ask: func(context.Context, int, int) (redact.Bytes, error) {
			if len(shares) == 0 {
				return nil, bootstrap.ErrNoMoreShares
			}
			next := shares[0]
			shares = shares[1:]
			return next, nil
		},
		Say: func(server, text string) { fmt.Fprintf(i.ErrOut, "%s: %s\n", server, text) },
	}
	if err := machine.Run(ctx); err != nil {
		return err
	}
	return (&unsealOptions{Options: i.Options}).opened(ctx, servers)
}

// reveal shows the shares on a terminal, once. It is the one place where the plugin
// prints a secret: there is nowhere else to have it from.
func (i *initOptions) reveal(answer vault.InitAnswer) {
	out, ok := i.Out.(*os.File)
	if !ok || !terminal(out) {
		return
	}
	fmt.Fprintln(i.ErrOut, "Shown once. Write them down before you go on.")
	for n, share := range answer.Shares {
		fmt.Fprintf(out, "Key share %d: %s\n", n+1, share.Reveal())
	}
	fmt.Fprintf(out, "Root token: %s\n", answer.RootToken.Reveal())
}
