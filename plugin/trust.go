package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// serverTrust decides which server is shown the caller's own token. Whoever writes
// SecretStores in a namespace could name a server of theirs, and wait for the token of an
// administrator who rotates a secret there.
//
//	named by                    the token goes there
//	--vault-addr, VAULT_ADDR    yes: the caller named it
//	--trust-server              yes, where it is the store's
//	a ClusterSecretStore        yes: a cluster's administrators write those
//	a SecretStore alone         once the caller has agreed; --yes is no answer
type serverTrust struct{ address string }

func (t *serverTrust) addFlags(c *cobra.Command, o *Options) {
	c.Flags().StringVar(&t.address, "trust-server", "", "send your Vault token to this server (the full address) although only a SecretStore names it; --yes does not cover that")
	_ = c.RegisterFlagCompletionFunc("trust-server", o.completeServers)
}

func (t *serverTrust) validate() error {
	if t.address != "" && !vault.SameServer(t.address, t.address) {
		return usage("--trust-server=%s: want the address of a server, such as https://vault.example:8200", t.address)
	}
	return nil
}

// allow comes before anything is sent under the caller's token to the server of a store.
func (t *serverTrust) allow(ctx context.Context, o *Options, clients *kube.Clients, store eso.Store) error {
	server := store.Spec.Provider.Vault.Server
	if o.VaultAddr != "" || store.Cluster() || vault.SameServer(t.address, server) {
		return nil
	}
	named, unknown := clusterNames(ctx, clients, server)
	if named {
		return nil
	}
	shown := gather.Clean(server)
	alone := fmt.Sprintf("only SecretStore %s in namespace %s names the server %s", store.Meta.Name, store.Meta.Namespace, shown)
	if unknown != "" {
		alone += " as far as is known (" + unknown + ")"
	}
	if o.interactive() {
		fmt.Fprintf(o.ErrOut, "%s %s; whoever writes SecretStores there could have named a server of theirs.\n", o.marks().Warn, alone)
		return o.confirm(ctx, "Send your own Vault token to "+shown+"?")
	}
	err := fmt.Errorf("your Vault token is not sent: %s, and nobody can be asked; nothing was written", alone)
	if t.address != "" {
		err = fmt.Errorf("your Vault token is not sent: %s, and --trust-server names another (%s); nothing was written", alone, gather.Clean(t.address))
	}
	return fail(err, "if that server is your Vault, say so: --trust-server="+diagnose.Quote(shown))
}

// clusterNames reports whether a ClusterSecretStore names the server; unknown says why
// that could not be found out.
func clusterNames(ctx context.Context, clients *kube.Clients, server string) (named bool, unknown string) {
	stores, err := clients.ClusterSecretStores().List(ctx, metav1.ListOptions{})
	if err != nil {
		return false, "listing ClusterSecretStores: " + gather.Clean(err.Error())
	}
	return slices.ContainsFunc(stores.Items, func(s eso.ClusterSecretStore) bool {
		v := s.Spec.Provider.Vault
		return v != nil && vault.SameServer(v.Server, server)
	}), ""
}

// completeServers completes the addresses that SecretStores of the namespace name, each
// with the name of one such store.
func (o *Options) completeServers(c *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	namespace, _, err := o.namespace()
	clients, problem := o.clients()
	if errors.Join(err, problem) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := completing(c)
	defer cancel()
	stores, err := clients.SecretStores(namespace).List(ctx, metav1.ListOptions{Limit: 1000})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var servers []string
	seen := map[string]bool{}
	for i := range stores.Items {
		v := stores.Items[i].Spec.Provider.Vault
		if v == nil || seen[v.Server] {
			continue
		}
		seen[v.Server] = true
		servers = append(servers, kube.Printable(v.Server, 253)+"\tSecretStore/"+stores.Items[i].Name)
	}
	slices.Sort(servers)
	return startingWith(servers, prefix), cobra.ShellCompDirectiveNoFileComp
}
