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
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"vaultsecret.io/kubectl-vaultsecret/internal/bootstrap"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

type unsealOptions struct {
	*Options
	target  vaultTarget
	print   *genericclioptions.PrintFlags
	status  bool
	reset   bool
	migrate bool
	join    joinFlag
	keyFile string
	output  string
	timeout time.Duration
}

func newUnsealCommand(o *Options) *cobra.Command {
	u := &unsealOptions{Options: o, print: genericclioptions.NewPrintFlags("")}
	c := &cobra.Command{
		Use:   "unseal",
		Short: "Unseal Vault's servers, or show their seals",
		Long: "Find Vault's Pods in namespace vault (or that of -n), show their state, ask for each key share once, hidden,\n" +
			"and give it to every sealed server, through a port-forward. Several people may each give one share: stop after\n" +
			"yours with an empty line or Ctrl-C, and the next person goes on with the same command.\n\n" +
			"A raft server that is not initialized is waited for; --join tells it to join, and then it is unsealed too.\n\n" +
			"Exit codes: 0 every server is open, 1 it could not be done, 2 a server is sealed or not initialized,\n" +
			"124 enough shares were given and a server did not open in time, 130 interrupted.",
		Example: "  # Ask for the shares\n  kubectl vaultsecret unseal\n\n  # What state are the servers in?\n  kubectl vaultsecret unseal --status\n\n" +
			"  # Shares from a file, one a line, or the file that init wrote\n  kubectl vaultsecret unseal --key-file vault-init.json\n\n" +
			"  # A share that was encrypted to you\n  jq -r '.unseal_keys_b64[0]' vault-init.json | base64 -d | gpg -d | kubectl vaultsecret unseal --key-file -\n\n" +
			"  # Raft servers without retry_join\n  kubectl vaultsecret unseal --join\n\n" +
			"  # One server, without Pods\n  kubectl vaultsecret unseal --vault-addr https://vault.example:8200",
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			u.target.address = c.Flags().Changed("vault-addr")
			return u.run(c.Context())
		},
	}
	u.target.addFlags(o, c)
	f := c.Flags()
	f.BoolVar(&u.status, "status", false, "show the state of every server and change nothing")
	f.BoolVar(&u.reset, "reset", false, "drop the shares that were given so far, whoever gave them")
	f.BoolVar(&u.migrate, "migrate", false, "give the shares for a pending seal migration")
	u.join.add(c)
	f.StringVar(&u.keyFile, "key-file", "", "read the shares from a file, - for standard input; never from an argument")
	f.DurationVar(&u.timeout, "timeout", 30*time.Second, "how long a server may take to open after its last share, or to join its cluster")
	f.StringVarP(&u.output, "output", "o", "", "with --status or --reset: wide, json, yaml, name, jsonpath=…, go-template=…")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"wide", "json", "yaml", "name"}, cobra.ShellCompDirectiveNoFileComp))
	c.MarkFlagsMutuallyExclusive("status", "reset", "key-file")
	c.MarkFlagsMutuallyExclusive("status", "reset", "migrate")
	c.MarkFlagsMutuallyExclusive("status", "reset", "join")
	return c
}

func (u *unsealOptions) run(ctx context.Context) error {
	if u.output != "" && !u.status && !u.reset {
		return usage("--output goes with --status or --reset")
	}
	if u.timeout <= 0 {
		return usage("--timeout=%s: want more than nothing", u.timeout)
	}
	servers, _, err := u.servers(ctx, u.target)
	if err != nil {
		return err
	}
	if u.reset {
		return u.drop(ctx, servers)
	}
	states := bootstrap.States(ctx, servers)
	if u.status {
		return u.show(states)
	}
	for _, s := range states {
		u.stateLine(s)
	}
	if !slices.ContainsFunc(states, func(s bootstrap.State) bool { return !s.Open() }) {
		fmt.Fprintln(u.ErrOut, "Every server is unsealed; nothing to do.")
		return nil
	}
	if err := bootstrap.Takes(states, u.migrate); err != nil {
		return u.ended(err)
	}
	ask, done, err := u.shares(ctx)
	if err != nil {
		return err
	}
	defer done()
	return u.open(ctx, servers, ask)
}

// drop resets the progress and says whose it was.
func (u *unsealOptions) drop(ctx context.Context, servers []bootstrap.Server) error {
	before, err := bootstrap.Reset(ctx, servers)
	for _, s := range before {
		if s.Err == nil && s.Sealed && s.Progress > 0 {
			fmt.Fprintf(u.ErrOut, "%s: %s: dropped; they must be given again\n", s.Server, gather.Clean(s.String()))
		}
	}
	if err != nil {
		return u.ended(err)
	}
	return u.show(bootstrap.States(ctx, servers))
}

