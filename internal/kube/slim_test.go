package kube

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// What is slimmed means the same, also when it is slimmed twice, as informers do.
func TestSlimMapping(t *testing.T) {
	at := metav1.NewTime(time.Unix(1, 0))
	es := &eso.ExternalSecret{ObjectMeta: metav1.ObjectMeta{
		Namespace: "apps", Name: "db", UID: "u", Generation: 2, Labels: map[string]string{"team": "a"}, Annotations: map[string]string{"force-sync": "1", corev1.LastAppliedConfigAnnotation: "{}"},
		ManagedFields: []metav1.ManagedFieldsEntry{
			{Manager: "kubectl", FieldsV1: &metav1.FieldsV1{}},
			{Manager: Manager, Subresource: "status", Time: &at, FieldsV1: &metav1.FieldsV1{}},
		},
	}}
	es.Spec.Data = append(make([]eso.Data, 0, 16), eso.Data{SecretKey: "password", RemoteRef: eso.RemoteRef{Key: "app/db", Property: "password"}})
	es.Spec.DataFrom = []eso.DataFrom{{Extract: &eso.RemoteRef{Key: "app/db"}}}
	es.Status.SetReady(true, eso.ReasonSynced, "secret synced", at)
	want := es.DeepCopy()
	want.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: Manager, Subresource: "status", Time: &at}}
	es.Spec.Target.Template = &eso.Template{Type: "Opaque", Data: map[string]string{"url": "{{ .password }}"}}
	want.Spec.Target.Template = es.Spec.Target.Template.DeepCopy()
	slim := newSlimming()
	once, err := slim.mapping(es)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := slim.mapping(once)
	if err != nil {
		t.Fatal(err)
	}
	p := twice.(*packed)
	got, err := slim.packing.unpack(p)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if version := eso.SyncedResourceVersion(&want.ObjectMeta); p.version != version {
		t.Errorf("version %s, want %s", p.version, version)
	}
	want.Spec.Data, want.Spec.DataFrom, want.Spec.Target.Template = nil, nil, nil
	delete(want.Annotations, corev1.LastAppliedConfigAnnotation)
	if diff := cmp.Diff(want, &p.ExternalSecret); diff != "" {
		t.Errorf("the outline: %s", diff)
	}
}

// What is packed comes back as it was, whatever it is.
func FuzzPack(f *testing.F) {
	for _, spec := range []string{
		`{}`, `{"data":[],"dataFrom":[{"find":{"name":{"regexp":"^a"},"tags":{"a":"b"}}}]}`,
		`{"data":[{"secretKey":"k","remoteRef":{"key":"a/b","property":"p","version":"3"},"sourceRef":{"storeRef":{"name":"s"}}}]}`,
		`{"target":{"template":{"engineVersion":"v2","data":{"a":"{{ .b | toJson }}"},"templateFrom":[{"literal":"x"}]}}}`,
		`{"dataFrom":[{"extract":{"key":"k"},"rewrite":[{"regexp":{"source":"a","target":"b"}}]}]}`,
	} {
		f.Add([]byte(spec))
	}
	slim := newSlimming()
	f.Fuzz(func(t *testing.T, raw []byte) {
		es := &eso.ExternalSecret{}
		if json.Unmarshal(raw, &es.Spec) != nil {
			return
		}
		before, err := json.Marshal(es)
		if err != nil {
			return
		}
		packed, err := slim.packing.pack(es)
		if err != nil {
			t.Fatal(err)
		}
		again, err := slim.packing.unpack(packed)
		if err != nil {
			t.Fatal(err)
		}
		if after, err := json.Marshal(again); err != nil || string(after) != string(before) {
			t.Errorf("%s became %s, %v", before, after, err)
		}
	})
}

// Of a Secret stays what the controller asks: whose it is and which version. Nothing
// that somebody wrote into its annotations does.
func TestSlimSecret(t *testing.T) {
	yes := true
	owner := metav1.OwnerReference{APIVersion: "external-secrets.io/v1", Kind: eso.KindExternalSecret, Name: "db", UID: "u", Controller: &yes}
	marks := map[string]string{eso.AnnotationDataHash: "0123", "note": "large"}
	for name, c := range map[string]struct {
		labels, annotations map[string]string
		marked              bool
		pending             string
	}{
		"of a mapping":                   {map[string]string{eso.LabelManaged: "true", "app": "db"}, marks, true, ""},
		"of somebody":                    {map[string]string{"app": "db"}, marks, false, ""},
		"of a mapping, a restart waits":  {map[string]string{eso.LabelManaged: "true"}, map[string]string{eso.AnnotationDataHash: "0123", eso.AnnotationRestartPending: "{}"}, true, "{}"},
		"without a hash, a restart owed": {map[string]string{eso.LabelManaged: "true"}, map[string]string{eso.AnnotationRestartPending: "{}"}, false, "{}"},
	} {
		m := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
			Namespace: "apps", Name: "db", UID: "s", ResourceVersion: "7", Labels: c.labels, Annotations: c.annotations,
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}, Finalizers: []string{"f"},
			OwnerReferences: []metav1.OwnerReference{{Kind: "Other", Name: "o", UID: "o"}, owner},
		}}
		slim := newSlimming()
		for range 2 {
			if _, err := slim.secret(m); err != nil {
				t.Fatal(err)
			}
			if got := m.Labels[eso.LabelManaged] == "true" && m.Annotations[eso.AnnotationDataHash] != ""; got != c.marked {
				t.Errorf("%s: marked %t, want %t", name, got, c.marked)
			}
			if got := m.Annotations[eso.AnnotationRestartPending]; got != c.pending {
				t.Errorf("%s: pending %q, want %q", name, got, c.pending)
			}
			if got := metav1.GetControllerOf(m); got == nil || got.UID != "u" || len(m.OwnerReferences) != 1 || m.Annotations["note"] != "" || m.ResourceVersion != "7" || m.UID != "s" {
				t.Errorf("%s: %+v", name, m)
			}
		}
	}
}

func TestWordsAreShared(t *testing.T) {
	var w words
	for i := range 3 * maxWords {
		text := string(rune('a'+i%26)) + time.Duration(i).String()
		if got := w.shared(text); got != text {
			t.Fatalf("%q became %q", text, got)
		}
	}
	if len(w.known) > maxWords {
		t.Errorf("%d words are kept, want at most %d", len(w.known), maxWords)
	}
}

// BenchmarkPack is a mapping of ten keys as the watch brings it, and as a sync wants it.
func BenchmarkPack(b *testing.B) {
	es := &eso.ExternalSecret{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "db", Generation: 1}}
	for i := range 10 {
		key := fmt.Sprint("key-", i)
		es.Spec.Data = append(es.Spec.Data, eso.Data{SecretKey: key, RemoteRef: eso.RemoteRef{Key: "app/db", Property: key, MetadataPolicy: "None"}})
	}
	var p packing
	held, err := p.pack(es.DeepCopy())
	if err != nil {
		b.Fatal(err)
	}
	b.Run("pack", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			one := *es
			if _, err := p.pack(&one); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(held.wants)), "held-bytes")
	})
	b.Run("unpack", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.unpack(held); err != nil {
				b.Fatal(err)
			}
		}
	})
}
