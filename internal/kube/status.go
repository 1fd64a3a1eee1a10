package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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

// Status writes status subresources, and only when something differs.
type Status struct{ Clients *Clients }

// ExternalSecret writes a mapping's status, and returns the resourceVersion and status as
// stored; nil when nothing was written. An object that is gone, or was replaced, is no error.
func (s Status) ExternalSecret(ctx context.Context, es *eso.ExternalSecret, status eso.ExternalSecretStatus) (*eso.ExternalSecret, error) {
	patch, err := statusPatch(es.UID, es.Status, status)
	if patch == nil {
		return nil, err
	}
	raw, err := s.patch(ctx, eso.ExternalSecrets, es.Namespace, es.Name, patch)
	if err != nil {
		return nil, ended(err, "ExternalSecret "+es.Namespace+"/"+es.Name)
	}
	// The answer is the whole mapping, which the watch brings anyway.
	var stored struct {
		Metadata struct{ ResourceVersion string }
		Status   eso.ExternalSecretStatus
	}
	if err := json.Unmarshal(raw, &stored); err != nil {
		return nil, fmt.Errorf("decoding the answer to the status of ExternalSecret %s/%s: %w", es.Namespace, es.Name, err)
	}
	return &eso.ExternalSecret{ObjectMeta: metav1.ObjectMeta{ResourceVersion: stored.Metadata.ResourceVersion}, Status: stored.Status}, nil
}

// Store writes a store's status.
func (s Status) Store(ctx context.Context, store eso.Store, status eso.StoreStatus) error {
	patch, err := statusPatch(store.Meta.UID, *store.Status, status)
	if patch == nil {
		return err
	}
	plural := eso.SecretStores
	if store.Cluster() {
		plural = eso.ClusterSecretStores
	}
	_, err = s.patch(ctx, plural, store.Meta.Namespace, store.Meta.Name, patch)
	return ended(err, store.String())
}

// patch returns the answer undecoded.
func (s Status) patch(ctx context.Context, plural, namespace, name string, patch []byte) ([]byte, error) {
	options := metav1.PatchOptions{FieldManager: Manager}
	result := s.Clients.eso.Patch(types.JSONPatchType).NamespaceIfScoped(namespace, namespace != "").Resource(plural).Name(name).
		SubResource("status").VersionedParams(&options, s.Clients.codec).Body(patch).Do(ctx)
	if err := result.Error(); err != nil { // Raw would leave out what the API server says
		return nil, err
	}
	return result.Raw()
}

// statusPatch is nil when the status says the same on the wire. It tests the UID, so
// that a status never lands on an object of the same name that came after: the UID in
// a merge patch of a status is passed over.
func statusPatch(uid types.UID, old, status any) ([]byte, error) {
	if reflect.DeepEqual(old, status) {
		return nil, nil
	}
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
