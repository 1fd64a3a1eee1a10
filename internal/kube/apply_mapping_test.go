package kube_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// An apply changes what is its own, takes over what it may, and leaves the rest with the
// name of its owner.
func TestApplyMapping(t *testing.T) {
	c, namespace, _ := stack(t)
	ours := kube.MappingApply{Manager: "kubectl-vaultsecret"}
	manifest := func(name, interval string) map[string]any {
		es := &eso.ExternalSecret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
		es.Spec.SecretStoreRef = &eso.StoreRef{Name: "vault", Kind: eso.KindSecretStore}
		es.Spec.RefreshInterval = eso.DurationText(interval)
		es.Spec.Data = []eso.Data{{SecretKey: "password", RemoteRef: eso.RemoteRef{Key: "app/db", Property: "password"}}}
		return kube.MappingManifest(es)
	}
	dry := ours
	dry.DryRun = true
	if _, _, err := c.ApplyMapping(t.Context(), namespace, "a", manifest("a", "1h"), dry); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ExternalSecrets(namespace).Get(t.Context(), "a", metav1.GetOptions{}); err == nil {
		t.Error("a dry run wrote")
	}
	made, _, err := c.ApplyMapping(t.Context(), namespace, "a", manifest("a", "1h"), ours)
	if err != nil || !slices.Equal(kube.SpecManagers(&made.ObjectMeta), []string{"kubectl-vaultsecret"}) {
		t.Fatalf("%v, %v", made, err)
	}
	same, _, err := c.ApplyMapping(t.Context(), namespace, "a", manifest("a", "1h"), ours)
	if err != nil || same.ResourceVersion != made.ResourceVersion {
		t.Errorf("the same again wrote: %v", err)
	}
	// Somebody else sets a field.
	patch := []byte(`{"spec":{"refreshInterval":"5m"}}`)
	if _, err := c.ExternalSecrets(namespace).Patch(t.Context(), "a", types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "kubectl-edit"}); err != nil {
		t.Fatal(err)
	}
	_, _, err = c.ApplyMapping(t.Context(), namespace, "a", manifest("a", "1h"), ours)
	var conflict *kube.ConflictError
	if !errors.As(err, &conflict) || !strings.Contains(err.Error(), "kubectl-edit set spec.refreshInterval") {
		t.Errorf("a conflict: %v", err)
	}
	hand := ours
	hand.TakeFrom = kube.ByHand
	taken, from, err := c.ApplyMapping(t.Context(), namespace, "a", manifest("a", "1h"), hand)
	if err != nil || taken.Spec.RefreshInterval.String() != "1h" || !slices.Equal(from, []kube.FieldConflict{{Manager: "kubectl-edit", Field: "spec.refreshInterval"}}) {
		t.Errorf("taking over: %v, %v", from, err)
	}
	if _, err := c.ExternalSecrets(namespace).Patch(t.Context(), "a", types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "terraform"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err = c.ApplyMapping(t.Context(), namespace, "a", manifest("a", "1h"), hand); !errors.As(err, &conflict) || conflict.Conflicts[0].Manager != "terraform" {
		t.Errorf("a controller's field: %v", err)
	}
	// Conditions: another object, or a newer one, is not written.
	other, _, err := c.ApplyMapping(t.Context(), namespace, "c", manifest("c", "1h"), ours)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ExternalSecrets(namespace).Patch(t.Context(), "c", types.MergePatchType, []byte(`{"metadata":{"labels":{"x":"y"}}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	for field, value := range map[string]any{"uid": "00000000-0000-0000-0000-000000000000", "resourceVersion": other.ResourceVersion} {
		m := manifest("c", "1h")
		m["metadata"].(map[string]any)[field] = value
		if _, _, err = c.ApplyMapping(t.Context(), namespace, "c", m, hand); !errors.Is(err, kube.ErrChanged) {
			t.Errorf("another %s: %v", field, err)
		}
	}
	if _, _, err = c.ApplyMapping(t.Context(), namespace, "b", map[string]any{
		"apiVersion": eso.GroupVersion().String(), "kind": eso.KindExternalSecret, "metadata": map[string]any{"name": "b"},
		"spec": map[string]any{"secretStoreRef": map[string]any{"name": "NoName"}},
	}, ours); err == nil || !strings.Contains(err.Error(), "spec.secretStoreRef.name") {
		t.Errorf("an invalid one: %v", err)
	}
}

// What is exported is what people wrote, and it parses back to the same.
func TestMappingManifest(t *testing.T) {
	const written = `apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  annotations:
    note: kept
  labels:
    team: blue
  name: api-db
  namespace: apps
spec:
  data:
  - remoteRef:
      decodingStrategy: Base64
      key: app/db
      property: password
    secretKey: password
  refreshInterval: 1h
  secretStoreRef:
    kind: ClusterSecretStore
    name: vault
  target:
    creationPolicy: Owner
    deletionPolicy: Retain
    template:
      data:
        url: x{{ .password }}
`
	es := &eso.ExternalSecret{}
	if err := yaml.UnmarshalStrict([]byte(written), es); err != nil {
		t.Fatal(err)
	}
	// What the API server, controllers, GitOps tools and a CRD's defaults add.
	es.UID, es.ResourceVersion, es.Generation, es.Finalizers = "u", "7", 3, []string{eso.FinalizerExternalSecret}
	es.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "x"}}
	es.Labels["kustomize.toolkit.fluxcd.io/name"] = "apps"
	es.Annotations[eso.AnnotationLastApplied], es.Annotations[eso.AnnotationForceSync] = "{}", "now"
	es.Annotations["argocd.argoproj.io/tracking-id"] = "apps:x"
	es.Spec.Data[0].RemoteRef.ConversionStrategy, es.Spec.Data[0].RemoteRef.MetadataPolicy = "Default", "None"
	es.Spec.Target.Template.EngineVersion, es.Spec.Target.Template.MergePolicy = "v2", "Replace"
	es.Status.Conditions = []eso.Condition{{Type: eso.ConditionReady}}
	got, err := yaml.Marshal(kube.MappingManifest(es))
	if err != nil || string(got) != written {
		t.Errorf("%v\n%s", err, got)
	}
	if raw, err := json.Marshal(es); err != nil || !strings.Contains(string(raw), "Replace") {
		t.Errorf("the object itself was changed: %v", err)
	}
}
