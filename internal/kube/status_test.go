package kube_test

import (
	"slices"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

func ready(es *eso.ExternalSecret, message string) eso.ExternalSecretStatus {
	status := *es.Status.DeepCopy()
	now := metav1.NewTime(time.Now().Truncate(time.Second))
	status.SetReady(true, eso.ReasonSynced, message, now)
	status.RefreshTime = now
	return status
}

func TestStatusIsWrittenOnlyWhenItDiffers(t *testing.T) {
	c, namespace, sent := stack(t)
	es := mapping1(t, c, namespace, "db", nil)
	status := kube.Status{Clients: c}
	want := ready(es, "secret synced")
	if _, err := status.ExternalSecret(t.Context(), es, want); err != nil {
		t.Fatal(err)
	}
	stored, err := c.ExternalSecrets(namespace).Get(t.Context(), "db", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r := stored.Status.Ready(); r == nil || r.Message != "secret synced" || !stored.Status.RefreshTime.Equal(&want.RefreshTime) {
		t.Fatalf("stored status = %+v", stored.Status)
	}
	if !slices.ContainsFunc(stored.ManagedFields, func(f metav1.ManagedFieldsEntry) bool { return f.Manager == kube.Manager && f.Subresource == "status" }) {
		t.Errorf("managedFields do not name %s: %v", kube.Manager, stored.ManagedFields)
	}
	if _, err := status.ExternalSecret(t.Context(), stored, want); err != nil {
		t.Fatal(err)
	}
	if n := sent.count("PATCH", "/externalsecrets/db/status"); n != 1 {
		t.Errorf("%d writes, want 1: the second says the same", n)
	}
}

func TestNeverWritesTheStatusOfANamesake(t *testing.T) {
	c, namespace, _ := stack(t)
	es := mapping1(t, c, namespace, "db", nil)
	old := es.DeepCopy()
	old.UID = types.UID("another")
	status := kube.Status{Clients: c}
	if _, err := status.ExternalSecret(t.Context(), old, ready(old, "of another")); err != nil {
		t.Errorf("an object that was replaced: %v, want no error", err)
	}
	old.Name = "gone"
	if _, err := status.ExternalSecret(t.Context(), old, ready(old, "of none")); err != nil {
		t.Errorf("an object that is gone: %v, want no error", err)
	}
	stored, err := c.ExternalSecrets(namespace).Get(t.Context(), "db", metav1.GetOptions{})
	if err != nil || stored.Status.Ready() != nil {
		t.Errorf("the namesake got a status: %+v, %v", stored.Status, err)
	}
}

func TestAStatusThatTheAPIServerRefusesIsAnError(t *testing.T) {
	c, namespace, _ := stack(t)
	es := mapping1(t, c, namespace, "db", nil)
	wrong := ready(es, "x")
	wrong.Conditions[0].Type = "NotReady"
	if _, err := (kube.Status{Clients: c}).ExternalSecret(t.Context(), es, wrong); !apierrors.IsInvalid(err) {
		t.Errorf("%v, want an invalid error", err)
	}
	if _, err := (kube.Status{Clients: stranger(t)}).ExternalSecret(t.Context(), es, ready(es, "x")); !apierrors.IsForbidden(err) {
		t.Errorf("%v, want a forbidden error", err)
	}
}

func TestStoreStatus(t *testing.T) {
	c, namespace, _ := stack(t)
	clusterStore(t, c, "store-"+namespace)
	made, err := c.ClusterSecretStores().Get(t.Context(), "store-"+namespace, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := *made.Status.DeepCopy()
	want.SetReady(true, eso.ReasonValid, eso.MessageValid, metav1.NewTime(time.Now().Truncate(time.Second)))
	want.Capabilities = eso.CapabilitiesVault
	if err := (kube.Status{Clients: c}).Store(t.Context(), made.View(), want); err != nil {
		t.Fatal(err)
	}
	stored, err := c.ClusterSecretStores().Get(t.Context(), made.Name, metav1.GetOptions{})
	if err != nil || stored.Status.Capabilities != eso.CapabilitiesVault || len(stored.Status.Conditions) != 1 {
		t.Errorf("stored status = %+v, %v", stored.Status, err)
	}
}

// ESO's finalizer would keep what an uninstalled ESO left for ever; others' stay.
func TestRemoveFinalizersOfWhatIsBeingDeleted(t *testing.T) {
	c, namespace, _ := stack(t)
	status := kube.Status{Clients: c}
	mapping1(t, c, namespace, "db", func(es *eso.ExternalSecret) {
		es.Finalizers = []string{eso.FinalizerExternalSecret, "example.com/theirs"}
	})
	client := c.ExternalSecrets(namespace)
	read := func() *eso.ExternalSecret {
		es, err := client.Get(t.Context(), "db", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return es
	}
	if err := status.RemoveFinalizers(t.Context(), read()); err != nil {
		t.Fatal(err)
	}
	if es := read(); len(es.Finalizers) != 2 {
		t.Fatalf("a finalizer of an object that lives was removed: %v", es.Finalizers)
	}
	if err := client.Delete(t.Context(), "db", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := status.RemoveFinalizers(t.Context(), read()); err != nil {
		t.Fatal(err)
	}
	es := read()
	if len(es.Finalizers) != 1 || es.Finalizers[0] != "example.com/theirs" {
		t.Errorf("finalizers = %v, want theirs alone", es.Finalizers)
	}
	if _, err := client.Patch(t.Context(), "db", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}
