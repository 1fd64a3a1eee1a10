package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// changedSecret is one Secret whose workloads are looked at.
type changedSecret struct {
	owed
	// users are the mappings of it that want restarts.
	users []*eso.ExternalSecret
	// read is the Secret as it is, changedAt when a mapping last wrote it.
	read      *corev1.Secret
	changedAt time.Time
	// left: it cannot be done yet; again is when to look, the zero time soon.
	left  bool
	again time.Time
	err   error
	// failed are restarts that were refused; those of other workloads go on.
	failed error
}

// restartDue restarts what is owed and has settled. It does not wait for it.
func (l *loop) restartDue(ctx context.Context, now time.Time) {
	if l.restarts == nil {
		return
	}
	l.mu.Lock()
	due := l.restarts.due(now)
	l.mu.Unlock()
	for _, namespace := range due {
		l.inFlight.Go(func() { l.restartIn(ctx, namespace, now) })
	}
}

// restartAll restarts all that is owed. Everything was synced just before: nothing is
// waited for.
func (l *loop) restartAll(ctx context.Context) {
	if l.restarts == nil {
		return
	}
	late := time.Now().Add(longestWait)
	l.mu.Lock()
	due := l.restarts.due(late)
	l.mu.Unlock()
	for _, namespace := range due {
		l.restartIn(ctx, namespace, late)
	}
}

// restartIn restarts what is owed a restart in a namespace, as far as it can be now.
func (l *loop) restartIn(ctx context.Context, namespace string, now time.Time) {
	bounded, cancel := context.WithTimeout(ctx, longestSync)
	defer cancel()
	changed := l.changedSecrets(bounded, namespace, now)
	l.mu.Lock()
	standing := l.restarts.standing(namespace)
	l.mu.Unlock()
	all, err := l.restarts.workloads.Workloads(bounded, namespace)
	if err == nil {
		for _, w := range all {
			l.restartOne(bounded, w, changed, standing, now)
		}
		l.missing(all, changed)
	}
	for _, c := range changed {
		if c.err == nil {
			c.err = cmp.Or(err, c.failed)
		}
		if c.err == nil && !c.left {
			c.err = l.settleDebt(bounded, c)
		}
		if c.err != nil && ctx.Err() == nil {
			l.report.restartFailed(c.users, c.secret.name, c.err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.restarts.busy, namespace)
	for _, c := range changed {
		known := l.restarts.owed[c.secret]
		switch {
		case known == nil:
		case c.err != nil:
			known.failures++
			known.look = time.Now().Add(doubled(known.failures, revalidate))
		default:
			known.failures, known.asked, known.look = 0, true, c.again
			if soon := time.Now().Add(lookAgain); known.look.Before(soon) {
				known.look = soon
			}
		}
	}
}

// changedSecrets reads what stands in the Secrets that are owed for.
func (l *loop) changedSecrets(ctx context.Context, namespace string, now time.Time) []*changedSecret {
	l.mu.Lock()
	debts := l.restarts.of(namespace, now)
	l.mu.Unlock()
	var all []*changedSecret
	for _, debt := range debts {
		c := &changedSecret{owed: debt}
		mappings := l.mappingsOf(debt.secret)
		ours := slices.DeleteFunc(slices.Clone(mappings), func(es *eso.ExternalSecret) bool { return l.foreign(ctx, es) })
		if len(mappings) > 0 && len(ours) == 0 {
			l.forgive(debt.secret) // another controller's note
			continue
		}
		for _, es := range ours {
			if restart, err := es.Restart(); err == nil && restart.Wanted() {
				c.users = append(c.users, es)
			}
		}
		if c.read, c.err = l.engine.Secrets.Current(ctx, namespace, debt.secret.name); c.err == nil && c.read == nil {
			l.forgive(debt.secret)
			continue
		}
		if c.read != nil {
			// What was written after the note was seen comes with another note.
			if c.note = c.read.Annotations[eso.AnnotationRestartPending]; c.note == "" {
				l.forgive(debt.secret) // taken away meanwhile
				continue
			}
			c.changedAt = writtenAt(c.read, c.users)
		}
		all = append(all, c)
	}
	return all
}

// forgive drops what is owed for a Secret, and leaves the Secret as it is.
func (l *loop) forgive(secret object) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.restarts.owed, secret)
}

