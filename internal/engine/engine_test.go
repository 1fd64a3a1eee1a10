package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/engine"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/plan"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

const canary = "canary-5d1e"

// world is a store and a cluster in memory, for the faults that real ones do not
// show on demand.
type world struct {
	openErr error
	secrets map[string]map[string]any
	readErr map[string]error

	secret  *corev1.Secret
	version int
	stale   int // how many writes find the Secret changed
	gets    int
	applied []plan.Action
}

func (w *world) Open(context.Context, eso.StoreRef, string) (kv.Reader, error) { return w, w.openErr }

func (w *world) Read(_ context.Context, ref kv.Ref) (kv.Payload, error) {
	key := strings.TrimPrefix(ref.Key, "/")
	if err := w.readErr[key]; err != nil {
		return kv.Payload{}, err
	}
	if fields, ok := w.secrets[key]; ok {
		return kv.NewPayload("secret/data/"+key, 1, fields), nil
	}
	return kv.Payload{}, &kv.Error{Kind: kv.Absent, Path: "secret/data/" + key, Detail: "Secret does not exist"}
}

func (w *world) List(context.Context, string) ([]string, error) {
	names := []string{}
	for name := range w.secrets {
		names = append(names, name)
	}
	return names, nil
}

func (w *world) Version(string, string) (string, bool) {
	if w.secret == nil {
		return "", true
	}
	return w.secret.ResourceVersion, true
}

func (w *world) Current(context.Context, string, string) (*corev1.Secret, error) {
	w.gets++
	return w.secret.DeepCopy(), nil
}

func (w *world) Apply(_ context.Context, change plan.Change, manager string) (*corev1.Secret, error) {
	if w.stale > 0 {
		w.stale--
		return nil, fmt.Errorf("updating: %w", plan.ErrStale)
	}
	w.applied = append(w.applied, change.Action)
	if change.Action == plan.Delete {
		w.secret = nil
		return nil, nil
	}
	w.version++
	w.secret = change.Secret.DeepCopy()
	w.secret.ResourceVersion = fmt.Sprint(w.version)
	return w.secret.DeepCopy(), nil
}

func (w *world) Source(context.Context, string, string, string) (map[string]redact.Bytes, error) {
	return nil, errors.New("not asked for")
}

func (w *world) engine() engine.Engine {
	return engine.Engine{Stores: w, Secrets: w, Sources: w, Memo: new(engine.Memo)}
}

func newWorld() *world {
	return &world{secrets: map[string]map[string]any{"app/db": {"password": canary, "port": json.Number("5432")}}, readErr: map[string]error{}}
}

// owner is a mapping of app/db that owns its Secret.
func owner(change ...func(*eso.ExternalSecret)) *eso.ExternalSecret {
	es := &eso.ExternalSecret{
		ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "apps", UID: types.UID("u1"), Generation: 1},
		Spec: eso.ExternalSecretSpec{
			SecretStoreRef:  &eso.StoreRef{Name: "vault"},
			RefreshInterval: eso.NewDuration(time.Hour),
			Data:            []eso.Data{{SecretKey: "password", RemoteRef: eso.RemoteRef{Key: "app/db", Property: "password"}}},
		},
	}
	for _, c := range change {
		c(es)
	}
	return es
}

func TestSyncCreatesThenLeavesAlone(t *testing.T) {
	w := newWorld()
	e, es := w.engine(), owner()
	first := e.Sync(t.Context(), es)
	if first.Err != nil || first.Change.Action != plan.Create || !first.Ready || first.Class != engine.OK {
		t.Fatalf("first sync: %+v", first)
	}
	if got := string(w.secret.Data["password"]); got != canary {
		t.Errorf("the Secret holds %q", got)
	}
	if w.gets != 0 {
		t.Errorf("a Secret that the watch knows to be absent was read %d times", w.gets)
	}
	second := e.Sync(t.Context(), es)
	if second.Change.Action != plan.None || second.Message != eso.MessageSynced || len(second.Events) != 0 {
		t.Errorf("second sync: %+v", second)
	}
	if w.gets != 0 || len(w.applied) != 1 {
		t.Errorf("an unchanged sync cost %d reads and %d writes of the Secret", w.gets, len(w.applied)-1)
	}
	w.secrets["app/db"]["password"] = "rotated"
	if third := e.Sync(t.Context(), es); third.Change.Action != plan.Update || cmp.Diff([]string{"password"}, third.Change.Changed) != "" {
		t.Errorf("after a rotation: %+v", third)
	}
}

