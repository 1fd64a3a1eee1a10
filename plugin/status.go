package plugin

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
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
	f, err := s.find(ctx, s.Options, clients)
	if err != nil {
		return err
	}
	items := s.rows(ctx, clients, f.mappings)
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.write(items, f); err != nil {
		return err
	}
	if s.watch {
		return s.follow(ctx, clients, f.namespace)
	}
	for _, name := range f.missing {
		fmt.Fprintf(s.ErrOut, "error: there is no ExternalSecret %s in namespace %s\n", name, f.namespace)
	}
	switch {
	case len(f.missing) > 0:
		return exit(ExitFailed)
	case slices.ContainsFunc(items, MappingStatus.failing):
		return exit(ExitBad)
	}
	return nil
}

// rows looks at every mapping and orders them worst first.
func (s *statusing) rows(ctx context.Context, clients *kube.Clients, mappings []*eso.ExternalSecret) []MappingStatus {
	g := s.gatherer(clients, s.noLogin)
	defer g.Close(context.WithoutCancel(ctx))
	options := gather.OverviewOptions{Drift: s.drift, Consumers: s.output == "wide"}
	items := make([]MappingStatus, 0, len(mappings))
	now := time.Now()
	gather.Each(16, mappings, func(es *eso.ExternalSecret) MappingStatus {
		return mappingStatus(g.Overview(ctx, es, options))
	}, func(_ int, item MappingStatus) {
		if !s.problems || item.problem(now) {
			items = append(items, item)
		}
	})
	sortWorstFirst(items, now)
	return items
}

func (s *statusing) write(items []MappingStatus, f found) error {
	switch s.output {
	case "", "wide":
		if len(items) == 0 && len(f.missing) == 0 {
			if s.problems && len(f.mappings) > 0 {
				fmt.Fprintf(s.ErrOut, "No problems in %s.\n", count(len(f.mappings), "mapping"))
				return nil
			}
			fmt.Fprintln(s.ErrOut, f.nothing())
			return nil
		}
		if len(items) == 0 {
			return nil
		}
		t := statusTable{now: time.Now(), wide: s.output == "wide", namespaces: s.allNamespaces}
		if err := t.print(s.text(s.Out), items); err != nil {
			return err
		}
		fmt.Fprintln(s.ErrOut, footer(items, t.now))
		return nil
	case "name":
		for _, item := range items {
			fmt.Fprintf(s.Out, "externalsecret.%s/%s\n", eso.Group, item.Name)
		}
		return nil
	}
	list := &MappingStatusList{TypeMeta: metav1.TypeMeta{APIVersion: "vaultsecret.io/v1", Kind: "MappingStatusList"}, Items: items}
	return printObject(s.print, s.output, list, s.Out)
}

// follow prints a row whenever a mapping that is selected changes, until it is
// interrupted.
func (s *statusing) follow(ctx context.Context, clients *kube.Clients, namespace string) error {
	options := metav1.ListOptions{LabelSelector: s.selector}
	if len(s.chosen) == 1 {
		options.FieldSelector = "metadata.name=" + s.chosen[0]
	}
	t := statusTable{wide: s.output == "wide", namespaces: s.allNamespaces, headless: true}
	seen := map[string]string{}
	for ctx.Err() == nil {
		w, err := clients.ExternalSecrets(namespace).Watch(ctx, options)
		if err != nil {
			return fmt.Errorf("watching ExternalSecrets: %w", err)
		}
		for event := range w.ResultChan() {
			es, ok := event.Object.(*eso.ExternalSecret)
			key := ""
			if ok {
				key = es.Namespace + "/" + es.Name
			}
			switch {
			case !ok, !s.admits(es), len(s.chosen) > 0 && !slices.Contains(s.chosen, es.Name):
				continue
			case seen[key] == "" && event.Type == "ADDED" && time.Since(es.CreationTimestamp.Time) > time.Minute:
				seen[key] = es.ResourceVersion // it is in the list above
				continue
			case seen[key] == es.ResourceVersion:
				continue
			}
			seen[key] = es.ResourceVersion
			if items := s.rows(ctx, clients, []*eso.ExternalSecret{es}); len(items) > 0 {
				t.now = time.Now()
				if err := t.print(s.text(s.Out), items); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
