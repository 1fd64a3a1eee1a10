package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// Manager is the field manager under which status is written. It tells our
// controller's mappings from ESO's.
const Manager = "vaultsecret-controller"

// Status writes status subresources, by merge patch and only when something differs.
type Status struct{ Clients *Clients }

// ExternalSecret writes a mapping's status. An object that is gone, or was replaced,
// is no error.
func (s Status) ExternalSecret(ctx context.Context, es *eso.ExternalSecret, status eso.ExternalSecretStatus) error {
	if reflect.DeepEqual(es.Status, status) {
		return nil
	}
	patch, err := statusPatch(es.UID, status)
	if err != nil {
		return err
	}
	_, err = s.Clients.ExternalSecrets(es.Namespace).Patch(ctx, es.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: Manager}, "status")
	return ended(err, "ExternalSecret "+es.Namespace+"/"+es.Name)
}

// Store writes a store's status.
func (s Status) Store(ctx context.Context, store eso.Store, status eso.StoreStatus) error {
	if reflect.DeepEqual(*store.Status, status) {
		return nil
	}
	patch, err := statusPatch(store.Meta.UID, status)
	if err != nil {
		return err
	}
	options := metav1.PatchOptions{FieldManager: Manager}
	if store.Cluster() {
		_, err = s.Clients.ClusterSecretStores().Patch(ctx, store.Meta.Name, types.MergePatchType, patch, options, "status")
	} else {
		_, err = s.Clients.SecretStores(store.Meta.Namespace).Patch(ctx, store.Meta.Name, types.MergePatchType, patch, options, "status")
	}
	return ended(err, store.String())
}

// statusPatch names the UID, so that a status never lands on an object of the same
// name that came after.
func statusPatch(uid types.UID, status any) ([]byte, error) {
	return json.Marshal(map[string]any{"metadata": map[string]any{"uid": uid}, "status": status})
}

func ended(err error, what string) error {
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return fmt.Errorf("writing the status of %s: %w", what, err)
}

// RemoveFinalizers takes away what ESO put on an ExternalSecret that is being deleted.
func (s Status) RemoveFinalizers(ctx context.Context, es *eso.ExternalSecret) error {
	rest := slices.DeleteFunc(slices.Clone(es.Finalizers), func(f string) bool {
		return f == eso.FinalizerExternalSecret || f == eso.FinalizerStore
	})
	if len(rest) == len(es.Finalizers) {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": es.UID, "resourceVersion": es.ResourceVersion, "finalizers": rest,
	}})
	if err != nil {
		return err
	}
	_, err = s.Clients.ExternalSecrets(es.Namespace).Patch(ctx, es.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: Manager})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("removing ESO's finalizer from ExternalSecret %s/%s: %w", es.Namespace, es.Name, err)
	}
	return nil
}
