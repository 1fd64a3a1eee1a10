package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// Manager is the field manager under which status is written. It tells our
// controller's mappings from ESO's.
const Manager = "vaultsecret-controller"

// Status writes status subresources, and only when something differs.
type Status struct{ Clients *Clients }

// ExternalSecret writes a mapping's status, and returns the mapping as stored; nil when
// nothing was written. An object that is gone, or was replaced, is no error.
func (s Status) ExternalSecret(ctx context.Context, es *eso.ExternalSecret, status eso.ExternalSecretStatus) (*eso.ExternalSecret, error) {
	patch, err := statusPatch(es.UID, es.Status, status)
	if patch == nil {
		return nil, err
	}
	stored, err := s.Clients.ExternalSecrets(es.Namespace).Patch(ctx, es.Name, types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: Manager}, "status")
	if err != nil {
		return nil, ended(err, "ExternalSecret "+es.Namespace+"/"+es.Name)
	}
	return stored, nil
}

// Store writes a store's status.
func (s Status) Store(ctx context.Context, store eso.Store, status eso.StoreStatus) error {
	patch, err := statusPatch(store.Meta.UID, *store.Status, status)
	if patch == nil {
		return err
	}
	options := metav1.PatchOptions{FieldManager: Manager}
	if store.Cluster() {
		_, err = s.Clients.ClusterSecretStores().Patch(ctx, store.Meta.Name, types.JSONPatchType, patch, options, "status")
	} else {
		_, err = s.Clients.SecretStores(store.Meta.Namespace).Patch(ctx, store.Meta.Name, types.JSONPatchType, patch, options, "status")
	}
	return ended(err, store.String())
}

// statusPatch is nil when the status says the same on the wire. It tests the UID, so
// that a status never lands on an object of the same name that came after: the UID in
// a merge patch of a status is passed over.
func statusPatch(uid types.UID, old, status any) ([]byte, error) {
	before, err := json.Marshal(old)
	if err != nil {
		return nil, fmt.Errorf("encoding a status: %w", err)
	}
	after, err := json.Marshal(status)
	if err != nil {
		return nil, fmt.Errorf("encoding a status: %w", err)
	}
	if bytes.Equal(before, after) {
		return nil, nil
	}
	return json.Marshal([]map[string]any{
		{"op": "test", "path": "/metadata/uid", "value": uid},
		{"op": "add", "path": "/status", "value": json.RawMessage(after)},
	})
}

func ended(err error, what string) error {
	if err == nil || apierrors.IsNotFound(err) || replaced(err) {
		return nil
	}
	return told("writing the status of "+what, err, nil)
}

// replaced reports whether the test of the UID failed. The API server names no field
// then, as it does for a status that breaks the schema.
func replaced(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) {
		return false
	}
	details := status.Status().Details
	return details == nil || len(details.Causes) == 0
}

// RemoveFinalizers takes away what ESO put on an ExternalSecret that is being
// deleted, and leaves others' finalizers. On any other object it does nothing.
func (s Status) RemoveFinalizers(ctx context.Context, es *eso.ExternalSecret) error {
	rest := slices.DeleteFunc(slices.Clone(es.Finalizers), func(f string) bool {
		return f == eso.FinalizerExternalSecret || f == eso.FinalizerStore
	})
	if es.DeletionTimestamp == nil || len(rest) == len(es.Finalizers) {
		return nil
	}
	// With the resourceVersion a finalizer that somebody adds meanwhile is not lost.
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": es.UID, "resourceVersion": es.ResourceVersion, "finalizers": rest,
	}})
	if err != nil {
		return fmt.Errorf("encoding finalizers: %w", err)
	}
	_, err = s.Clients.ExternalSecrets(es.Namespace).Patch(ctx, es.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: Manager})
	if err == nil || apierrors.IsNotFound(err) {
		return nil
	}
	return told("removing ESO's finalizer from ExternalSecret "+es.Namespace+"/"+es.Name, err, nil)
}
