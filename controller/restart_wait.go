package controller

import (
	"slices"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

func (l *loop) row(w kube.Workload) row {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.restarts.rows[w.UID]
}

// waits reports whether a workload waits for what else it uses, which is asked for at
// the first look.
func (l *loop) waits(w kube.Workload, causes []*changedSecret, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	asked, long := true, false
	for _, c := range causes {
		asked = asked && c.asked
		long = long || now.Sub(c.since) >= longestWait
	}
	waits := false
	for name := range w.Uses {
		isCause := slices.ContainsFunc(causes, func(c *changedSecret) bool { return c.secret.name == name })
		for _, e := range l.entriesOf(object{"Secret", w.Namespace, name}) {
			if !asked && !isCause {
				l.askNow(e, now)
			}
			waits = waits || e.unsettled(now)
		}
	}
	return waits && !long
}

// askNow makes what else a workload uses due, so that a change that came to Vault
// together comes to the workload together. A window that is closed stays closed.
func (l *loop) askNow(e *entry, now time.Time) {
	es, _ := l.watched.Outline(e.key.Namespace, e.key.Name)
	if es == nil || e.running && !e.waits || e.last.failures > 0 || now.Sub(e.last.at) < quiet || !open(es.Spec.SyncWindows, now) {
		return
	}
	l.contentChanged(e)
}

// unsettled reports whether a mapping's Secret may be about to change.
func (e *entry) unsettled(now time.Time) bool {
	due := e.force || !e.due.IsZero() && !e.due.After(now)
	return e.running || due && e.last.failures == 0
}
