package plugin

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	corev1 "k8s.io/api/core/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// longestCompletion bounds what a person waits for after the Tab key.
const longestCompletion = 2 * time.Second

// maxCompletions bounds how many names one Tab asks for.
const maxCompletions = 1000

// completeMappings completes names of ExternalSecrets that are not named yet.
func (o *Options) completeMappings(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	namespace, _, err := o.namespace()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := o.listNames(c.Context(), eso.Resource(eso.ExternalSecrets), namespace, prefix)
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(args, name) }), cobra.ShellCompDirectiveNoFileComp
}

// completeStores completes names of stores of both kinds.
func (o *Options) completeStores(c *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	namespace, _, err := o.namespace()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := append(o.listNames(c.Context(), eso.Resource(eso.SecretStores), namespace, prefix),
		o.listNames(c.Context(), eso.Resource(eso.ClusterSecretStores), "", prefix)...)
	slices.Sort(names)
	return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
}

func (o *Options) completeNamespaces(c *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	return o.listNames(c.Context(), corev1.SchemeGroupVersion.WithResource("namespaces"), "", prefix), cobra.ShellCompDirectiveNoFileComp
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
	ctx, cancel := context.WithTimeout(c.Context(), longestCompletion)
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

// listNames lists by metadata only, in chunks, until there are enough or the time is
// over: what was found by then is better than nothing. Whatever else goes wrong
// completes nothing more.
func (o *Options) listNames(ctx context.Context, resource schema.GroupVersionResource, namespace, prefix string) []string {
	clients, err := o.clients()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, longestCompletion)
	defer cancel()
	var names []string
	options := metav1.ListOptions{Limit: 250} // the first ones come soon
	for {
		list, err := clients.Metadata.Resource(resource).Namespace(namespace).List(ctx, options)
		if err != nil {
			break
		}
		_ = meta.EachListItem(list, func(object runtime.Object) error {
			if accessor, err := meta.Accessor(object); err == nil {
				names = append(names, kube.Printable(accessor.GetName(), 253))
			}
			return nil
		})
		names = startingWith(names, prefix)
		if options.Continue = list.GetContinue(); options.Continue == "" || len(names) >= maxCompletions {
			break
		}
		options.Limit = maxCompletions // and the rest in few requests
	}
	slices.Sort(names)
	return names[:min(len(names), maxCompletions)]
}

func startingWith(names []string, prefix string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix) })
}
