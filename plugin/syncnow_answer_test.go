package plugin

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// asleep is a mapping that failed a while ago, with the event that says why.
func asleep() (*eso.ExternalSecret, []corev1.Event) {
	es := &eso.ExternalSecret{ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: "api-db", Generation: 1}}
	es.Status.SetReady(false, eso.ReasonSyncError, eso.MessageGetFailed, metav1.NewTime(time.Unix(1000, 0)))
	return es, []corev1.Event{{
		ObjectMeta: metav1.ObjectMeta{Name: "api-db.1", ResourceVersion: "7"},
		Type:       corev1.EventTypeWarning, Reason: eso.EventUpdateFailed, Message: "Vault is sealed",
	}}
}

func TestOnlyANewAnswerCounts(t *testing.T) {
	es, events := asleep()
	a := rememberAsked(es, events)
	if got, _ := a.status(es); got != pending {
		t.Errorf("the old condition counts as %v", got)
	}
	if got, _ := a.event(&events[0]); got != pending {
		t.Errorf("the old event counts as %v", got)
	}

	events[0].ResourceVersion, events[0].Count = "8", 2
	if got, why := a.event(&events[0]); got != failed || why != "Vault is sealed" {
		t.Errorf("a repeated event counts as %v %q, want failed", got, why)
	}

	changed := es.DeepCopy()
	changed.Status.Conditions[0].Message = "another cause"
	if got, why := a.status(changed); got != failed || !strings.Contains(why, "another cause") {
		t.Errorf("a new message counts as %v %q, want failed", got, why)
	}

	done := es.DeepCopy()
	done.Annotations = map[string]string{eso.AnnotationForceSync: "now"}
	done.Status.SetReady(true, eso.ReasonSynced, eso.MessageSynced, metav1.Now())
	done.Status.SyncedResourceVersion = eso.SyncedResourceVersion(&es.ObjectMeta)
	if got, _ := a.status(done); got != pending {
		t.Errorf("a sync of the object without the request counts as %v", got)
	}
	done.Status.SyncedResourceVersion = eso.SyncedResourceVersion(&done.ObjectMeta)
	if got, _ := a.status(done); got != synced {
		t.Errorf("the sync of the request counts as %v, want synced", got)
	}
}

func TestIgnoredRequestsAreRefused(t *testing.T) {
	done := func(change func(*eso.ExternalSecret)) *eso.ExternalSecret {
		es, _ := asleep()
		es.Status.SyncedResourceVersion, es.Status.RefreshTime = "1-x", metav1.NewTime(time.Unix(1000, 0))
		change(es)
		return es
	}
	once := func(es *eso.ExternalSecret) { es.Spec.RefreshPolicy = eso.RefreshCreatedOnce }
	zero := func(es *eso.ExternalSecret) { es.Spec.RefreshInterval = eso.DurationText("0") }
	fresh, _ := asleep()
	once(fresh)
	for _, c := range []struct {
		name       string
		es         *eso.ExternalSecret
		controller string
		want       string
	}{
		{"created once, done", done(once), "vaultsecret", "spec.refreshPolicy"},
		{"created once, not done", fresh, "vaultsecret", ""},
		{"interval 0 under ESO", done(zero), "external-secrets", "spec.refreshInterval is 0"},
		{"interval 0 under ours", done(zero), "vaultsecret", ""},
		{"ordinary", done(func(*eso.ExternalSecret) {}), "external-secrets", ""},
	} {
		got := ignored(c.es, c.controller)
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestNeverNamesAValueInAChange(t *testing.T) {
	secret := func(data map[string]string) *corev1.Secret {
		s := &corev1.Secret{Data: map[string][]byte{}}
		for k, v := range data {
			s.Data[k] = []byte(v)
		}
		return s
	}
	before := secret(map[string]string{"user": "app", "password": "canary-old", "old": "canary-gone"})
	after := secret(map[string]string{"user": "app", "password": "canary-new", "url": "canary-url"})
	got := compareKeys(before, after).String()
	want := "1 key added (url), 1 key changed (password), 1 key removed (old), 1 unchanged"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if strings.Contains(got, "canary") {
		t.Errorf("a value shows: %s", got)
	}
	if got := compareKeys(after, after).String(); got != "nothing changed, 3 keys" {
		t.Errorf("got %q for no change", got)
	}
}
