package gather

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// chunk is how many objects one list request asks for.
const chunk = 500

// Mappings lists ExternalSecrets in chunks and calls yield with each chunk as it
// comes. It stops at yield's error. namespace "" is all namespaces.
func Mappings(ctx context.Context, clients *kube.Clients, namespace, selector string, yield func([]eso.ExternalSecret) error) error {
	options := metav1.ListOptions{Limit: chunk, LabelSelector: selector}
	for {
		list, err := clients.ExternalSecrets(namespace).List(ctx, options)
		if err != nil {
			return err
		}
		if err := yield(list.Items); err != nil {
			return err
		}
		if list.Continue == "" {
			return nil
		}
		options.Continue = list.Continue
	}
}

// storeNames lists the names of one kind of store that a namespace could use.
func (g *Gatherer) storeNames(ctx context.Context, kind, namespace string) ([]string, error) {
	ctx, cancel := g.limited(ctx)
	defer cancel()
	var names []string
	options := metav1.ListOptions{Limit: chunk}
	if kind == eso.KindClusterSecretStore {
		list, err := g.Clients.ClusterSecretStores().List(ctx, options)
		if err != nil {
			return nil, err
		}
		for i := range list.Items {
			names = append(names, list.Items[i].Name)
		}
		return names, nil
	}
	list, err := g.Clients.SecretStores(namespace).List(ctx, options)
	if err != nil {
		return nil, err
	}
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names, nil
}