// mappingsOf returns the mappings whose target a Secret is, by name.
func (l *loop) mappingsOf(secret object) []*eso.ExternalSecret {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []*eso.ExternalSecret
	for _, e := range l.entriesOf(secret) {
		if es := l.watched.ExternalSecret(e.key.Namespace, e.key.Name); es != nil {
			all = append(all, es)
		}
	}
	slices.SortFunc(all, func(a, b *eso.ExternalSecret) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// writtenAt is when one of the mappings last wrote a Secret, in whole seconds.
func writtenAt(secret *corev1.Secret, by []*eso.ExternalSecret) time.Time {
	at := secret.CreationTimestamp.Time
	for _, entry := range secret.ManagedFields {
		wrote := slices.ContainsFunc(by, func(es *eso.ExternalSecret) bool { return entry.Manager == eso.FieldManager(es.Name) })
		if wrote && entry.Time != nil && entry.Time.After(at) {
			at = entry.Time.Time
		}
	}
	return at
}

// restartOne restarts a workload for all the Secrets that it is owed for, or leaves
// them all.
func (l *loop) restartOne(ctx context.Context, w kube.Workload, changed []*changedSecret, standing []string, now time.Time) {
	contents := map[string]string{}
	var causes []*changedSecret
	for _, c := range changed {
		if c.err != nil {
			continue
		}
		content, err := c.contentFor(w)
		if c.err = err; content != "" {
			contents[c.secret.name] = content
			causes = append(causes, c)
		}
	}
	if len(causes) == 0 {
		return
	}
	if row := l.row(w); row.rest().After(now) {
		for _, c := range causes {
			if c.left = true; c.again.IsZero() || row.rest().Before(c.again) {
				c.again = row.rest()
			}
			l.report.restartHeld(c.users, w, row)
		}
		return
	}
	if l.waits(w, causes, now) {
		for _, c := range causes {
			c.left, c.again = true, now
		}
		return
	}
	// What it was restarted for by other notes that still stand is kept on it, whether
	// they are looked at now or failed and wait: they would restart it once more.
	for _, secret := range standing {
		if before := w.RestartedFor(secret); before != "" && contents[secret] == "" {
			contents[secret] = before
		}
	}
	did, err := l.restarts.workloads.Restart(ctx, w, contents, kube.Manager)
	if err != nil {
		for _, c := range causes {
			c.failed = errors.Join(c.failed, err) // the others go on
		}
		l.report.metrics.restarted(w, causes, err)
		return
	}
	if !did {
		return
	}
	l.mu.Lock()
	l.restarts.restarted(w.UID, time.Now())
	l.mu.Unlock()
	l.report.restarted(w, causes)
}

// contentFor is the content of a Secret that a workload is to be restarted for, "" when
// it is not.
func (c *changedSecret) contentFor(w kube.Workload) (string, error) {
	use, uses := w.Uses[c.secret.name]
	uses = uses && use.Started
	wanted := slices.ContainsFunc(c.users, func(es *eso.ExternalSecret) bool {
		restart, err := es.Restart()
		return err == nil && restart.Includes(w.String(), uses)
	})
	if !wanted {
		return "", nil
	}
	if !uses { // its name is in the list: it reads the Secret by other ways
		use = kube.Use{All: true}
	}
	note := eso.ParsePending(c.note)
	if !note.Anew() && !note.Touches(use.All, use.Keys) {
		return "", nil // before the hash, which is slow on purpose
	}
	content, err := kube.Content(c.read, c.secret.namespace, c.secret.name, use)
	if err != nil || !owes(w, use, note, content, w.RestartedFor(c.secret.name), c.changedAt) {
		return "", err
	}
	return content, nil
}

// missing tells of workloads that are listed and do not exist.
func (l *loop) missing(all []kube.Workload, changed []*changedSecret) {
	for _, c := range changed {
		for _, es := range c.users {
			restart, _ := es.Restart() // read before
			for _, target := range restart.Targets {
				if !slices.ContainsFunc(all, func(w kube.Workload) bool { return w.String() == target }) {
					l.report.restartFailed([]*eso.ExternalSecret{es}, c.secret.name, fmt.Errorf("%s does not exist in namespace %s; correct metadata.annotations[%s]", target, es.Namespace, eso.AnnotationRestart))
				}
			}
		}
	}
}
