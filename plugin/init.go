package plugin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vaultsecret.io/kubectl-vaultsecret/internal/bootstrap"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

type initOptions struct {
	*Options
	target     vaultTarget
	request    vault.InitRequest
	pgpFiles   []string
	rootPGP    string
	outputFile string
	unseal     bool
	join       joinFlag
	dryRun     string
}

func newInitCommand(o *Options) *cobra.Command {
	i := &initOptions{Options: o}
	c := &cobra.Command{
		Use:   "init",
		Short: "Initialize a new Vault",
		Long: "Initialize Vault through one of its Pods and keep the key shares and the root token in a file that only you\n" +
			"can read. The file is on disk before Vault is asked, and an existing one is never overwritten. Without\n" +
			"--output-file the shares are shown once, on a terminal only. They are never stored in the cluster.\n\n" +
			"It refuses when any server of this Vault is initialized, and when one cannot be asked. Where a key service\n" +
			"unseals (auto-unseal), what is split is the recovery key.",
		Example: "  # Five shares, three of which unseal\n  kubectl vaultsecret init --output-file vault-init.json\n\n" +
			"  # Each share encrypted to its holder\n  kubectl vaultsecret init --key-shares 3 --key-threshold 2 --pgp-keys first.asc,second.asc,third.asc --output-file vault-init.json\n\n" +
			"  # From nothing to three open raft servers\n  kubectl vaultsecret init --output-file vault-init.json --unseal --join\n\n" +
			"  # Could it be done?\n  kubectl vaultsecret init --output-file vault-init.json --dry-run=client",
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			i.target.address = c.Flags().Changed("vault-addr")
			return i.run(c.Context())
		},
	}
	i.target.addFlags(o, c)
	flags := c.Flags()
	flags.IntVar(&i.request.Shares, "key-shares", 5, "number of key shares")
	flags.IntVar(&i.request.Threshold, "key-threshold", 3, "number of shares that unseal")
	flags.StringSliceVar(&i.pgpFiles, "pgp-keys", nil, "files with public PGP keys (binary or armored), one for each share")
	flags.StringVar(&i.rootPGP, "root-token-pgp-key", "", "file with a public PGP key to encrypt the root token to")
	flags.StringVar(&i.outputFile, "output-file", "", "file for shares and root token, mode 0600, in the form of vault operator init -format=json")
	flags.BoolVar(&i.unseal, "unseal", false, "unseal afterwards, with the new shares")
	i.join.add(c)
	flags.StringVar(&i.dryRun, "dry-run", "none", "none, client or server: check everything and initialize nothing")
	flags.Lookup("dry-run").NoOptDefVal = "client"
	_ = c.RegisterFlagCompletionFunc("dry-run", cobra.FixedCompletions([]string{"none", "client", "server"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.MarkFlagFilename("output-file")
	_ = c.MarkFlagFilename("pgp-keys")
	_ = c.MarkFlagFilename("root-token-pgp-key")
	return c
}

func (i *initOptions) run(ctx context.Context) error {
	if err := i.complete(); err != nil {
		return err
	}
	chosen, family, err := i.servers(ctx, i.target)
	if err != nil {
		return err
	}
	var file *bootstrap.KeyFile
	if i.outputFile != "" { // before Vault is asked anything
		if file, err = bootstrap.CreateKeyFile(i.outputFile, i.request.Shares); err != nil {
			return err
		}
		defer file.Abandon()
	}
	first := chosen[0]
	state, err := bootstrap.CheckServers(ctx, first.Name, family)
	switch {
	case errors.Is(err, bootstrap.ErrInitialized):
		return fail(err, "see its seal with: "+i.again("unseal --status", i.target))
	case err != nil:
		return (&unsealOptions{Options: i.Options, target: i.target}).ended(err)
	}
	i.request.Recovery = state.Type != "" && state.Type != "shamir"
	if i.dryRun != "none" {
		fmt.Fprintf(i.ErrOut, "%s would be initialized: %s. Nothing was changed.\n", state.Server, i.split())
		return nil
	}
	answer, err := i.initialize(ctx, first, file)
	if err != nil {
		return err
	}
	i.advise(state, answer)
	if !i.unseal {
		return nil
	}
	return i.open(ctx, chosen, answer)
}

// complete checks the command line before anybody is asked anything.
func (i *initOptions) complete() (err error) {
	if !slices.Contains([]string{"none", "client", "server"}, i.dryRun) {
		return usage("--dry-run=%s: want none, client or server", i.dryRun)
	}
	if i.request.PGPKeys, err = bootstrap.ReadPGPKeys(i.pgpFiles); err != nil {
		return err
	}
	if i.rootPGP != "" {
		keys, err := bootstrap.ReadPGPKeys([]string{i.rootPGP})
		if err != nil {
			return err
		}
		i.request.RootTokenPGPKey = keys[0]
	}
	if err := bootstrap.CheckInit(i.request); err != nil {
		return &usageError{err}
	}
	switch {
	case i.unseal && len(i.pgpFiles) > 0:
		return usage("--unseal needs the shares, and with --pgp-keys only their holders can decrypt them")
	case i.join.address != "" && !i.unseal:
		return usage("--join goes with --unseal")
	case i.outputFile == "" && !terminal(i.Out) && i.dryRun == "none":
		return fail(errors.New("the shares would go to standard output, which is no terminal"), "name a file with --output-file")
	}
	return nil
}

// split says what the key is split into.
func (i *initOptions) split() string {
	kind, use := "key shares", "unseal"
	if i.request.Recovery {
		kind, use = "recovery key shares", "make up the recovery key"
	}
	return fmt.Sprintf("%d %s, %d of them %s", i.request.Shares, kind, i.request.Threshold, use)
}

// initialize keeps the answer in the file, or shows it on a terminal without one.
func (i *initOptions) initialize(ctx context.Context, first bootstrap.Server, file *bootstrap.KeyFile) (vault.InitAnswer, error) {
	if ctx.Err() != nil {
		return vault.InitAnswer{}, ctx.Err()
	}
	answer, err := bootstrap.Init(ctx, first, i.request)
	if err != nil {
		return answer, err
	}
	if file == nil {
		i.reveal(answer)
		return answer, nil
	}
	if err := file.Write(answer, i.request); err != nil {
		if terminal(i.Out) {
			i.reveal(answer)
			return answer, fail(err, "Vault IS initialized now; the keys are shown above because the file could not be written")
		}
		return answer, fail(err, "Vault IS initialized now, and its keys are lost unless the file holds them: look at it before anything else")
	}
	return answer, nil
}

// advise says what was done and where it belongs.
func (i *initOptions) advise(state bootstrap.State, answer vault.InitAnswer) {
	fmt.Fprintf(i.ErrOut, "%s %s is initialized: %s.\n", i.marks().OK, state.Server, i.split())
	if i.outputFile != "" {
		fmt.Fprintf(i.ErrOut, "Shares and root token are in %s, which only you can read.\n", i.outputFile)
	}
	if len(i.pgpFiles) == len(answer.Shares) {
		for n, file := range i.pgpFiles {
			fmt.Fprintf(i.ErrOut, "Share %d is encrypted to the key in %s.\n", n+1, gather.Clean(file))
		}
	}
	fmt.Fprintln(i.ErrOut, "Give each share to another person or safe, apart from the root token, and then delete the file. Lost shares cannot be had again.")
	switch {
	case i.unseal:
	case i.request.Recovery:
		fmt.Fprintf(i.ErrOut, "It unseals itself (seal %s). Next: %s\n", gather.Clean(state.Type), i.again("unseal --status", i.target))
	default:
		fmt.Fprintln(i.ErrOut, "Next:", i.again("unseal", i.target))
	}
}

// selfBound is how long a Vault may take to unseal itself after init.
const selfBound = 30 * time.Second

// open goes on to unseal with the shares that are at hand.
func (i *initOptions) open(ctx context.Context, servers []bootstrap.Server, answer vault.InitAnswer) error {
	u := &unsealOptions{Options: i.Options, target: i.target, join: i.join, timeout: selfBound}
	if i.request.Recovery {
		bootstrap.AwaitOpen(ctx, servers[:1], selfBound)
	}
	return u.open(ctx, servers, handing(answer.Shares[:i.request.Threshold]))
}

// reveal shows the shares on a terminal, once. It is the one place where the plugin
// prints a secret: there is nowhere else to have it from.
func (i *initOptions) reveal(answer vault.InitAnswer) {
	out, ok := i.Out.(*os.File)
	if !ok || !terminal(out) {
		return
	}
	fmt.Fprintln(i.ErrOut, "Shown once. Write them down before you go on.")
	kind := "Key"
	if i.request.Recovery {
		kind = "Recovery key"
	}
	for n, share := range answer.Shares {
		fmt.Fprintf(out, "%s share %d: %s\n", kind, n+1, share.Reveal())
	}
	fmt.Fprintf(out, "Root token: %s\n", strings.TrimSpace(string(answer.RootToken.Reveal())))
}
