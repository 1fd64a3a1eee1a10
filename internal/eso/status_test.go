package eso_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// lastTransitionTime moves only when the status flips; reason and message do not
// move it (ESO v2.9.0).
func TestLastTransitionTimeMovesWithStatusAlone(t *testing.T) {
	at := func(second int64) metav1.Time { return metav1.NewTime(time.Unix(second, 0)) }
	var es eso.ExternalSecretStatus
	var store eso.StoreStatus
	for _, step := range []struct {
		ready  bool
		reason string
		now    int64
		moved  int64
	}{
		{true, eso.ReasonSynced, 1, 1},
		{true, eso.ReasonMissing, 2, 1},
		{false, eso.ReasonSyncError, 3, 3},
		{false, eso.ReasonSyncError, 4, 3},
		{true, eso.ReasonSynced, 5, 5},
	} {
		es.SetReady(step.ready, step.reason, "m", at(step.now))
		store.SetReady(step.ready, step.reason, "m", at(step.now))
		status := metav1.ConditionFalse
		if step.ready {
			status = metav1.ConditionTrue
		}
		want := eso.Condition{Type: "Ready", Status: status, Reason: step.reason, Message: "m", LastTransitionTime: at(step.moved)}
		if diff := cmp.Diff([]eso.Condition{want}, es.Conditions); diff != "" {
			t.Errorf("at %d (-want +got):\n%s", step.now, diff)
		}
		if diff := cmp.Diff([]eso.StoreStatusCondition{eso.StoreStatusCondition(want)}, store.Conditions); diff != "" {
			t.Errorf("store at %d (-want +got):\n%s", step.now, diff)
		}
	}
	if es.Ready() == nil || store.Ready() == nil || store.Capabilities != "ReadWrite" {
		t.Errorf("%+v, %+v", es, store)
	}
	if new(eso.ExternalSecretStatus).Ready() != nil || new(eso.StoreStatus).Ready() != nil {
		t.Error("an empty status has a Ready condition")
	}
}

func TestATimeThatIsNoneIsZero(t *testing.T) {
	const doc = `{"status":{"syncedResourceVersion":"1-a","refreshTime":"2026-01-02t03:04:05z",
		"conditions":[{"type":"Ready","status":"True","reason":"SecretSynced","lastTransitionTime":"soon"}]}}`
	var es eso.ExternalSecret
	if err := json.Unmarshal([]byte(doc), &es); err != nil {
		t.Fatal(err)
	}
	want := eso.ExternalSecretStatus{
		SyncedResourceVersion: "1-a",
		Conditions:            []eso.Condition{{Type: "Ready", Status: "True", Reason: "SecretSynced"}},
	}
	if diff := cmp.Diff(want, es.Status); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
