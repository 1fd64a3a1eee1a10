package gather

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// chunk is how many objects one list request asks for.
const chunk = 500

// Mappings lists ExternalSecrets in chunks and calls yield with each chunk as it
// comes. It stops at yield's error. namespace "" is all namespaces.
func Mappings(ctx context.Context, clients *kube.Clients, namespace, selector string, yield func([]eso.ExternalSecret) error) error {
	return MappingChunks(ctx, clients, namespace, selector, func(list *eso.ExternalSecretList, _ int64) error { return yield(list.Items) })
}

// MappingChunks is Mappings with the whole list of each chunk, and with how many are
// still to come: 0 for the last chunk, -1 where the API server does not tell (with a
// selector).
func MappingChunks(ctx context.Context, clients *kube.Clients, namespace, selector string, yield func(list *eso.ExternalSecretList, left int64) error) error {
	options := metav1.ListOptions{Limit: chunk, LabelSelector: selector}
	for {
		list, err := clients.ExternalSecrets(namespace).List(ctx, options)
		var expired *apierrors.StatusError
		if apierrors.IsResourceExpired(err) && errors.As(err, &expired) && expired.ErrStatus.Continue != "" && options.Continue != "" {
			options.Continue = expired.ErrStatus.Continue // goes on from there, with what is there now
			continue
		}
		if err != nil {
			return err
		}
		left := int64(0)
		if list.Continue != "" {
			left = -1
			if list.RemainingItemCount != nil {
				left = *list.RemainingItemCount
			}
		}
		if err := yield(list, left); err != nil {
			return err
		}
		if left == 0 {
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
