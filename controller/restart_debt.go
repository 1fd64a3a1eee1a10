package controller

import (
	"context"
	"errors"
	"slices"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/engine"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/plan"
)

// entriesOf returns the mappings whose target a Secret is. The caller holds l.mu.
func (l *loop) entriesOf(secret object) []*entry {
	var all []*entry
	for _, e := range l.users[secret] {
		if e.uses[0] == secret {
			all = append(all, e)
		}
	}
	return all
}

// settleDebt takes the note off a Secret. The write is ours: it makes no mapping due.
func (l *loop) settleDebt(ctx context.Context, c *changedSecret) error {
	held, free := l.hold(c.secret)
	if !free {
		return nil // one of them is being synced; look again
	}
	next := c.read.DeepCopy()
	delete(next.Annotations, eso.AnnotationRestartPending)
	manager := kube.Manager
	if len(c.users) > 0 {
		manager = eso.FieldManager(c.users[0].Name)
	}
	stored, err := l.engine.Secrets.Apply(ctx, plan.Change{Action: plan.Update, Secret: next, Current: c.read}, manager)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range held {
		e.running = false
		l.mark(e)
		if err == nil && e.last.left.version == c.read.ResourceVersion {
			e.last.left = seen{version: stored.ResourceVersion}
		}
	}
	defer l.nudge()
	switch {
	case errors.Is(err, plan.ErrStale):
		return nil // it changed meanwhile; look again
	case err != nil:
		return err
	}
	delete(l.restarts.owed, c.secret)
	return nil
}

// hold keeps the mappings of a Secret from being synced while it is written here; false
// when one of them is being synced.
func (l *loop) hold(secret object) ([]*entry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.entriesOf(secret)
	if slices.ContainsFunc(held, func(e *entry) bool { return e.running }) {
		return nil, false
	}
	for _, e := range held {
		e.running = true
	}
	return held, true
}

// owing takes note of what an outcome left on the Secret.
func (l *loop) owing(t task, o engine.Outcome) {
	if l.restarts == nil || o.Change.Secret == nil || o.Err != nil {
		return
	}
	if note := o.Change.Secret.Annotations[eso.AnnotationRestartPending]; note != "" {
		l.restarts.owe(t.entry.uses[0], note, time.Now())
	}
}
