// Package engine takes one mapping end to end:
// collect → mapping → plan → apply → Outcome.
//
// It owns the ports below and knows neither client-go nor vault/api. The
// controller and the plugin run the very same engine over the same adapters
// (internal/store for Vault, internal/kube for Kubernetes).
package engine

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/plan"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// Stores opens stores for a mapping. Implemented by store.Pass.
type Stores interface {
	// Open resolves the reference (SecretStore in namespace, or
	// ClusterSecretStore) and returns a logged-in reader for the mapping's
	// namespace. Errors are *kv.Error; a store that is another controller's
	// (class, other provider) gives kv.ErrForeignStore.
	Open(ctx context.Context, ref eso.StoreRef, namespace string) (kv.Reader, error)
}

// Secrets reads and writes target Secrets. Implemented by kube.Secrets.
type Secrets interface {
	// Version is the resourceVersion of the Secret as a watch last saw it:
	// ("", true) is "known to be absent", (_, false) is "not known".
	Version(namespace, name string) (resourceVersion string, known bool)
	// Current reads the Secret from the API server; nil, nil when it does not exist.
	Current(ctx context.Context, namespace, name string) (*corev1.Secret, error)
	// Apply carries the Change out under the mapping's field manager and returns
	// the Secret as stored (nil after Delete). plan.ErrStale means that the Secret
	// changed since it was read: plan again.
	Apply(ctx context.Context, change plan.Change, fieldManager string) (*corev1.Secret, error)
}

// Sources reads what templates refer to, always in the mapping's own namespace.
// Implemented by store.Resolver.
type Sources interface {
	// Source returns the data of a "Secret" or "ConfigMap".
	Source(ctx context.Context, namespace, kind, name string) (map[string]redact.Bytes, error)
}

// Owned lists Secrets by their controller. Implemented by the metadata watch of
// internal/kube.
type Owned interface {
	// Owned returns the metadata of the Secrets of a namespace that the object
	// with the UID controls, as a watch last saw them.
	Owned(namespace string, owner types.UID) []metav1.ObjectMeta
}
