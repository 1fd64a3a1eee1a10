package controller

import (
	"cmp"
	"slices"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// taken is what one pass works on.
type taken struct {
	mappings []task
	stores   []eso.Store
}

// task is one mapping to sync, as it was when it was taken.
type task struct {
	entry  *entry
	group  *group
	es     *eso.ExternalSecret
	before seen
	urgent bool
	// at is the pass's time, which all its mappings share: they come due together
	// again and go on sharing reads.
	at time.Time
}

// take picks what is due, new and changed mappings first, and marks it as running.
func (l *loop) take(now time.Time) taken {
	l.mu.Lock()
	defer l.mu.Unlock()
	var due taken
	for _, s := range l.stores {
		if s.isDue(now) {
			s.running, s.force = true, false
			due.stores = append(due.stores, s.store)
		}
	}
	for _, e := range l.mappings {
		if e.running {
			continue
		}
		var es *eso.ExternalSecret
		if e.look {
			if es = l.watched.ExternalSecret(e.key.Namespace, e.key.Name); es == nil {
				continue
			}
			_, marked := l.watched.SecretVersion(e.uses[0].namespace, e.uses[0].name)
			e.judge(es, marked, now)
		}
		if e.due.IsZero() || e.due.After(now) || !l.admits(e, now) {
			continue
		}
		if es == nil {
			if es = l.watched.ExternalSecret(e.key.Namespace, e.key.Name); es == nil {
				continue
			}
			if e.judge(es, true, now); e.due.IsZero() || e.due.After(now) {
				continue // a window closed
			}
		}
		due.mappings = append(due.mappings, task{e, l.group(e.group), es, e.view, e.urgent, now})
		e.running, e.urgent, e.force = true, false, false
		b := &l.group(e.group).breaker
		b.probing = b.isOpen()
	}
	slices.SortStableFunc(due.mappings, func(a, b task) int {
		if a.urgent != b.urgent {
			if a.urgent {
				return -1
			}
			return 1
		}
		return cmp.Or(a.entry.due.Compare(b.entry.due), cmp.Compare(a.entry.key.String(), b.entry.key.String()))
	})
	return due
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
		g = &group{name: name, slots: make(chan struct{}, l.concurrency)}
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
