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

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// auditing is one run of audit.
type auditing struct {
	*Options
	selection
	token  vaultToken
	print  *genericclioptions.PrintFlags
	output string
	maxAge string
	out    string

	oldest time.Duration // of --max-age; 0 is none
	gather *gather.Gatherer
	own    redact.Bytes // the caller's own token of Vault; nil for none
	vaults vaultEvidence
}

func newAuditCommand(o *Options) *cobra.Command {
	a := &auditing{Options: o, print: genericclioptions.NewPrintFlags("")}
	c := &cobra.Command{
		Use:   "audit [NAME… | -l SELECTOR | --all] [-A]",
		Short: "Evidence: where secrets come from, how old they are, who may read them",
		Long: "For each mapping: its paths with versions and times, the last sync, whether the Secret is what Vault holds, its age\n" +
			"against --max-age, who may read the Secret (by RBAC) and the path (by Vault's policies), and whether Vault has an audit\n" +
			"device. What you were not allowed to see is listed, and nothing is guessed. No values are in it.\n\n" +
			"Paths are read with the store's own credential. Policies, audit devices and metadata that it may not see are asked for\n" +
			"with your own token, if there is one (--vault-token-file, VAULT_TOKEN, ~/.vault-token), and only at servers that\n" +
			"--vault-addr or a ClusterSecretStore names: a SecretStore is a tenant's. It needs list on\n" +
			"sys/policies/acl, read on sys/policies/acl/*, read and sudo on sys/audit, read on the metadata paths.\n\n" +
			"Who may read by RBAC leaves out those who may run a Pod that mounts the Secret, and authorizers other than RBAC.\n\n" +
			"Exit codes: 0 nothing to object to; 1 it could not be done; 2 a value is older than --max-age, a Secret differs from\n" +
			"Vault, a mapping is not Ready, or a Vault has no audit device.",
		Example: "  kubectl vaultsecret audit -A --max-age 90d\n\n" +
			"  # For the file: report, table, and checksums of both\n  kubectl vaultsecret audit -A --max-age 90d --out evidence-2026-q4.zip\n\n" +
			"  kubectl vaultsecret audit -n apps -o csv > apps.csv",
		RunE: func(c *cobra.Command, args []string) error { return a.run(c.Context(), args) },
	}
	a.selectFlags(o, c)
	f := c.Flags()
	f.StringVar(&a.maxAge, "max-age", "", "how old the newest version of a path may be, e.g. 90d or 12h")
	f.StringVarP(&a.output, "output", "o", "", "table, csv, json, yaml, jsonpath=…, go-template=…")
	f.StringVar(&a.out, "out", "", "also write report, table and sha256 sums to this zip file, which must not exist")
	a.token.addFlags(c)
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "csv", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("max-age", cobra.FixedCompletions([]string{"30d", "90d", "180d", "365d"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.MarkFlagFilename("out", "zip")
	return c
}

func (a *auditing) validate(args []string) error {
	if err := a.complete(args, true); err != nil {
		return err
	}
	if a.maxAge != "" {
		age, err := parseAge(a.maxAge)
		if err != nil {
			return usage("--max-age=%s: %s", a.maxAge, err)
		}
		a.oldest = age
	}
	if slices.Contains([]string{"", "table", "csv"}, a.output) {
		return nil
	}
	return checkOutput(a.print, a.output)
}

// parseAge reads "90d" and Go durations.
func parseAge(text string) (time.Duration, error) {
	age, err := eso.DurationText(text).Parse()
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n := 0
		if _, scan := fmt.Sscanf(days+"!", "%d!", &n); scan == nil && n > 0 && n < 36500 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	if err != nil || age <= 0 {
		return 0, errors.New("want a time such as 90d or 12h")
	}
	return age, nil
}

func (a *auditing) run(ctx context.Context, args []string) error {
	if err := a.validate(args); err != nil {
		return err
	}
	// The file is there before anything is asked: a directory that cannot be written, and
	// a file that exists, are told at once.
	file, err := a.create()
	if err != nil {
		return err
	}
	report, err := a.collect(ctx)
	if err == nil && file != nil {
		err = a.pack(file, report)
	}
	if file != nil {
		err = errors.Join(err, file.Close())
		if err != nil {
			_ = os.Remove(a.out)
		}
	}
	if err != nil {
		return err
	}
	if err := a.write(report); err != nil {
		return err
	}
	if file != nil {
		fmt.Fprintf(a.ErrOut, "%s %s written; sha256sum -c manifest.sha256 checks what is in it\n", a.marks().OK, a.out)
	}
	switch {
	case len(report.missing) > 0:
		return exit(ExitFailed)
	case report.objections() > 0:
		return exit(ExitBad)
	}
	return nil
}

// create makes the evidence's file, for its owner's eyes alone; nil without --out.
func (a *auditing) create() (*os.File, error) {
	if a.out == "" {
		return nil, nil
	}
	file, err := os.OpenFile(a.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, fail(fmt.Errorf("%s exists; evidence is never overwritten", a.out), "choose another name for --out")
	}
	if err != nil {
		return nil, fmt.Errorf("making the evidence's file: %w", err)
	}
	return file, nil
}

// ownToken is the caller's token of Vault where there is one; nobody is asked for it.
func (a *auditing) ownToken(ctx context.Context) (redact.Bytes, error) {
	silent := *a.Options
	silent.NonInteractive = true
	token, err := a.token.read(ctx, &silent)
	if err != nil && a.token.file == "" {
		return nil, nil
	}
	return token, err
}
