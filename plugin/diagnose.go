package plugin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// diagnosing is one run of diagnose.
type diagnosing struct {
	*Options
	selection
	print     *genericclioptions.PrintFlags
	output    string
	short     bool
	groups    []string
	noLogin   bool
	failOn    string
	explain   string
	preflight bool
}

func newDiagnoseCommand(o *Options) *cobra.Command {
	d := &diagnosing{Options: o, print: genericclioptions.NewPrintFlags("")}
	c := &cobra.Command{
		Use:   "diagnose (NAME… | -l SELECTOR | --all [-A] | --preflight | --explain CODE)",
		Short: "Find out why an ExternalSecret fails, and what to type",
		Long: "Walks from the ExternalSecret over its store and credential to the path in Vault, and stops at the root cause:\n" +
			"what needs a check that failed is skipped. Each failure prints its fix. Vault is asked with the store's own\n" +
			"credential, never with more; --no-login asks for no token at all.\n\n" +
			"Exit codes: 0 nothing failed, 1 it could not be looked at, or something stayed unknown, 2 a check failed,\n3 warnings only (--fail-on=warning).",
		Example: "  kubectl vaultsecret diagnose -n apps authelia-secrets\n" +
			"  kubectl vaultsecret diagnose --all -A --short\n  kubectl vaultsecret diagnose --explain VS504",
		RunE: func(c *cobra.Command, args []string) error { return d.run(c.Context(), args) },
	}
	d.selectFlags(o, c)
	f := c.Flags()
	f.StringVarP(&d.output, "output", "o", "", "json, yaml, junit, name, jsonpath=…, go-template=…")
	f.BoolVar(&d.short, "short", false, "root causes only, a line each with its fix")
	f.StringSliceVar(&d.groups, "only", nil, "print and judge these groups only: "+strings.Join(diagnose.Groups(), ", "))
	f.BoolVar(&d.noLogin, "no-login", false, "do not log in to Vault; what needs it is skipped")
	f.StringVar(&d.failOn, "fail-on", "error", "what makes the exit code bad: error, warning or never")
	f.StringVar(&d.explain, "explain", "", "print the runbook's section of a code; needs no cluster")
	f.BoolVar(&d.preflight, "preflight", false, "check the cluster alone, before anything is installed")
	_ = c.RegisterFlagCompletionFunc("only", cobra.FixedCompletions(diagnose.Groups(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("fail-on", cobra.FixedCompletions([]string{"error", "warning", "never"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml", "junit", "name"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("explain", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var codes []string
		for _, check := range diagnose.Checks() {
			codes = append(codes, check.Code+"\t"+check.Title)
		}
		return codes, cobra.ShellCompDirectiveNoFileComp
	})
	return c
}

func (d *diagnosing) run(ctx context.Context, args []string) error {
	if d.explain != "" {
		text, err := explainCode(d.explain)
		if err != nil {
			return usage("%s", err)
		}
		_, err = fmt.Fprint(d.Out, text)
		return err
	}
	for _, group := range d.groups {
		if !slices.Contains(diagnose.Groups(), group) {
			return usage("--only=%s: want %s", group, strings.Join(diagnose.Groups(), ", "))
		}
	}
	if !slices.Contains([]string{"error", "warning", "never"}, d.failOn) {
		return usage("--fail-on=%s: want error, warning or never", d.failOn)
	}
	if !d.preflight {
		if err := d.complete(args, false); err != nil {
			return err
		}
	}
	clients, err := d.clients()
	if err != nil {
		return err
	}
	g := d.gatherer(clients, d.noLogin)
	defer g.Close(context.WithoutCancel(ctx))
	reports, err := d.reports(ctx, clients, g)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(reports) == 0 {
		return nil
	}
	if err := d.write(reports); err != nil {
		return err
	}
	return d.verdict(reports)
}

// reports diagnoses what was selected. Names that do not exist are diagnosed too:
// that they are missing is the root cause.
func (d *diagnosing) reports(ctx context.Context, clients *kube.Clients, g *gather.Gatherer) ([]diagnose.Report, error) {
	namespace, _, err := d.namespace()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	if d.preflight {
		return []diagnose.Report{diagnose.Preflight(g.Cluster(ctx))}, nil
	}
	if len(d.chosen) > 0 {
		var mappings []*eso.ExternalSecret
		for _, name := range d.chosen {
			es := new(eso.ExternalSecret)
			es.Namespace, es.Name = namespace, name
			mappings = append(mappings, es)
		}
		return d.each(mappings, func(es *eso.ExternalSecret) diagnose.Facts { return g.Facts(ctx, es.Namespace, es.Name, nil) }), nil
	}
	f, err := d.find(ctx, d.Options, clients)
	if err != nil {
		return nil, err
	}
	if len(f.mappings) == 0 {
		fmt.Fprintln(d.ErrOut, f.nothing())
		return nil, nil
	}
	return d.each(f.mappings, func(es *eso.ExternalSecret) diagnose.Facts { return g.Facts(ctx, es.Namespace, es.Name, es) }), nil
}

// each looks at the mappings, bounded, and says on a terminal how far it is.
func (d *diagnosing) each(mappings []*eso.ExternalSecret, look func(*eso.ExternalSecret) diagnose.Facts) []diagnose.Report {
	reports := make([]diagnose.Report, 0, len(mappings))
	progress := len(mappings) > 1 && terminal(d.ErrOut)
	gather.Each(16, mappings, func(es *eso.ExternalSecret) diagnose.Report { return diagnose.Run(look(es)) }, func(i int, r diagnose.Report) {
		reports = append(reports, r)
		if progress {
			fmt.Fprintf(d.ErrOut, "\r%d of %d", i+1, len(mappings))
		}
	})
	if progress {
		fmt.Fprint(d.ErrOut, "\r\x1b[K")
	}
	return reports
}

func (d *diagnosing) write(reports []diagnose.Report) error {
	switch d.output {
	case "":
	case "junit":
		return writeJUnit(d.Out, reports)
	case "name":
		for _, r := range reports {
			fmt.Fprintf(d.Out, "externalsecret.%s/%s\n", eso.Group, r.Name)
		}
		return nil
	default:
		return printObject(d.print, d.output, diagnosisList(reports), d.Out)
	}
	p := diagnosisPrinter{
		out: d.text(d.Out), mark: d.marker(d.Out), root: "← root cause", groups: d.groups, short: d.short,
	}
	if len(reports) > 1 && !d.short && len(d.chosen) == 0 {
		p.causes(reports)
		return nil
	}
	for i, r := range reports {
		if i > 0 && !d.short {
			fmt.Fprintln(d.Out)
		}
		p.report(r)
	}
	return nil
}

// verdict is the exit code: a named mapping that is missing, an API server that does
// not answer, or nothing worse than facts that could not be had, is "could not"; a
// failed check is "bad".
func (d *diagnosing) verdict(reports []diagnose.Report) error {
	failed, warned, unknown := false, false, false
	for _, r := range reports {
		if len(d.chosen) > 0 && r.Missing || slices.Contains(r.RootCauses, "VS101") {
			return exit(ExitFailed)
		}
		for _, f := range r.Checks {
			if len(d.groups) > 0 && !slices.Contains(d.groups, f.Group) {
				continue
			}
			failed = failed || f.Status == diagnose.StatusFail
			warned = warned || f.Status == diagnose.StatusWarn
			unknown = unknown || f.Status == diagnose.StatusUnknown
		}
	}
	switch {
	case d.failOn == "never":
	case failed:
		return exit(ExitBad)
	case unknown:
		return exit(ExitFailed)
	case warned && d.failOn == "warning":
		return exit(ExitWarning)
	}
	return nil
}