type asking func(ctx context.Context, progress, threshold int) (redact.Bytes, error)

// open runs the machine and says how it ended.
func (u *unsealOptions) open(ctx context.Context, servers []bootstrap.Server, ask asking) error {
	join, err := u.join.join(u.target)
	if err != nil {
		return err
	}
	machine := bootstrap.Unseal{
		Servers: servers, Migrate: u.migrate, Join: join, Settle: u.timeout, Ask: ask,
		Say: func(server, text string) {
			fmt.Fprintf(u.ErrOut, "%s: %s\n", gather.Clean(server), gather.Clean(text))
		},
	}
	err = machine.Run(ctx)
	switch {
	case errors.Is(err, bootstrap.ErrInterrupted):
		fmt.Fprintln(u.ErrOut, gather.Clean(err.Error()))
		return err
	case errors.Is(err, bootstrap.ErrNoMoreShares):
		for _, s := range bootstrap.States(ctx, servers) {
			u.stateLine(s)
		}
		fmt.Fprintln(u.ErrOut, "Whoever has the next share goes on with:", u.again("unseal", u.target))
		return exit(ExitBad)
	case err != nil:
		return u.ended(err)
	}
	return u.opened(ctx, servers)
}

// ended gives an error the exit code and the next step that its kind has.
func (u *unsealOptions) ended(err error) error {
	is := func(kind error) bool { return errors.Is(err, kind) }
	switch {
	case is(bootstrap.ErrStillSealed):
		return &exitError{code: ExitTimeout, err: err, hint: u.again("unseal --status", u.target)}
	case is(bootstrap.ErrNotJoined) && u.join.address != "":
		return &exitError{code: ExitBad, err: err}
	case is(bootstrap.ErrNotJoined):
		return &exitError{code: ExitBad, err: err, hint: "tell it to join: " + u.again("unseal --join", u.target)}
	case is(bootstrap.ErrMigration):
		return fail(err, u.again("unseal --migrate", u.target))
	case is(bootstrap.ErrReset):
		return fail(err, "agree on who unseals, and begin again: "+u.again("unseal", u.target))
	case is(bootstrap.ErrWrongShares):
		return fail(err, "get every share anew from its holder, and begin again: "+u.again("unseal", u.target))
	case strings.Contains(err.Error(), "pods/portforward"):
		return fail(err, "you need the verb create on pods/portforward in namespace "+u.vaultNamespace()+"; or go without Pods: --vault-addr")
	}
	return err
}

// opened looks again when no more shares are wanted: a server that did not answer is
// not open.
func (u *unsealOptions) opened(ctx context.Context, servers []bootstrap.Server) error {
	bad := false
	for _, s := range bootstrap.States(ctx, servers) {
		if !s.Open() {
			bad = true
			u.stateLine(s)
		}
	}
	if bad {
		return exit(ExitBad)
	}
	fmt.Fprintf(u.ErrOut, "%s Vault is unsealed.\n", u.marks().OK)
	return nil
}

// shares is where the shares come from: a file, or a hidden prompt. done puts the
// terminal back.
func (u *unsealOptions) shares(ctx context.Context) (ask asking, done func(), err error) {
	if u.keyFile == "" {
		if !u.interactive() {
			return nil, nil, fail(errors.New("the key shares are asked for on a terminal, and this is none"), "give them with --key-file PATH, or --key-file - for standard input")
		}
		input, err := u.hide(ctx)
		if err != nil {
			return nil, nil, err
		}
		return input.share, input.show, nil
	}
	in := u.In
	if u.keyFile != "-" {
		f, err := os.Open(u.keyFile)
		if err != nil {
			return nil, nil, fmt.Errorf("reading the shares: %w", err)
		}
		defer f.Close()
		in = f
	}
	shares, err := bootstrap.ReadShares(in)
	if err != nil {
		return nil, nil, err
	}
	return handing(shares), func() {}, nil
}

// handing gives out shares that are at hand, in turn.
func handing(shares []redact.Bytes) asking {
	return func(context.Context, int, int) (redact.Bytes, error) {
		if len(shares) == 0 {
			return nil, bootstrap.ErrNoMoreShares
		}
		next := shares[0]
		shares = shares[1:]
		return next, nil
	}
}

// share asks for one share. An empty line and the end of input end the asking.
func (h *hiddenInput) share(ctx context.Context, progress, threshold int) (redact.Bytes, error) {
	share, err := h.ask(ctx, fmt.Sprintf("Key share %d of %d (hidden; an empty line stops): ", progress+1, threshold))
	if err == nil && len(share) == 0 {
		return nil, bootstrap.ErrNoMoreShares
	}
	return share, err
}
