package plugin

import (
	"context"
	"runtime/debug"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
)

// statusing is one run of status.
type statusing struct {
	*Options
	selection
	print    *genericclioptions.PrintFlags
	output   string
	watch    bool
	problems bool
	drift    bool
	noLogin  bool
}

func newStatusCommand(o *Options) *cobra.Command {
	s := &statusing{Options: o, print: genericclioptions.NewPrintFlags("")}
	c := &cobra.Command{
		Use:   "status [NAME… | -l SELECTOR | --all] [-A]",
		Short: "One row an ExternalSecret, worst first",
		Long: "Prints what every ExternalSecret's controller has made of it, whoever that is: ours or External Secrets Operator.\n" +
			"Where the condition tells no cause, the newest warning event does. With --drift Vault is asked, by the store's\n" +
			"own credential, for the newest version of every path.\n\nExit codes: 0 all Ready, 1 it could not be looked at, 2 some are not.",
		Example: "  kubectl vaultsecret status -A\n  kubectl vaultsecret status -n apps --problems -o wide\n  kubectl vaultsecret status --drift",
		RunE:    func(c *cobra.Command, args []string) error { return s.run(c.Context(), args) },
	}
	s.selectFlags(o, c)
	f := c.Flags()
	f.StringVarP(&s.output, "output", "o", "", "wide, json, yaml, name, jsonpath=…, go-template=…")
	f.BoolVarP(&s.watch, "watch", "w", false, "after the list, print what changes")
	f.BoolVar(&s.problems, "problems", false, "only what is failing, overdue or behind Vault")
	f.BoolVar(&s.drift, "drift", false, "ask Vault for the newest versions")
	f.BoolVar(&s.noLogin, "no-login", false, "do not log in to Vault")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"wide", "json", "yaml", "name"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (s *statusing) run(ctx context.Context, args []string) error {
	if err := s.complete(args, true); err != nil {
		return err
	}
	if s.watch && !slices.Contains([]string{"", "wide"}, s.output) {
		return usage("-w prints a table; it does not go with --output=%s", s.output)
	}
	clients, err := s.clients()
	if err != nil {
		return err
	}
	list := statusList{statusing: s, now: time.Now(), items: []MappingStatus{}, people: s.output == "" || s.output == "wide"}
	list.table = statusTable{now: list.now, wide: s.output == "wide", namespaces: s.allNamespaces}
	defer debug.SetGCPercent(debug.SetGCPercent(smallHeap))
	g := s.gatherer(clients, s.noLogin || !s.drift)
	defer g.Close(context.WithoutCancel(ctx))
	seen := seenVersions{}
	f, err := s.each(ctx, s.Options, clients, func(chunk []*eso.ExternalSecret, left int64) error {
		for _, es := range chunk {
			if s.watch {
				seen.take(es)
			}
		}
		return list.take(ctx, g, chunk, left)
	})
	if err != nil {
		return err
	}
	if err := list.finish(f); err != nil {
		return err
	}
	if s.watch {
		return s.follow(ctx, clients, f, seen, &list.table)
	}
	f.sayMissing(s.ErrOut)
	switch {
	case len(f.missing) > 0:
		return exit(ExitFailed)
	case slices.ContainsFunc(list.items, MappingStatus.failing):
		return exit(ExitBad)
	}
	return nil
}

// smallHeap is the GC percentage under which a list of ten thousand mappings stays in
// little memory: most of what a chunk brings is garbage once its rows are made.
const smallHeap = 30

// rows looks at mappings, in their order.
func (s *statusing) rows(ctx context.Context, g *gather.Gatherer, mappings []*eso.ExternalSecret, now time.Time) []MappingStatus {
	options := gather.OverviewOptions{Drift: s.drift, Consumers: s.output != "" && s.output != "name"}
	items := make([]MappingStatus, 0, len(mappings))
	gather.Each(16, mappings, func(es *eso.ExternalSecret) MappingStatus {
		return mappingStatus(g.Overview(ctx, es, options))
	}, func(_ int, item MappingStatus) {
		if !s.problems || item.problem(now) {
			items = append(items, item)
		}
	})
	return items
}
