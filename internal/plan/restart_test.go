package plan_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/mapping"
	"vaultsecret.io/kubectl-vaultsecret/internal/plan"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

func TestOwe(t *testing.T) {
	es := externalSecret(eso.CreateOwner, "")
	of := func(version int, data ...string) mapping.Desired {
		d := mapping.Desired{Data: map[string]redact.Bytes{}, Sources: []mapping.Provenance{{Path: "kv/app", Version: version}}}
		for i := 0; i < len(data); i += 2 {
			d.Data[data[i]] = redact.Bytes(data[i+1])
		}
		return d
	}
	volatile := func(d mapping.Desired) mapping.Desired {
		d.Volatile = true
		return d
	}
	written := func(d mapping.Desired, change ...func(*corev1.Secret)) *corev1.Secret {
		s := plan.Decide(es, d, nil).Secret
		for _, f := range change {
			f(s)
		}
		return s
	}
	edited := func(s *corev1.Secret) { s.Data["a"] = []byte("edited") }
	label := func(s *corev1.Secret) { delete(s.Labels, eso.LabelManaged) }
	pending := func(s *corev1.Secret) { s.Annotations[eso.AnnotationRestartPending] = "z" }
	foreign := func(s *corev1.Secret) { delete(s.Annotations, eso.AnnotationSource) }
	for _, c := range []struct {
		name    string
		want    mapping.Desired
		current *corev1.Secret
		note    string
	}{
		{"made", of(1, "a", "1"), nil, "+"},
		{"as it was", of(1, "a", "1"), written(of(1, "a", "1")), ""},
		{"a value", of(2, "a", "2", "b", "1"), written(of(1, "a", "1", "b", "1")), "a"},
		{"keys", of(2, "b", "1"), written(of(1, "a", "1")), "a,b"},
		{"an edit is undone", of(1, "a", "1"), written(of(1, "a", "1"), edited), ""},
		{"a label comes back", of(1, "a", "1"), written(of(1, "a", "1"), label), ""},
		{"before the last was done", of(2, "a", "2"), written(of(1, "a", "1"), pending), "a,z"},
		{"volatile, the same version", volatile(of(1, "a", "2")), written(of(1, "a", "1")), ""},
		{"volatile, another version", volatile(of(2, "a", "2")), written(of(1, "a", "1")), "*"},
		{"volatile, nothing known", volatile(of(2, "a", "2")), written(of(1, "a", "1"), foreign), ""},
	} {
		change := plan.Owe(c.want, plan.Decide(es, c.want, c.current))
		got := ""
		if change.Secret != nil {
			got = change.Secret.Annotations[eso.AnnotationRestartPending]
		}
		if got != c.note {
			t.Errorf("%s: noted %q, want %q", c.name, got, c.note)
		}
		if change.Secret == nil {
			continue
		}
		if again := plan.Decide(es, c.want, change.Secret); again.Action != plan.None {
			t.Errorf("%s: planned again: %s", c.name, again.Action)
		}
		// Taking the note away is no reason to write either.
		delete(change.Secret.Annotations, eso.AnnotationRestartPending)
		if again := plan.Decide(es, c.want, change.Secret); again.Action != plan.None {
			t.Errorf("%s: planned again without the note: %s", c.name, again.Action)
		}
	}
}
