package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// RemoveStoreFinalizers takes ESO's finalizer from a store that is being deleted, and
// leaves others'. On any other store it does nothing.
func (s Status) RemoveStoreFinalizers(ctx context.Context, store eso.Store) error {
	rest := slices.DeleteFunc(slices.Clone(store.Meta.Finalizers), func(f string) bool { return f == eso.FinalizerStore })
	if store.Meta.DeletionTimestamp == nil || len(rest) == len(store.Meta.Finalizers) {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": store.Meta.UID, "resourceVersion": store.Meta.ResourceVersion, "finalizers": rest,
	}})
	if err != nil {
		return fmt.Errorf("encoding finalizers: %w", err)
	}
	options := metav1.PatchOptions{FieldManager: Manager}
	if store.Cluster() {
		_, err = s.Clients.ClusterSecretStores().Patch(ctx, store.Meta.Name, types.MergePatchType, patch, options)
	} else {
		_, err = s.Clients.SecretStores(store.Meta.Namespace).Patch(ctx, store.Meta.Name, types.MergePatchType, patch, options)
	}
	if err == nil || apierrors.IsNotFound(err) {
		return nil
	}
	return told("removing ESO's finalizer from "+store.String(), err, nil)
}
