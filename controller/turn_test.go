package controller

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// queued is a loop with one mapping, picked because its interval was over.
func queued(t *testing.T) (*loop, *always, task) {
	t.Helper()
	es := example(eso.RefreshPeriodic, "1h")
	es.Spec.SecretStoreRef = &eso.StoreRef{Name: "vault"}
	watch := &always{es: es}
	l := bareLoop()
	l.watched, l.wake = watch, make(chan struct{}, 1)
	e := &entry{key: types.NamespacedName{Namespace: es.Namespace, Name: es.Name}}
	e.describe(es, l.referent)
	e.view = seen{version: "5"}
	e.last = attempt{at: noon().Add(-time.Hour), version: eso.SyncedResourceVersion(&es.ObjectMeta), left: e.view}
	e.due = noon()
	l.mappings[e.key] = e
	picked := l.take(noon()).mappings
	if len(picked) != 1 || picked[0].urgent || !e.running {
		t.Fatalf("picked %+v", picked)
	}
	return l, watch, picked[0]
}

func TestTurn(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(*loop, *always, *task)
		runs      bool
		// again: it is picked once more, in a pass of its own.
		again bool
	}{
		"nothing happens": {func(*loop, *always, *task) {}, true, false},
		"the mapping is deleted": {func(_ *loop, w *always, _ *task) {
			w.es = nil
		}, false, false},
		"its spec changes": {func(_ *loop, w *always, _ *task) {
			w.es = w.es.DeepCopy()
			w.es.Generation, w.es.Spec.Target.Name = 2, "other"
		}, true, false},
		"it moves to another store": {func(_ *loop, w *always, _ *task) {
			w.es = w.es.DeepCopy()
			w.es.Generation, w.es.Spec.SecretStoreRef = 2, &eso.StoreRef{Name: "elsewhere"}
		}, false, true},
		"its store goes down": {func(_ *loop, _ *always, k *task) {
			k.group.breaker.down(kv.Sealed, k.at, k.at.Add(time.Millisecond))
		}, false, false},
		"its store goes down, and somebody waits": {func(_ *loop, _ *always, k *task) {
			k.urgent = true
			k.group.breaker.down(kv.Sealed, k.at, k.at.Add(time.Millisecond))
		}, true, false},
		"its store goes down and comes up again": {func(_ *loop, _ *always, k *task) {
			k.group.breaker.down(kv.Sealed, k.at, k.at.Add(time.Millisecond))
			k.group.breaker.up(k.at.Add(2 * time.Millisecond))
		}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			l, watch, one := queued(t)
			c.meanwhile(l, watch, &one)
			if got := l.turn(&one); got != c.runs {
				t.Fatalf("its turn: %t, want %t", got, c.runs)
			}
			if c.runs {
				if one.es.Generation != watch.es.Generation || one.entry.uses[0].name != watch.es.TargetName() {
					t.Errorf("it runs as %+v with %v", one.es, one.entry.uses)
				}
				return
			}
			if one.entry.running {
				t.Fatal("it is never picked again")
			}
			if again := l.takeMarked(noon().Add(time.Second)).mappings; len(again) > 0 != c.again {
				t.Errorf("picked again: %+v", again)
			} else if c.again && again[0].group.name != one.entry.group {
				t.Errorf("picked again for %s", again[0].group.name)
			}
		})
	}
}

// Somebody who asks for a mapping that waits for its turn does not wait with it; what
// waited is not done twice.
func TestAskedForWhileItWaits(t *testing.T) {
	l, watch, waiting := queued(t)
	l.mark(waiting.entry)
	if again := l.takeMarked(noon()).mappings; len(again) > 0 {
		t.Fatalf("picked twice though nobody asked: %+v", again)
	}
	watch.es = watch.es.DeepCopy()
	watch.es.Annotations = map[string]string{eso.AnnotationForceSync: "now"}
	l.mark(waiting.entry)
	asked := l.takeMarked(noon()).mappings
	if len(asked) != 1 || !asked[0].urgent {
		t.Fatalf("picked %+v", asked)
	}
	if l.turn(&waiting) {
		t.Error("it is synced twice")
	}
	if !l.turn(&asked[0]) {
		t.Error("it is not synced")
	}
	l.mark(waiting.entry)
	if again := l.takeMarked(noon()).mappings; len(again) > 0 {
		t.Errorf("picked while it is synced: %+v", again)
	}
}

// Under --once nothing that was sent back is taken for synced: it has another pass, or is
// counted.
func TestWhatIsSentBackIsNotForgotten(t *testing.T) {
	l, _, one := queued(t)
	one.urgent = true
	one.group.breaker.down(kv.Sealed, one.at, one.at.Add(time.Millisecond))
	one.group.breaker.up(one.at.Add(2 * time.Millisecond))
	if l.turn(&one) {
		t.Fatal("it runs in a pass that knows its store as down")
	}
	again := l.takeForced(noon().Add(time.Second)).mappings
	if len(again) != 1 {
		t.Fatalf("picked %+v", again)
	}
	if n := l.unsynced(); n != 1 {
		t.Errorf("%d are not synced, want the one that waits", n)
	}
	if !l.turn(&again[0]) {
		t.Error("it never has its turn")
	}
}
