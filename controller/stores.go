package controller

import (
	"context"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/store"
)

// storeEntry is what the loop knows of one store.
type storeEntry struct {
	store eso.Store
	// ours: the store is of our class, and this process reports on it.
	ours bool
	// valid is what the last validation said, or the status before the first.
	valid, known bool
	due          time.Time
	force        bool
	running      bool
	failures     int
	told         told
}

// revalidate is how often a store without refreshInterval is validated, as in ESO.
const revalidate = 5 * time.Minute

func (s *storeEntry) isDue(now time.Time) bool {
	return s.ours && !s.running && (s.force || !s.due.After(now))
}

// validate looks at one store by itself and reports it. A store that turns ready
// makes its failed mappings due.
func (l *loop) validate(ctx context.Context, reads *store.Pass, s eso.Store, started time.Time) {
	bounded, cancel := context.WithTimeout(ctx, longestSync)
	defer cancel()
	l.mu.Lock()
	e, ok := l.stores[s.String()]
	l.mu.Unlock()
	if !ok {
		return
	}
	var err, reportErr error
	if s.Meta.DeletionTimestamp != nil {
		// ESO's finalizer would keep the store for ever.
		reportErr = l.report.status.RemoveStoreFinalizers(bounded, s)
	} else {
		err = reads.Validate(bounded, s)
		if ctx.Err() == nil {
			reportErr = l.report.store(ctx, e, s, err, started)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	before := e.valid
	e.running, e.valid, e.known = false, err == nil, true
	switch {
	case err != nil || reportErr != nil:
		e.failures++
		e.due = time.Now().Add(doubled(e.failures, revalidate))
	default:
		e.failures = 0
		e.due = time.Now().Add(interval(s))
	}
	if err == nil && !before {
		l.storeUp(s.String())
	}
}

// interval is the pause between two validations, a little shorter for each store
// than for the others.
func interval(s eso.Store) time.Duration {
	pause := revalidate
	if s.Spec.RefreshInterval != nil {
		if d, err := s.Spec.RefreshInterval.Parse(); err == nil && d > 0 {
			pause = d
		}
	}
	return pause - early(hashed(string(s.Meta.UID)), pause)
}

// doubt has the stores of a group validated when their mappings tell otherwise than
// the last validation. That of a referent store tells nothing of any mapping.
func (l *loop) doubt(g *group, down bool) {
	for name, s := range l.stores {
		if s.known && s.valid == down && g.has(name) && !s.store.Referent() {
			s.force = true
		}
	}
}

// storeUp makes the mappings of a store due that failed.
func (l *loop) storeUp(name string) {
	for _, g := range l.groups {
		if g.has(name) {
			g.breaker.up(time.Now())
			l.drain(g)
		}
	}
	l.nudge()
}

// storeChanged makes the mappings of a store due, those of one namespace unless that is
// empty: those that failed, and those that refresh at all.
func (l *loop) storeChanged(name, namespace string) {
	for _, e := range l.mappings {
		if g := l.group(e.group); g.has(name) && (namespace == "" || e.key.Namespace == namespace) {
			g.breaker.up(time.Now())
			l.contentChanged(e)
			l.nudge()
		}
	}
}

// regroup groups the mappings of a store anew: whether it is referent may have changed.
func (l *loop) regroup(name string) {
	for _, e := range l.mappings {
		if l.group(e.group).has(name) {
			e.group = groupOf(e.stores, e.key.Namespace, l.referent)
		}
	}
}

// contentChanged makes a mapping due whose Secret may have to be made anew.
func (l *loop) contentChanged(e *entry) {
	es, _ := l.watched.Outline(e.key.Namespace, e.key.Name)
	if es != nil && wanted(es, e.last) {
		e.force, e.urgent = true, true
		l.mark(e)
	}
}