// Unknown never deletes, empties or touches the Secret, whatever the policies.
func TestNeverTouchesASecretOnUnknown(t *testing.T) {
	for _, kind := range []kv.Kind{
		kv.NoMount, kv.WrongVersion, kv.Denied, kv.BadCredential, kv.Sealed, kv.Uninitialized, kv.Unreachable, kv.BadConfig, kv.BadAnswer, kv.BadRequest,
	} {
		for _, deletion := range []eso.DeletionPolicy{eso.DeleteRetain, eso.DeleteDelete, eso.DeleteMerge} {
			for _, where := range []string{"open", "read"} {
				w := newWorld()
				w.secret = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "apps", ResourceVersion: "7"}, Data: map[string][]byte{"password": []byte("old")}}
				cause := &kv.Error{Kind: kind, Detail: "it is " + string(kind)}
				if where == "open" {
					w.openErr = cause
				} else {
					w.readErr["app/db"] = cause
				}
				o := w.engine().Sync(t.Context(), owner(func(es *eso.ExternalSecret) { es.Spec.Target.DeletionPolicy = deletion }))
				if len(w.applied) != 0 {
					t.Errorf("%s at %s under %s: the Secret was written: %v", kind, where, deletion, w.applied)
				}
				want := "could not get secret data from provider: error processing spec.data[0] (key: app/db), err: it is " + string(kind)
				if o.Ready || !strings.HasPrefix(o.Message, want) || o.Reason != eso.ReasonSyncError {
					t.Errorf("%s at %s under %s: %q, want %q", kind, where, deletion, o.Message, want)
				}
				if (o.Class == engine.StoreDown) != kind.Down() {
					t.Errorf("%s: class %s", kind, o.Class)
				}
			}
		}
	}
}

// A find that selects nothing is no proof of absence.
func TestNeverDeletesOnAnEmptyFind(t *testing.T) {
	w := newWorld()
	es := owner(func(es *eso.ExternalSecret) {
		es.Spec.Data = nil
		es.Spec.DataFrom = []eso.DataFrom{{Find: &eso.Find{Name: &eso.FindName{RegExp: "^nothing$"}}}}
		es.Spec.Target.DeletionPolicy = eso.DeleteDelete
	})
	o := w.engine().Sync(t.Context(), es)
	if o.Err == nil || len(w.applied) != 0 || !strings.Contains(o.Message, "no proof") {
		t.Errorf("%+v, writes %v", o, w.applied)
	}
}

func TestDeletesOnProvenAbsence(t *testing.T) {
	w := newWorld()
	e := w.engine()
	es := owner(func(es *eso.ExternalSecret) { es.Spec.Target.DeletionPolicy = eso.DeleteDelete })
	e.Sync(t.Context(), es)
	delete(w.secrets, "app/db")
	e.HoldDeletes = true
	if o := e.Sync(t.Context(), es); !o.Held || w.secret == nil {
		t.Errorf("a held deletion: %+v, Secret %v", o, w.secret != nil)
	}
	e.HoldDeletes = false
	o := e.Sync(t.Context(), es)
	if o.Change.Action != plan.Delete || w.secret != nil || o.Reason != eso.ReasonDeleted {
		t.Errorf("%+v, Secret %v", o, w.secret)
	}
}

func TestForeignStoreIsSkippedWhateverIsWrong(t *testing.T) {
	w := newWorld()
	w.openErr = kv.ErrForeignStore
	o := w.engine().Sync(t.Context(), owner(func(es *eso.ExternalSecret) { es.Spec.RefreshInterval = eso.DurationText("1d") }))
	if !o.Skipped || len(o.Events) != 0 {
		t.Errorf("%+v", o)
	}
}

func TestSecretThatKeepsChanging(t *testing.T) {
	w := newWorld()
	w.stale = 2
	if o := w.engine().Sync(t.Context(), owner()); o.Err != nil || w.gets != 2 {
		t.Errorf("after two conflicts: %+v, %d reads", o, w.gets)
	}
	w = newWorld()
	w.stale = 100
	if o := w.engine().Sync(t.Context(), owner()); o.Class != engine.Transient || !strings.HasPrefix(o.Message, eso.MessageWriteFailed+": ") {
		t.Errorf("%+v", o)
	}
}

