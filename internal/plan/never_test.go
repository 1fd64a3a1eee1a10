package plan_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/mapping"
	"vaultsecret.io/kubectl-vaultsecret/internal/plan"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

func TestNeverDeletesWithoutProof(t *testing.T) {
	unproven := mapping.Desired{Absent: true}
	for _, creation := range []eso.CreationPolicy{eso.CreateOwner, eso.CreateOrphan, eso.CreateMerge, eso.CreateOrMerge, eso.CreateNone} {
		for _, deletion := range []eso.DeletionPolicy{eso.DeleteRetain, eso.DeleteDelete} {
			change := plan.Decide(externalSecret(creation, deletion), unproven, secret("ours", "a"))
			if change.Action != plan.None && change.Action != plan.Blocked {
				t.Errorf("%s, %s: %s", creation, deletion, change.Action)
			}
		}
	}
}

func TestNeverDeletesANamesakesSecret(t *testing.T) {
	es := externalSecret(eso.CreateOwner, eso.DeleteDelete)
	es.UID = "made-anew"
	if change := plan.Decide(es, mapping.Desired{Absent: true, Proven: true}, secret("ours", "a")); change.Action != plan.Blocked {
		t.Errorf("%s, want Blocked", change.Action)
	}
	change := plan.Decide(es, want("a"), secret("ours", "a"))
	if change.Action != plan.Update || !metav1.IsControlledBy(change.Secret, es) || len(change.Secret.OwnerReferences) != 1 {
		t.Errorf("%s: a mapping that was made anew takes its Secret back", change.Action)
	}
}

func TestNeverDeletesTwice(t *testing.T) {
	going := secret("ours", "a")
	going.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	change := plan.Decide(externalSecret(eso.CreateOwner, eso.DeleteDelete), mapping.Desired{Absent: true, Proven: true}, going)
	if change.Action != plan.None || change.Reason != eso.ReasonDeleted {
		t.Errorf("%s %s, want None", change.Action, change.Reason)
	}
}

func TestNeverWritesMoreThanKubernetesTakes(t *testing.T) {
	large := mapping.Desired{Data: map[string]redact.Bytes{"a": bytes.Repeat([]byte("x"), corev1.MaxSecretSize+1)}}
	for name, current := range map[string]*corev1.Secret{"a new Secret": nil, "one that is there": secret("ours", "a")} {
		if change := plan.Decide(externalSecret(eso.CreateOwner, ""), large, current); change.Action != plan.Blocked {
			t.Errorf("%s: %s, want Blocked", name, change.Action)
		}
	}
	largest := mapping.Desired{Data: map[string]redact.Bytes{"a": large.Data["a"][1:]}}
	if change := plan.Decide(externalSecret(eso.CreateOwner, ""), largest, nil); change.Action != plan.Create {
		t.Errorf("what just fits: %s, want Create", change.Action)
	}
	merged := secret("", "foreign")
	if change := plan.Decide(externalSecret(eso.CreateMerge, ""), largest, merged); change.Action != plan.Blocked {
		t.Errorf("with a foreign key beside: %s, want Blocked", change.Action)
	}
}

func TestNeverNamesAValue(t *testing.T) {
	canary := mapping.Desired{Data: map[string]redact.Bytes{"a": redact.Bytes("canary")}}
	token := secret("ours", "a")
	token.Type = eso.TypeServiceAccountToken
	for _, current := range []*corev1.Secret{secret("another", "a"), secret("kind", "a"), token} {
		change := plan.Decide(externalSecret(eso.CreateOwner, ""), canary, current)
		if change.Err == nil || strings.Contains(change.Err.Error()+change.Message, "canary") {
			t.Errorf("%s: %v", change.Action, change.Err)
		}
	}
}

func TestProvenance(t *testing.T) {
	d := want("a")
	d.Sources = []mapping.Provenance{{Path: "kv/app"}, {Path: "secret/data/app", Version: 3}}
	es := externalSecret(eso.CreateOwner, "")
	change := plan.Decide(es, d, nil)
	if got := change.Secret.Annotations[eso.AnnotationSource]; got != "kv/app,secret/data/app@3" {
		t.Errorf("source = %q", got)
	}
	d.Sources[1].Version = 4
	if again := plan.Decide(es, d, change.Secret); again.Action != plan.None {
		t.Errorf("a new version with the same data: %s, want None", again.Action)
	}
	for range 1000 {
		d.Sources = append(d.Sources, mapping.Provenance{Path: "secret/data/a/path/of/some/length", Version: 1})
	}
	if got := plan.Decide(es, d, nil).Secret.Annotations[eso.AnnotationSource]; len(got) > 5000 || !strings.HasSuffix(got, " more") {
		t.Errorf("%d bytes of provenance, ending in %q", len(got), got[len(got)-20:])
	}
}

func TestFrozenSecretKeepsItsData(t *testing.T) {
	frozen := secret("ours", "a")
	yes := true
	frozen.Immutable = &yes
	es := externalSecret(eso.CreateOwner, "")
	es.Spec.Target.Immutable = true
	d := want("a", "b")
	d.Immutable, d.Labels = true, map[string]string{"team": "web"}
	change := plan.Decide(es, d, frozen)
	if change.Action != plan.Update || !change.Ready || string(change.Secret.Data["a"]) != "old" || len(change.Secret.Data) != 1 || change.Secret.Labels["team"] != "web" {
		t.Errorf("%s, Ready=%t: only metadata is to change", change.Action, change.Ready)
	}
	if again := plan.Decide(es, d, change.Secret); again.Action != plan.None {
		t.Errorf("planned again: %s, want None", again.Action)
	}
}

func TestFinalizersAreAddedAndNeverRemoved(t *testing.T) {
	current := secret("ours", "a")
	current.Finalizers = []string{"example.com/theirs"}
	d := want("a")
	d.Finalizers = []string{"example.com/ours"}
	es := externalSecret(eso.CreateOwner, "")
	change := plan.Decide(es, d, current)
	if got := strings.Join(change.Secret.Finalizers, " "); got != "example.com/theirs example.com/ours" {
		t.Errorf("finalizers %q", got)
	}
	if again := plan.Decide(es, want("a"), change.Secret); again.Action != plan.None {
		t.Errorf("without the finalizer in the template: %s, want None", again.Action)
	}
}

// managedFields come from the API server, yet nothing in them may make planning fail
// or end in a second write.
func FuzzDecideWithManagedFields(f *testing.F) {
	f.Add(`{"f:data":{".":{},"f:a":{},"f:gone":{}},"f:metadata":{"f:labels":{"f:x":{}}}}`, uint8(0))
	f.Add(`{"f:data":[]}`, uint8(2))
	f.Add(`not json`, uint8(3))
	policies := []eso.CreationPolicy{eso.CreateOwner, eso.CreateOrphan, eso.CreateMerge, eso.CreateOrMerge, eso.CreateNone}
	f.Fuzz(func(t *testing.T, fields string, policy uint8) {
		es := externalSecret(policies[int(policy)%len(policies)], "")
		current := secret("", "a", "gone", "foreign")
		current.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: eso.FieldManager("app"), FieldsV1: metav1.NewFieldsV1(fields)}}
		change := plan.Decide(es, want("a"), current)
		if change.Secret == nil {
			return
		}
		if again := plan.Decide(es, want("a"), change.Secret); again.Action != plan.None {
			t.Errorf("%s, then %s", change.Action, again.Action)
		}
	})
}
