package plugin

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime/schema"

	corev1 "k8s.io/api/core/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// longestCompletion bounds what a person waits for after the Tab key.
const longestCompletion = 2 * time.Second

// namesAtOnce is how many names one request asks for. An API server that is left alone
// answers so many in half a second; in ten chunks it takes more than twice as long, and
// a prefix, of which it knows nothing, may be that of the last.
const namesAtOnce = 10_000

// completing is the time of one completion, from all that it asks.
func completing(c *cobra.Command) (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.Context(), longestCompletion)
}

// completeMappings completes names of ExternalSecrets that are not named yet.
func (o *Options) completeMappings(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	namespace, _, err := o.namespace()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := completing(c)
	defer cancel()
	names := o.listNames(ctx, eso.Resource(eso.ExternalSecrets), namespace, prefix)
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(args, name) }), cobra.ShellCompDirectiveNoFileComp
}

// completeStores completes names of stores of both kinds.
func (o *Options) completeStores(c *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	namespace, _, err := o.namespace()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := completing(c)
	defer cancel()
	names := append(o.listNames(ctx, eso.Resource(eso.SecretStores), namespace, prefix),
		o.listNames(ctx, eso.Resource(eso.ClusterSecretStores), "", prefix)...)
	slices.Sort(names)
	return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
}

func (o *Options) completeNamespaces(c *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := completing(c)
	defer cancel()
	return o.listNames(ctx, corev1.SchemeGroupVersion.WithResource("namespaces"), "", prefix), cobra.ShellCompDirectiveNoFileComp
}

func (o *Options) completeContexts(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	config, err := o.Flags.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return startingWith(slices.Sorted(maps.Keys(config.Contexts)), prefix), cobra.ShellCompDirectiveNoFileComp
}

// completePods completes names of Vault's Pods.
func (o *Options) completePods(c *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	clients, err := o.clients()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := completing(c)
	defer cancel()
	pods, err := clients.VaultPods(ctx, o.vaultNamespace())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for i := range pods {
		names = append(names, pods[i].Name)
	}
	return startingWith(names, prefix), cobra.ShellCompDirectiveNoFileComp
}

// listNames lists the names of a kind that start with prefix. What was found until the
// time was over is better than nothing; whatever else goes wrong completes nothing more.
func (o *Options) listNames(ctx context.Context, resource schema.GroupVersionResource, namespace, prefix string) []string {
	clients, err := o.clients()
	if err != nil {
		return nil
	}
	var names []string
	_ = clients.Names(ctx, resource, namespace, namesAtOnce, func(chunk []string) { // nobody could be told
		for _, name := range startingWith(chunk, prefix) {
			names = append(names, kube.Printable(name, 253))
		}
	})
	slices.Sort(names)
	return names
}

func startingWith(names []string, prefix string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix) })
}
