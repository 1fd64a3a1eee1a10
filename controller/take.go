package controller

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// taken is what one pass works on.
type taken struct {
	mappings []task
	stores   []eso.Store
}

// task is one mapping to sync.
type task struct {
	entry *entry
	group *group
	// es is the whole mapping once its turn has come: ten thousand may wait for theirs.
	es     *eso.ExternalSecret
	before seen
	urgent bool
	ticket uint32
	// probe: it asks whether its stores, which were down, are up again.
	probe bool
	// stores are what the brake counts by.
	stores string
	// at is the pass's time, which all its mappings share: they come due together
	// again and go on sharing reads.
	at time.Time
}

// take picks, of all mappings, what is due.
func (l *loop) take(now time.Time) taken {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.marked = nil
	return l.pick(maps.Values(l.mappings), now)
}

// takeMarked picks what is due of the marked mappings: with ten thousand, a change of
// one must not cost a look at all.
func (l *loop) takeMarked(now time.Time) taken {
	l.mu.Lock()
	defer l.mu.Unlock()
	marked := slices.DeleteFunc(l.marked, func(e *entry) bool { return l.mappings[e.key] != e }) // gone meanwhile
	l.marked = nil
	return l.pick(slices.Values(marked), now)
}

// takeForced picks what is to be synced whatever its schedule says.
func (l *loop) takeForced(now time.Time) taken {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.marked = nil
	return l.pick(func(yield func(*entry) bool) {
		for _, e := range l.mappings {
			if e.force && !yield(e) {
				return
			}
		}
	}, now)
}

// pick takes what is due, new and changed mappings first, and marks it as running. What
// shares a read comes one after the other, so that the answer need not be kept for long.
func (l *loop) pick(entries iter.Seq[*entry], now time.Time) taken {
	var due taken
	for _, s := range l.stores {
		if s.isDue(now) {
			s.running, s.force = true, false
			due.stores = append(due.stores, s.store)
		}
	}
	for e := range entries {
		if l.isDue(e, now) {
			g := l.group(e.group)
			g.breaker.probing = g.breaker.isOpen()
			e.ticket++
			due.mappings = append(due.mappings, task{
				entry: e, group: g, urgent: e.urgent, ticket: e.ticket, probe: g.breaker.probing, stores: e.stores, at: now,
			})
			e.running, e.waits, e.urgent, e.force = true, !e.urgent, false, false
		}
	}
	slices.SortStableFunc(due.mappings, func(a, b task) int {
		if a.urgent != b.urgent {
			if a.urgent {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.entry.phase, b.entry.phase), a.entry.due.Compare(b.entry.due))
	})
	return due
}

// isDue reports whether a mapping is to be synced now. One that waits for its turn because
// its time has come is taken once more when somebody asks for it meanwhile.
func (l *loop) isDue(e *entry, now time.Time) bool {
	if e.running && !(e.waits && e.look) {
		return false
	}
	due := func() bool { return !e.due.IsZero() && !e.due.After(now) && l.admits(e, now) }
	if !e.look && !due() {
		return false
	}
	es, version := l.watched.Outline(e.key.Namespace, e.key.Name)
	if es == nil {
		return false
	}
	marked := true
	if e.look {
		_, marked = l.watched.SecretVersion(e.uses[0].namespace, e.uses[0].name)
		if es.ResourceVersion != e.writtenOver {
			e.written = nil // the watch has caught up
		}
		if name := e.rival(es); name != "" {
			l.report.rival(es, name, l.class, now)
		}
	}
	e.judge(es, version, marked, now) // a window may have closed
	return due() && (e.urgent || !e.running)
}

// admits lets a mapping past its breaker: always when it is urgent or the breaker is
// closed, else one at a time as the probe.
func (l *loop) admits(e *entry, now time.Time) bool {
	b := &l.group(e.group).breaker
	if e.urgent || !b.isOpen() {
		return true
	}
	return !b.probing && !b.probe().After(now)
}

func (l *loop) group(name string) *group {
	g, ok := l.groups[name]
	if !ok {
		g = &group{name: name, slots: newSlots(l.concurrency)}
		l.groups[name] = g
	}
	return g
}

// byGroup splits what is due by stores; the order within is kept.
func (t taken) byGroup() [][]task {
	index := map[*group]int{}
	var batches [][]task
	for _, m := range t.mappings {
		i, ok := index[m.group]
		if !ok {
			i = len(batches)
			index[m.group] = i
			batches = append(batches, nil)
		}
		batches[i] = append(batches[i], m)
	}
	return batches
}
