package plugin

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
)

// answer is what a controller has said to a request to sync.
type answer int

const (
	pending answer = iota
	synced
	failed
)

// asked is a mapping as it was when a sync was asked for: what is older is no
// answer.
type asked struct {
	ready  *eso.Condition
	events map[string]string // name to resourceVersion
}

func rememberAsked(es *eso.ExternalSecret, events []corev1.Event) asked {
	a := asked{events: map[string]string{}}
	if ready := es.Status.Ready(); ready != nil {
		c := *ready
		a.ready = &c
	}
	for i := range events {
		a.events[events[i].Name] = events[i].ResourceVersion
	}
	return a
}

// status judges the mapping as it is now. A sync is done when syncedResourceVersion
// is that of the object as it is, which holds the request in an annotation. A
// failure shows in the Ready condition only when it is new: ESO writes nothing when
// it fails as it did before.
func (a asked) status(es *eso.ExternalSecret) (answer, string) {
	ready := es.Status.Ready()
	if ready == nil {
		return pending, ""
	}
	if ready.Status == metav1.ConditionTrue {
		if es.Status.SyncedResourceVersion == eso.SyncedResourceVersion(&es.ObjectMeta) {
			return synced, gather.Clean(ready.Message)
		}
		return pending, ""
	}
	old := a.ready
	if old == nil || old.Status != ready.Status || old.Reason != ready.Reason || old.Message != ready.Message ||
		!old.LastTransitionTime.Equal(&ready.LastTransitionTime) {
		return failed, gather.Clean(ready.Reason + ": " + ready.Message)
	}
	return pending, ""
}

// event judges one event: a failure that was not there, or was counted less, before.
func (a asked) event(e *corev1.Event) (answer, string) {
	if e.Type != corev1.EventTypeWarning || e.Reason != eso.EventUpdateFailed || a.events[e.Name] == e.ResourceVersion {
		return pending, ""
	}
	return failed, gather.Clean(e.Message)
}

// ignored is why a controller would pass the request over in silence, "" when it
// acts on it.
func ignored(es *eso.ExternalSecret, controller string) string {
	done := es.Status.SyncedResourceVersion != "" && !es.Status.RefreshTime.IsZero()
	if !done {
		return ""
	}
	if es.RefreshPolicy() == eso.RefreshCreatedOnce {
		return "spec.refreshPolicy is CreatedOnce and it is synced already, so no controller reads it again"
	}
	every, err := es.RefreshInterval()
	if controller == "external-secrets" && es.RefreshPolicy() == eso.RefreshPeriodic && err == nil && every <= 0 {
		return "spec.refreshInterval is 0 and it is synced already; External Secrets Operator ignores every request then"
	}
	return ""
}

// whoShouldAct names the one who owes an answer, for a timeout.
func whoShouldAct(controller string, store eso.StoreRef) string {
	switch controller {
	case "vaultsecret":
		return fmt.Sprintf("vaultsecret-controller, which answered last time and serves %s", store)
	case "external-secrets":
		return fmt.Sprintf("External Secrets Operator, which answered last time and serves %s", store)
	}
	return fmt.Sprintf("a controller that serves %s (none has answered this mapping yet)", store)
}

// took is "0.4s".
func took(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
