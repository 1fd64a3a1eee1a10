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

// names lists by metadata only; whatever goes wrong completes nothing.
func (o *Options) listNames(ctx context.Context, resource schema.GroupVersionResource, namespace, prefix string) []string {
	clients, err := o.clients()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, longestCompletion)
	defer cancel()
	list, err := clients.Metadata.Resource(resource).Namespace(namespace).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return nil
	}
	var names []string
	_ = meta.EachListItem(list, func(object runtime.Object) error {
		if accessor, err := meta.Accessor(object); err == nil {
			names = append(names, kube.Printable(accessor.GetName(), 253))
		}
		return nil
	})
	slices.Sort(names)
	names = startingWith(names, prefix)
	return names[:min(len(names), maxCompletions)]
}

func startingWith(names []string, prefix string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix) })
}
