package plugin

import (
	"fmt"

	"github.com/spf13/cobra"

	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

func newMappingExportCommand(o *Options) *cobra.Command {
	s := &selection{}
	c := &cobra.Command{
		Use:   "export NAME… | -l SELECTOR | --all [-A]",
		Short: "Print ExternalSecrets as they stand in Git",
		Long: "YAML without status, uid and managedFields, without what a CRD's defaults filled in, and without the labels that Flux\n" +
			"and Argo CD set. It holds no secret values.",
		Example: "  kubectl vaultsecret mapping export -n apps --all > mappings.yaml",
		RunE: func(c *cobra.Command, args []string) error {
			if err := s.complete(args, false); err != nil {
				return err
			}
			clients, err := o.clients()
			if err != nil {
				return err
			}
			f, err := s.find(c.Context(), o, clients)
			if err != nil {
				return err
			}
			f.sayMissing(o.ErrOut)
			if len(f.mappings)+len(f.missing) == 0 {
				fmt.Fprintln(o.ErrOut, f.nothing())
			}
			for i, es := range f.mappings {
				if i > 0 {
					fmt.Fprintln(o.Out, "---")
				}
				if err := o.printManifest(kube.MappingManifest(es)); err != nil {
					return err
				}
			}
			if len(f.missing) > 0 {
				return exit(ExitFailed)
			}
			return nil
		},
	}
	s.selectFlags(o, c)
	return c
}
