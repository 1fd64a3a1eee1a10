package controller

import (
	"context"
	"errors"
	"log/slog"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// leases are the Leases of a namespace, as kube.Clients has them.
type leases interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*coordinationv1.Lease, error)
	Create(ctx context.Context, lease *coordinationv1.Lease, opts metav1.CreateOptions) (*coordinationv1.Lease, error)
	Update(ctx context.Context, lease *coordinationv1.Lease, opts metav1.UpdateOptions) (*coordinationv1.Lease, error)
}

// errHeld says that another process holds the Lease.
var errHeld = errors.New("another process holds the Lease")

// elector takes a Lease and keeps it, by the rules of client-go's leader election, and
// understands the Leases that it wrote: no clock but the own one is trusted, so a
// Lease of another is free once it was seen unchanged for as long as it holds; every
// write names the resourceVersion that was seen. client-go's own links every API
// group that there is, which doubles this program.
type elector struct {
	leases         leases
	name, identity string
	log            *slog.Logger
	// lost is called when the Lease was not renewed within renewWithin, counted from
	// when the last renewal that succeeded was sent, however long later ones take, and
	// when the Lease turns out to be another's.
	lost func()

	// lease is as last read or written, since is when its version was seen first.
	lease *coordinationv1.Lease
	since time.Time
	// sure is false when a write may have arrived that was not answered.
	sure bool

	timer *time.Timer
}

// acquire waits for the Lease. It reports false when ctx was done before.
func (e *elector) acquire(ctx context.Context) bool {
	said := errHeld.Error() // that is what waiting is for
	for {
		err := e.try(ctx)
		if err == nil {
			return true
		}
		if ctx.Err() == nil && err.Error() != said {
			e.log.Warn("the Lease cannot be taken yet", "name", e.name, "error", err.Error())
			said = err.Error()
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait.Jitter(renewEvery, 0.2)):
		}
	}
}

// keep renews the Lease until ctx is done. One that turns out to be another's is lost at
// once.
func (e *elector) keep(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(renewEvery):
		}
		err := e.try(ctx)
		if errors.Is(err, errHeld) {
			e.lost()
			return
		}
		if err != nil && ctx.Err() == nil {
			e.log.Warn("the Lease was not renewed and is tried again", "name", e.name, "error", err.Error())
		}
	}
}

// release gives the Lease back if it is still held, so that the next need not wait.
func (e *elector) release() {
	if e.timer != nil {
		e.timer.Stop()
	}
	ctx, cancel := context.WithTimeout(context.Background(), renewWithin)
	defer cancel()
	for ctx.Err() == nil {
		err := e.look(ctx)
		if err == nil && holder(e.lease) != e.identity {
			return
		}
		if err == nil {
			if err = e.write(ctx, "", time.Second); err == nil {
				return
			}
		}
		if !apierrors.IsConflict(err) {
			e.log.Warn("the Lease was not given back; the next waits until it has run out", "name", e.name, "error", err.Error())
			return
		}
	}
}

// try takes the Lease or renews it.
func (e *elector) try(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, renewWithin/2) // one that hangs leaves time for a second
	defer cancel()
	if !e.sure || holder(e.lease) != e.identity {
		if err := e.look(ctx); err != nil {
			return err
		}
		if e.taken(time.Now()) {
			return errHeld
		}
	}
	sent := time.Now()
	if err := e.write(ctx, e.identity, leaseTime); err != nil {
		return err
	}
	e.renewed(sent)
	return nil
}

// look reads the Lease; one that does not exist is nil.
func (e *elector) look(ctx context.Context) error {
	lease, err := e.leases.Get(ctx, e.name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		e.lease = nil
	case err != nil:
		return err
	case e.lease == nil || e.lease.UID != lease.UID || e.lease.ResourceVersion != lease.ResourceVersion:
		e.lease, e.since = lease, time.Now()
	}
	e.sure = true
	return nil
}

// taken reports whether another process may hold the Lease.
func (e *elector) taken(now time.Time) bool {
	by := holder(e.lease)
	if by == "" || by == e.identity {
		return false
	}
	holds := leaseTime
	if seconds := e.lease.Spec.LeaseDurationSeconds; seconds != nil {
		holds = time.Duration(*seconds) * time.Second
	}
	return now.Before(e.since.Add(holds))
}

func holder(lease *coordinationv1.Lease) string {
	if lease == nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// write makes the Lease by's, on top of what was seen.
func (e *elector) write(ctx context.Context, by string, holds time.Duration) error {
	next := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: e.name}}
	if e.lease != nil {
		next = e.lease.DeepCopy()
	}
	now, seconds, transitions := metav1.NowMicro(), int32(holds/time.Second), int32(0)
	if next.Spec.LeaseTransitions != nil {
		transitions = *next.Spec.LeaseTransitions
	}
	if by != holder(e.lease) {
		next.Spec.AcquireTime = &now
		if by != "" && e.lease != nil {
			transitions++
		}
	}
	next.Spec.HolderIdentity, next.Spec.LeaseDurationSeconds, next.Spec.RenewTime, next.Spec.LeaseTransitions = &by, &seconds, &now, &transitions
	var written *coordinationv1.Lease
	var err error
	if e.lease == nil {
		written, err = e.leases.Create(ctx, next, metav1.CreateOptions{})
	} else {
		written, err = e.leases.Update(ctx, next, metav1.UpdateOptions{})
	}
	if e.sure = err == nil; err != nil {
		return err
	}
	e.lease, e.since = written, time.Now()
	return nil
}

// renewed sets the time at which the work ends if no later renewal succeeds.
func (e *elector) renewed(sent time.Time) {
	left := max(0, time.Until(sent.Add(renewWithin)))
	if e.timer == nil {
		e.timer = time.AfterFunc(left, e.lost)
		return
	}
	e.timer.Reset(left)
}
