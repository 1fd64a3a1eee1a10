package controller

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/engine"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/store"
)

// longestSync bounds one mapping: a store that answers slowly fails it.
const longestSync = 2 * time.Minute

// syncBatch syncs the due mappings of one group, then settles the deletions that the
// engine held back.
func (l *loop) syncBatch(ctx context.Context, reads *store.Pass, batch []task) {
	e := l.engine
	e.Stores, e.HoldDeletes = reads, true
	var held []task
	var mu sync.Mutex
	each(batch, func(t task) {
		if l.turn(&t) && !l.syncOne(ctx, e, t) {
			mu.Lock()
			held = append(held, t)
			mu.Unlock()
		}
	})
	if len(held) == 0 {
		return
	}
	refusal := l.refuseDeletes(held)
	e.HoldDeletes = false
	each(held, func(t task) {
		if !l.turn(&t) { // it may have been edited, in order to keep the Secret
			return
		}
		if refusal == nil {
			l.syncOne(ctx, e, t)
			return
		}
		l.finish(ctx, t, engine.Refuse(eso.MessageNotDeleted, refusal), time.Now())
	})
}

// slots are a group's workers: those for what a change or a person waits for, and the few
// for what is due by its interval, which would otherwise keep everybody waiting each time
// that many come due at once.
type slots struct{ urgent, byTime chan struct{} }

// byTimeShare is the part of a group's workers that refreshes by interval.
const byTimeShare = 5

func newSlots(concurrency int) slots {
	return slots{make(chan struct{}, concurrency), make(chan struct{}, (concurrency+byTimeShare-1)/byTimeShare)}
}

// each runs the tasks on as many workers as their group has for them.
func each(batch []task, do func(task)) {
	var all sync.WaitGroup
	for _, t := range batch {
		slots := t.group.slots.byTime
		if t.urgent {
			slots = t.group.slots.urgent
		}
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			do(t)
		})
	}
	all.Wait()
}

// turn gives a task its mapping as it is now, or false when there is nothing to do any
// more: the mapping is gone, somebody asked and it is another task's, or what it was
// picked for has changed: the stores that it uses, or whether they are up.
func (l *loop) turn(t *task) bool {
	e := t.entry
	t.es = l.watched.ExternalSecret(e.key.Namespace, e.key.Name)
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.ticket != t.ticket || l.mappings[e.key] != e {
		return false
	}
	breaker := &t.group.breaker
	back := t.es == nil || t.es.UID != e.uid || breaker.outdated(t.at, t.urgent)
	if !back && t.es.Generation != e.generation {
		l.describe(e, t.es)
	}
	if back || e.group != t.group.name {
		e.running, e.waits = false, false
		e.urgent, e.force = e.urgent || t.urgent, e.force || t.urgent
		if t.probe {
			breaker.probing = false
		}
		l.mark(e)
		l.nudge()
		return false
	}
	e.waits, t.before = false, e.view
	return true
}

// syncOne takes one mapping end to end. false: its deletion is held.
func (l *loop) syncOne(ctx context.Context, e engine.Engine, t task) bool {
	started := time.Now()
	if t.es.DeletionTimestamp != nil {
		l.release(ctx, t)
		return true
	}
	bounded, cancel := context.WithTimeout(ctx, longestSync)
	defer cancel()
	outcome := l.guarded(bounded, e, t.es)
	if outcome.Held {
		return false
	}
	l.finish(ctx, t, outcome, started)
	return true
}

// guarded keeps what one mapping's content makes a library do from ending the
// process. A panic's own text may hold a value and is not printed.
func (l *loop) guarded(ctx context.Context, e engine.Engine, es *eso.ExternalSecret) (outcome engine.Outcome) {
	defer func() {
		if cause := recover(); cause != nil {
			l.report.log.Error("a mapping made the program fail", "namespace", es.Namespace, "name", es.Name,
				"cause", fmt.Sprintf("%T", cause), "stack", string(debug.Stack()))
			outcome = engine.Refuse(eso.MessageWriteFailed, errors.New("this mapping makes the controller fail, see its log; simplify spec.target.template or spec.dataFrom[].rewrite"))
		}
	}()
	return e.Sync(ctx, es)
}

// release lets a mapping that is being deleted go: what ESO left on it would keep it
// for ever. Its Secret is garbage-collected through its owner reference.
func (l *loop) release(ctx context.Context, t task) {
	err := error(kv.ErrForeignStore)
	if !l.foreign(ctx, t.es) {
		err = l.report.status.RemoveFinalizers(ctx, t.es)
	}
	outcome := engine.Outcome{Skipped: err == nil || err == kv.ErrForeignStore, Err: err, Class: engine.Transient}
	l.settle(t, outcome)
}

// foreign reports whether one of the mapping's stores is known to be another
// controller's.
func (l *loop) foreign(ctx context.Context, es *eso.ExternalSecret) bool {
	for _, ref := range es.StoreRefs() {
		s, found, err := l.objects.Store(ctx, ref, es.Namespace)
		if err != nil || found && !s.Served(l.class) {
			return true
		}
	}
	return false
}

// finish reports an outcome and puts the mapping back into the schedule. What a
// dying process was interrupted in is not reported: it is no news of the mapping.
func (l *loop) finish(ctx context.Context, t task, o engine.Outcome, started time.Time) {
	if ctx.Err() == nil {
		if err := l.report.mapping(ctx, t, o, time.Now(), time.Since(started)); err != nil && o.Err == nil {
			o.Err, o.Class = err, engine.Transient
		}
	}
	l.settle(t, o)
}

func (l *loop) settle(t task, o engine.Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.nudge()
	if current, there := l.mappings[t.entry.key]; current != t.entry { // dropped meanwhile
		l.engine.Memo.Forget(t.es.UID)
		if !there {
			l.report.forget(t.entry.key)
		}
	}
	t.entry.settle(t.es, o, t.before, t.at)
	l.mark(t.entry)
	l.owing(t, o)
	if kind := downKind(o); kind != "" {
		t.group.breaker.down(kind, t.at, time.Now())
		l.doubt(t.group, true)
		return
	}
	t.group.breaker.probing = false
	if !o.Answered {
		return // it tells nothing of the store
	}
	if t.group.breaker.up(time.Now()) {
		l.drain(t.group)
	}
	if o.Class == engine.OK {
		l.doubt(t.group, false)
	}
}

// drain makes all that failed because the stores were down due at once. What failed
// for another reason keeps to its own backoff.
func (l *loop) drain(g *group) {
	for _, e := range l.mappings {
		if e.group == g.name && e.last.failures > 0 && e.last.class == engine.StoreDown && (!e.running || e.waits) {
			e.force, e.urgent = true, true
			l.mark(e)
		}
	}
}

func (l *loop) refuseDeletes(held []task) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	stores, total := held[0].stores, 0
	for _, e := range l.mappings {
		if e.stores == stores {
			total++
		}
	}
	var wishes []types.NamespacedName
	for _, t := range held {
		wishes = append(wishes, t.entry.key)
	}
	return l.brake.refuse(stores, wishes, total, time.Now())
}
