package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

func newMappingCommand(o *Options) *cobra.Command {
	c := &cobra.Command{
		Use:   "mapping",
		Short: "Make, show, change and remove mappings (ExternalSecrets)",
		Long: "A mapping is one ExternalSecret: paths of Vault, and the Kubernetes Secret that is made of them. What Flux or Argo CD\n" +
			"keeps is never written: the manifest for Git is printed instead.",
		Example: "  kubectl vaultsecret mapping list -A\n" +
			"  kubectl vaultsecret mapping create api-db --store vault --from secret/app/db#password=password\n" +
			"  kubectl vaultsecret mapping import api-db --store vault --path secret/app/db",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("unknown command %q for %q", args[0], commandName(c))
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		newMappingCreateCommand(o), newMappingListCommand(o), newMappingGetCommand(o), newMappingEditCommand(o),
		newMappingDeleteCommand(o), newMappingExportCommand(o), newMappingImportCommand(o),
	)
	return c
}

// mapWriting is what the commands share that write an ExternalSecret.
type mapWriting struct {
	*Options
	print   *genericclioptions.PrintFlags
	output  string
	dryRun  string
	noCheck bool

	clients *kube.Clients
	gather  *gather.Gatherer
}

func newMapWriting(o *Options) mapWriting {
	return mapWriting{Options: o, print: genericclioptions.NewPrintFlags("")}
}

func (m *mapWriting) addFlags(c *cobra.Command) {
	c.Flags().StringVar(&m.dryRun, "dry-run", "none", "none; client sends nothing; server lets the API server judge and keeps nothing")
	c.Flags().StringVarP(&m.output, "output", "o", "", "json, yaml, name, jsonpath=…, go-template=…")
	_ = c.RegisterFlagCompletionFunc("dry-run", cobra.FixedCompletions([]string{"none", "client", "server"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml", "name"}, cobra.ShellCompDirectiveNoFileComp))
}

func (m *mapWriting) addCheckFlag(c *cobra.Command) {
	c.Flags().BoolVar(&m.noCheck, "no-check", false, "do not read the paths in Vault first")
}

func (m *mapWriting) validate() error {
	if !slices.Contains([]string{"none", "client", "server"}, m.dryRun) {
		return usage("--dry-run=%s: want none, client or server", m.dryRun)
	}
	if m.output == "name" {
		return nil
	}
	return checkOutput(m.print, m.output)
}

// connect builds the clients and the gatherer.
func (m *mapWriting) connect() error {
	var err error
	if m.clients, err = m.Options.clients(); err != nil {
		return err
	}
	m.gather = m.gatherer(m.clients, false)
	return nil
}

func (m *mapWriting) close(ctx context.Context) { m.gather.Close(context.WithoutCancel(ctx)) }

// done prints what became of an ExternalSecret, as kubectl does.
func (m *mapWriting) done(es *eso.ExternalSecret, verb string) error {
	switch m.output {
	case "":
		fmt.Fprintf(m.Out, "externalsecret.%s/%s %s%s\n", eso.Group, es.Name, verb, map[string]string{"client": " (dry run)", "server": " (server dry run)"}[m.dryRun])
		return nil
	case "name":
		fmt.Fprintf(m.Out, "externalsecret.%s/%s\n", eso.Group, es.Name)
		return nil
	}
	es.APIVersion, es.Kind, es.ManagedFields = eso.GroupVersion().String(), eso.KindExternalSecret, nil
	return printObject(m.print, m.output, es, m.Out)
}

// storeNamed finds the store that a person means: KIND/NAME, or a NAME that one kind
// alone has.
func (m *mapWriting) storeNamed(ctx context.Context, text, namespace string) (eso.StoreRef, error) {
	if kind, name, ok := strings.Cut(text, "/"); ok {
		for _, known := range []string{eso.KindSecretStore, eso.KindClusterSecretStore} {
			if strings.EqualFold(kind, known) && name != "" {
				return eso.StoreRef{Name: name, Kind: known}, nil
			}
		}
		return eso.StoreRef{}, usage("--store=%s: want NAME, SecretStore/NAME or ClusterSecretStore/NAME", text)
	}
	if problems := validation.IsDNS1123Subdomain(text); len(problems) > 0 {
		return eso.StoreRef{}, usage("--store=%s: %s", text, problems[0])
	}
	var found []eso.StoreRef
	var errs []error
	for _, kind := range []string{eso.KindSecretStore, eso.KindClusterSecretStore} {
		ref := eso.StoreRef{Name: text, Kind: kind}
		store, err := m.gather.Store(ctx, ref, namespace)
		if err != nil {
			errs = append(errs, fmt.Errorf("reading %s: %w", ref, err))
		} else if store != nil {
			found = append(found, ref)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 2:
		return eso.StoreRef{}, fail(fmt.Errorf("there are SecretStore %s/%s and ClusterSecretStore %s", namespace, text, text), "say which: --store SecretStore/"+text+" or --store ClusterSecretStore/"+text)
	case len(errs) > 0:
		return eso.StoreRef{}, errors.Join(errs...)
	}
	return eso.StoreRef{}, fail(fmt.Errorf("there is no SecretStore %s in namespace %s, and no ClusterSecretStore of that name", text, namespace), "kubectl get secretstores,clustersecretstores -A lists them")
}
