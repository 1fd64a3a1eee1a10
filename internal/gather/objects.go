package gather

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// Objects reads the three kinds of external-secrets.io. Errors are the API's.
type Objects interface {
	ExternalSecret(ctx context.Context, namespace, name string) (*eso.ExternalSecret, error)
	// ExternalSecrets lists one chunk; namespace "" is all.
	ExternalSecrets(ctx context.Context, namespace string, options metav1.ListOptions) (*eso.ExternalSecretList, error)
	// Store returns a store, SecretStores from the namespace.
	Store(ctx context.Context, ref eso.StoreRef, namespace string) (*eso.Store, error)
	// StoreNames lists the names of one kind of store.
	StoreNames(ctx context.Context, kind, namespace string) ([]string, error)
}

// chunk is how many objects one list request asks for.
const chunk = 500

// Mappings lists ExternalSecrets in chunks and calls yield with each chunk as it
// comes. It stops at yield's error. namespace "" is all namespaces.
func Mappings(ctx context.Context, objects Objects, namespace, selector string, yield func([]eso.ExternalSecret) error) error {
	options := metav1.ListOptions{Limit: chunk, LabelSelector: selector}
	for {
		list, err := objects.ExternalSecrets(ctx, namespace, options)
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
