package plugin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"vaultsecret.io/kubectl-vaultsecret/internal/bootstrap"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

type unsealOptions struct {
	*Options
	target      vaultTarget
	status      bool
	reset       bool
	migrate     bool
	keyFile     string
	output      string
	addressFlag bool
}

func newUnsealCommand(o *Options) *cobra.Command {
	u := &unsealOptions{Options: o}
	c := &cobra.Command{
		Use:   "unseal",
		Short: "Unseal Vault's servers, or show their seals",
		Long: "Find Vault's Pods in namespace vault (or that of -n), show their state, ask for each key share once, hidden,\n" +
			"and give it to every sealed server, through a port-forward. Several people may each give one share: stop after\n" +
			"yours with Ctrl-C or an empty line, and the next person goes on.\n\n" +
			"Exit code 0: every server is open. 2: a server is sealed or not initialized.",
		Example: "  # Ask for the shares\n  kubectl vaultsecret unseal\n\n  # What state are the servers in?\n  kubectl vaultsecret unseal --status\n\n" +
			"  # Shares from a file, one a line, or the file that init wrote\n  kubectl vaultsecret unseal --key-file vault-init.json\n\n" +
			"  # One server, without Pods\n  kubectl vaultsecret unseal --vault-addr https://vault.example:8200",
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			u.addressFlag = c.Flags().Changed("vault-addr")
			return u.run(c.Context())
		},
	}
	u.target.addFlags(c.Flags())
	c.Flags().BoolVar(&u.status, "status", false, "show the state of every server and change nothing")
	c.Flags().BoolVar(&u.reset, "reset", false, "drop the shares that were given so far")
	c.Flags().BoolVar(&u.migrate, "migrate", false, "give the shares for a pending seal migration")
	c.Flags().StringVar(&u.keyFile, "key-file", "", "read the shares from a file, - for standard input; never from an argument")
	c.Flags().StringVarP(&u.output, "output", "o", "", "with --status: json or yaml")
	_ = c.RegisterFlagCompletionFunc("pod", o.completePods)
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	c.MarkFlagsMutuallyExclusive("status", "reset", "key-file")
	return c
}

func (u *unsealOptions) run(ctx context.Context) error {
	if !slices.Contains([]string{"", "json", "yaml"}, u.output) || u.output != "" && !u.status {
		return usage("--output goes with --status, and is json or yaml")
	}
	servers, err := u.servers(ctx, u.target, u.addressFlag)
	if err != nil {
		return err
	}
	states := bootstrap.States(ctx, servers)
	switch {
	case u.status:
		return u.show(states)
	case u.reset:
		if err := bootstrap.Reset(ctx, servers); err != nil {
			return err
		}
		return u.show(bootstrap.States(ctx, servers))
	}
	for _, s := range states {
		u.line(s)
	}
	if !slices.ContainsFunc(states, func(s bootstrap.State) bool { return s.Err != nil || s.Sealed || !s.Initialized }) {
		fmt.Fprintln(u.ErrOut, "Every server is unsealed; nothing to do.")
		return nil
	}
	ask, err := u.shares()
	if err != nil {
		return err
	}
	machine := bootstrap.Unseal{Servers: servers, Migrate: u.migrate, Ask: ask, Say: func(server, text string) {
		fmt.Fprintf(u.ErrOut, "%s: %s\n", gather.Clean(server), gather.Clean(text))
	}}
	err = machine.Run(ctx)
	switch {
	case errors.Is(err, bootstrap.ErrNoMoreShares):
		return &exitError{code: ExitBad, err: err}
	case err != nil:
		return err
	}
	return u.opened(ctx, servers)
}

// opened looks again when no more shares are wanted: a server that did not answer is
// not open.
func (u *unsealOptions) opened(ctx context.Context, servers []bootstrap.Server) error {
	bad := false
	for _, s := range bootstrap.States(ctx, servers) {
		if s.Err != nil || s.Sealed || !s.Initialized {
			bad = true
			u.line(s)
		}
	}
	if bad {
		return exit(ExitBad)
	}
	fmt.Fprintf(u.ErrOut, "%s Vault is unsealed.\n", u.marks().OK)
	return nil
}