func TestRefusesWithFieldAndFix(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*eso.ExternalSecret)
		want   []string
	}{
		"bad interval": {func(es *eso.ExternalSecret) { es.Spec.RefreshInterval = eso.DurationText("1d") }, []string{"spec.refreshInterval", "24h"}},
		"unknown field": {func(es *eso.ExternalSecret) {
			es.Annotations = map[string]string{eso.AnnotationLastApplied: `{"spec":{"target":{"creationPolcy":"Merge"}}}`}
		}, []string{"spec.target.creationPolcy", "correct"}},
		"forbidden type": {func(es *eso.ExternalSecret) {
			es.Spec.Target.Template = &eso.Template{Type: eso.TypeServiceAccountToken}
		}, []string{"spec.target.template.type", "not allowed"}},
		"property": {func(es *eso.ExternalSecret) { es.Spec.Data[0].RemoteRef.Property = "nope" }, []string{"spec.data[0]", "nope"}},
		"absent":   {func(es *eso.ExternalSecret) { es.Spec.Data[0].RemoteRef.Key = "gone" }, []string{"spec.data[0]", "gone"}},
	} {
		w := newWorld()
		es := owner(c.change)
		o := w.engine().Sync(t.Context(), es)
		again := w.engine().Sync(t.Context(), es)
		if o.Ready || o.Class != engine.NeedsChange || len(w.applied) != 0 {
			t.Errorf("%s: %+v", name, o)
		}
		for _, part := range c.want {
			if !strings.Contains(o.Message, part) {
				t.Errorf("%s: %q does not name %q", name, o.Message, part)
			}
		}
		if o.Message != again.Message {
			t.Errorf("%s: the message varies: %q, %q", name, o.Message, again.Message)
		}
	}
}

func TestPreviewWritesNothing(t *testing.T) {
	w := newWorld()
	o := w.engine().Preview(t.Context(), owner())
	if o.Change.Action != plan.Create || len(w.applied) != 0 {
		t.Errorf("%+v, writes %v", o, w.applied)
	}
}

// No outcome prints a value, however it is printed, save through the Secret it is for.
func TestNeverPrintsAValue(t *testing.T) {
	w := newWorld()
	for _, es := range []*eso.ExternalSecret{
		owner(),
		owner(func(es *eso.ExternalSecret) { es.Spec.Data[0].RemoteRef.Property = "password.deeper" }),
		owner(func(es *eso.ExternalSecret) { es.Spec.Data[0].RemoteRef.DecodingStrategy = "Base64" }),
		owner(func(es *eso.ExternalSecret) {
			es.Spec.Target.Template = &eso.Template{Data: map[string]string{"x": `{{ .password | fail }}`}}
		}),
	} {
		o := w.engine().Sync(t.Context(), es)
		o.Change.Secret, o.Change.Current = nil, nil
		if text := fmt.Sprintf("%+v %#v %s", o, o, o.Err); strings.Contains(text, canary) {
			t.Errorf("the outcome shows a value: %s", text)
		}
	}
}

func TestStatus(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	w := newWorld()
	e, es := w.engine(), owner()
	es.Status = e.Sync(t.Context(), es).Status(es, start)
	if r := es.Status.Ready(); r == nil || r.Status != "True" || r.Reason != eso.ReasonSynced {
		t.Fatalf("status after a sync: %+v", es.Status)
	}
	if es.Status.Binding == nil || es.Status.Binding.Name != "db" || es.Status.SyncedResourceVersion != eso.SyncedResourceVersion(&es.ObjectMeta) {
		t.Errorf("status after a sync: %+v", es.Status)
	}
	for _, c := range []struct {
		after   time.Duration
		renewed bool
	}{{10 * time.Minute, false}, {53 * time.Minute, false}, {54 * time.Minute, true}, {time.Hour, true}} {
		status := e.Sync(t.Context(), es).Status(es, start.Add(c.after))
		if renewed := !status.RefreshTime.Time.Equal(start); renewed != c.renewed {
			t.Errorf("unchanged after %s: refreshTime renewed %v, want %v", c.after, renewed, c.renewed)
		}
	}
	w.readErr["app/db"] = &kv.Error{Kind: kv.Sealed, Detail: "Vault is sealed"}
	failed := e.Sync(t.Context(), es).Status(es, start.Add(time.Hour))
	if r := failed.Ready(); r.Status != "False" || !r.LastTransitionTime.Time.Equal(start.Add(time.Hour)) {
		t.Errorf("status after a failure: %+v", r)
	}
	if !failed.RefreshTime.Time.Equal(start) || failed.SyncedResourceVersion != es.Status.SyncedResourceVersion {
		t.Errorf("a failure moved refreshTime or syncedResourceVersion: %+v", failed)
	}
}

func TestTextIsOneBoundedLine(t *testing.T) {
	got := engine.Printable("a\n\tb\x1b[31mc" + strings.Repeat("é", 2000))
	if strings.ContainsAny(got, "\n\t\x1b") || len(got) > 1000 || !strings.HasPrefix(got, "a b[31mc") {
		t.Errorf("%q", got)
	}
}
