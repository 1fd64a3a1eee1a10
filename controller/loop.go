package controller

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/engine"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/store"
)

// loop takes what is due, groups it by store, syncs it and reports: once a second,
// and at once when a watch has marked something.
type loop struct {
	class       string
	concurrency int
	shard       shard
	watched     watched
	objects     store.Objects
	sessions    *store.Sessions
	engine      engine.Engine // without Stores, which are a pass's
	report      *reporter

	wake chan struct{}
	// marked are the entries that a pass between two ticks looks at.
	marked []*entry

	mu       sync.Mutex
	started  bool
	mappings map[types.NamespacedName]*entry
	groups   map[string]*group
	stores   map[string]*storeEntry
	users    map[object][]*entry
	brake    brake
	restarts *restarts // nil: no workload is ever restarted

	inFlight sync.WaitGroup
}

// watched is what the watches hold in memory.
type watched interface {
	// Outlines and Outline return mappings without spec.data, spec.dataFrom,
	// spec.target.template and kubectl's note of what was applied, which only ExternalSecret
	// has; nil when there is none. version is the whole one's eso.SyncedResourceVersion.
	Outlines() []*eso.ExternalSecret
	Outline(namespace, name string) (outline *eso.ExternalSecret, version string)
	ExternalSecret(namespace, name string) *eso.ExternalSecret
	Stores() []eso.Store
	// SecretVersion is the resourceVersion of a Secret, "" when it is absent;
	// marked says whether it has a mapping's label and hash.
	SecretVersion(namespace, name string) (version string, marked bool)
	// RestartPending is the note on a Secret that workloads are owed a restart.
	RestartPending(namespace, name string) string
}

const (
	tick = time.Second
	// gatherMarks is how long marks are gathered before a pass takes them.
	gatherMarks = 5 * time.Millisecond
)

// run passes until stop is done; what is in flight then still has work to end in.
func (l *loop) run(stop, work context.Context) {
	l.start(time.Now())
	ticker := time.NewTicker(tick)
	take := l.take
	defer ticker.Stop()
	for {
		now := time.Now()
		l.pass(work, now, take(now))
		take = l.takeMarked
		select {
		case <-stop.Done():
			l.inFlight.Wait()
			return
		case <-work.Done():
			l.inFlight.Wait()
			return
		case <-ticker.C:
			take = l.take
		case <-l.wake:
			gather(stop)
		}
	}
}

// gather lets the marks of one moment come together.
func gather(ctx context.Context) {
	select {
	case <-time.After(gatherMarks):
	case <-ctx.Done():
	}
}

// onceMore is how often --once passes again over what was sent back: picked for a store
// that was down, which came up again meanwhile.
const onceMore = 3

// once runs one pass over everything, due or not, and returns how many mappings are not
// synced.
func (l *loop) once(ctx context.Context) int {
	now := time.Now()
	l.start(now)
	l.mu.Lock()
	for _, e := range l.mappings {
		e.force, e.look = true, true
	}
	l.mu.Unlock()
	due := l.take(now)
	for more := 0; more <= onceMore && len(due.mappings)+len(due.stores) > 0; more++ {
		l.pass(ctx, now, due)
		l.inFlight.Wait()
		now = time.Now()
		due = l.takeForced(now)
	}
	l.restartAll(ctx)
	return l.unsynced()
}

// unsynced counts the mappings that failed, or were picked and never had their turn.
func (l *loop) unsynced() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, e := range l.mappings {
		if e.last.failures > 0 || e.running {
			n++
		}
	}
	return n
}

// pass is one round. It does not wait for what it starts: a slow store keeps its own
// mappings busy and nothing else.
func (l *loop) pass(ctx context.Context, now time.Time, due taken) {
	l.sessions.Tick(now)
	l.restartDue(ctx, now)
	if len(due.mappings) == 0 && len(due.stores) == 0 {
		return
	}
	reads := &store.Pass{Sessions: l.sessions, Objects: l.objects, Class: l.class}
	for _, s := range due.stores {
		l.inFlight.Go(func() { l.validate(ctx, reads, s, now) })
	}
	for _, batch := range due.byGroup() {
		l.inFlight.Go(func() { l.syncBatch(ctx, reads, batch) })
	}
}

// mark has the next pass look at an entry. The caller holds l.mu. What is not marked is
// seen by the next tick.
func (l *loop) mark(e *entry) {
	e.look = true
	l.marked = append(l.marked, e)
}

// nudge wakes the loop; it never blocks.
func (l *loop) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}