// shares is where the shares come from: a file, or a hidden prompt.
func (u *unsealOptions) shares() (func(ctx context.Context, progress, threshold int) (redact.Bytes, error), error) {
	if u.keyFile == "" {
		if !u.interactive() {
			return nil, fail(errors.New("the key shares are asked for on a terminal, and this is none"), "give them with --key-file PATH, or --key-file - for standard input")
		}
		return u.prompt, nil
	}
	in := u.In
	if u.keyFile != "-" {
		f, err := os.Open(u.keyFile)
		if err != nil {
			return nil, fmt.Errorf("reading the shares: %w", err)
		}
		defer f.Close()
		in = f
	}
	shares, err := bootstrap.ReadShares(in)
	if err != nil {
		return nil, err
	}
	return func(context.Context, int, int) (redact.Bytes, error) {
		if len(shares) == 0 {
			return nil, bootstrap.ErrNoMoreShares
		}
		next := shares[0]
		shares = shares[1:]
		return next, nil
	}, nil
}

// prompt asks for one share without showing it. An empty line and the end of input
// end the asking.
func (u *unsealOptions) prompt(ctx context.Context, progress, threshold int) (redact.Bytes, error) {
	share, err := u.askHidden(ctx, fmt.Sprintf("Key share %d of %d (hidden; an empty line stops): ", progress+1, threshold))
	if err == nil && len(share) == 0 {
		return nil, bootstrap.ErrNoMoreShares
	}
	return share, err
}

// line prints one server's state.
func (u *unsealOptions) line(s bootstrap.State) {
	mark := u.marks().OK
	switch {
	case s.Err != nil:
		mark = u.marks().Warn
	case !s.Initialized, s.Sealed:
		mark = u.marks().Fail
	}
	details := ""
	if s.Err == nil {
		details = fmt.Sprintf(" (seal %s, v%s)", s.Type, s.Version)
	}
	fmt.Fprintf(u.ErrOut, "%s %s: %s%s\n", mark, s.Server, gather.Clean(s.String()), gather.Clean(details))
}

// SealStatusList is what unseal --status prints with -o json and yaml.
type SealStatusList struct {
	APIVersion string       `json:"apiVersion"`
	Kind       string       `json:"kind"`
	Items      []SealStatus `json:"items"`
}

// SealStatus is one server's state; with Error nothing else of it is known.
type SealStatus struct {
	Server      string `json:"server"`
	Initialized bool   `json:"initialized"`
	Sealed      bool   `json:"sealed"`
	Active      bool   `json:"active"`
	Type        string `json:"type,omitempty"`
	Threshold   int    `json:"threshold,omitempty"`
	Shares      int    `json:"shares,omitempty"`
	Progress    int    `json:"progress"`
	Version     string `json:"version,omitempty"`
	Error       string `json:"error,omitempty"`
}

func (u *unsealOptions) show(states []bootstrap.State) error {
	list := SealStatusList{APIVersion: "vaultsecret.io/v1", Kind: "SealStatusList"}
	bad := false
	for _, s := range states {
		item := SealStatus{
			Server: s.Server, Initialized: s.Initialized, Sealed: s.Sealed, Active: s.Active, Type: s.Type,
			Threshold: s.Threshold, Shares: s.Shares, Progress: s.Progress, Version: s.Version,
		}
		if s.Err != nil {
			item.Error = gather.Clean(s.Err.Error())
		}
		bad = bad || s.Err != nil || s.Sealed || !s.Initialized
		list.Items = append(list.Items, item)
	}
	if err := u.printStatus(list, states); err != nil {
		return err
	}
	if bad {
		return exit(ExitBad)
	}
	return nil
}

func (u *unsealOptions) printStatus(list SealStatusList, states []bootstrap.State) error {
	switch u.output {
	case "json":
		encoder := json.NewEncoder(u.Out)
		encoder.SetIndent("", "    ")
		return encoder.Encode(list)
	case "yaml":
		doc, err := yaml.Marshal(list)
		if err == nil {
			_, err = u.Out.Write(doc)
		}
		return err
	}
	out := bufio.NewWriter(u.Out)
	var rows [][]string
	for _, s := range states {
		rows = append(rows, []string{s.Server, gather.Clean(s.String()), dash(s.Type), dash(s.Version)})
	}
	if err := table(out, []string{"SERVER", "STATE", "SEAL", "VERSION"}, rows); err != nil {
		return err
	}
	return out.Flush()
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return gather.Clean(text)
}
