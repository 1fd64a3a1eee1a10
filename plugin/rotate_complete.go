package plugin

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// completeOneMapping completes the one name that a command takes.
func (o *Options) completeOneMapping(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return o.completeMappings(c, args, prefix)
}

// completeKeys completes the keys that the named mapping spells out; no Secret is read.
func (o *Options) completeKeys(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	return o.completeOf(c, args, prefix, func(es *eso.ExternalSecret) []string {
		var keys []string
		for _, d := range es.Spec.Data {
			keys = append(keys, d.SecretKey)
		}
		if t := es.Spec.Target.Template; t != nil {
			keys = append(keys, slices.Collect(maps.Keys(t.Data))...)
		}
		return keys
	})
}

// completePaths completes the paths that the named mapping reads.
func (o *Options) completePaths(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	return o.completeOf(c, args, prefix, func(es *eso.ExternalSecret) []string {
		var paths []string
		for _, d := range es.Spec.Data {
			paths = append(paths, d.RemoteRef.Key)
		}
		for _, from := range es.Spec.DataFrom {
			if from.Extract != nil {
				paths = append(paths, from.Extract.Key)
			}
		}
		return paths
	})
}

func (o *Options) completeOf(c *cobra.Command, args []string, prefix string, of func(*eso.ExternalSecret) []string) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp
	clients, err := o.clients()
	namespace, _, nsErr := o.namespace()
	if err != nil || nsErr != nil || len(args) != 1 {
		return nil, directive
	}
	ctx, cancel := completing(c)
	defer cancel()
	es, err := clients.ExternalSecrets(namespace).Get(ctx, args[0], metav1.GetOptions{})
	if err != nil {
		return nil, directive
	}
	var names []string
	for _, name := range of(es) {
		names = append(names, kube.Printable(name, 512))
	}
	slices.Sort(names)
	return startingWith(slices.Compact(names), prefix), directive
}
