package controller

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// table is the API server's side of one Lease; its versions are as strict as the real
// one's. A broken one answers nobody.
type table struct {
	lease   *coordinationv1.Lease
	version int
	broken  bool
}

func (l *table) Get(_ context.Context, name string, _ metav1.GetOptions) (*coordinationv1.Lease, error) {
	switch {
	case l.broken:
		return nil, errors.New("no answer")
	case l.lease == nil:
		return nil, apierrors.NewNotFound(coordinationv1.Resource("leases"), name)
	}
	return l.lease.DeepCopy(), nil
}

func (l *table) Create(_ context.Context, lease *coordinationv1.Lease, _ metav1.CreateOptions) (*coordinationv1.Lease, error) {
	if l.lease != nil {
		return nil, apierrors.NewAlreadyExists(coordinationv1.Resource("leases"), lease.Name)
	}
	return l.store(lease)
}

func (l *table) Update(_ context.Context, lease *coordinationv1.Lease, _ metav1.UpdateOptions) (*coordinationv1.Lease, error) {
	if l.lease != nil && lease.ResourceVersion != l.lease.ResourceVersion {
		return nil, apierrors.NewConflict(coordinationv1.Resource("leases"), lease.Name, errors.New("changed"))
	}
	return l.store(lease)
}

func (l *table) store(lease *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	if l.broken {
		return nil, errors.New("no answer")
	}
	l.version++
	l.lease = lease.DeepCopy()
	l.lease.ResourceVersion = strconv.Itoa(l.version)
	return l.lease.DeepCopy(), nil
}

// electing is an elector at a table, and the work that it allows.
func electing(t *testing.T, at *table, identity string) (*elector, context.Context) {
	work, lost := context.WithCancel(t.Context())
	return &elector{leases: at, name: "lease", identity: identity, log: slog.New(slog.DiscardHandler), lost: lost}, work
}

// Work ends before the Lease can be another's, and not while renewals succeed.
func TestNeverWorksOnALostLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := &table{}
		e, work := electing(t, at, "me")
		if !e.acquire(t.Context()) {
			t.Fatal("a free Lease was not taken")
		}
		go e.keep(work)
		time.Sleep(time.Minute)
		if work.Err() != nil {
			t.Fatal("work ended while the Lease was renewed")
		}
		at.broken = true
		broke := time.Now()
		<-work.Done()
		if ended := time.Since(broke); ended >= leaseTime-renewEvery {
			t.Errorf("work ended %s after renewals began to fail, and the Lease holds %s", ended, leaseTime)
		}
	})
}

// A Lease of another is taken when it was seen unchanged for as long as it holds, and
// at once when it was given back.
func TestLeaseOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := &table{}
		first, firstWork := electing(t, at, "first")
		second, secondWork := electing(t, at, "second")
		if !first.acquire(t.Context()) {
			t.Fatal("a free Lease was not taken")
		}
		renewing, die := context.WithCancel(firstWork)
		go first.keep(renewing)
		took := make(chan bool, 1)
		go func() { took <- second.acquire(t.Context()) }()
		time.Sleep(time.Minute)
		if len(took) > 0 {
			t.Fatal("two hold the Lease")
		}
		die()
		died := time.Now()
		<-firstWork.Done()
		if len(took) > 0 {
			t.Error("the second took the Lease while the first still worked")
		}
		if !<-took || time.Since(died) < leaseTime-renewEvery || time.Since(died) > leaseTime+2*renewEvery {
			t.Errorf("taken %s after the last renewal; it held %s", time.Since(died), leaseTime)
		}
		if at.lease.Spec.LeaseTransitions == nil || *at.lease.Spec.LeaseTransitions != 1 {
			t.Errorf("transitions: %v, want 1", at.lease.Spec.LeaseTransitions)
		}
		second.release()
		if given := holder(at.lease); given != "" || secondWork.Err() != nil {
			t.Errorf("the Lease is %q's after it was given back", given)
		}
		third, _ := electing(t, at, "third")
		given := time.Now()
		if !third.acquire(t.Context()) || time.Since(given) > 0 {
			t.Errorf("a Lease that was given back was taken after %s", time.Since(given))
		}
		third.timer.Stop()
	})
}

// A write that arrived without an answer is no reason to lose the Lease, nor to take
// one that meanwhile is another's.
func TestLeaseWithoutAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := &table{}
		e, work := electing(t, at, "me")
		if !e.acquire(t.Context()) {
			t.Fatal("a free Lease was not taken")
		}
		at.version++ // the write that was not answered
		at.lease.ResourceVersion = strconv.Itoa(at.version)
		if err := e.try(t.Context()); !apierrors.IsConflict(err) {
			t.Errorf("%v, want a conflict", err)
		}
		if err := e.try(t.Context()); err != nil || work.Err() != nil {
			t.Errorf("an own Lease was not renewed: %v", err)
		}
		other := "other"
		at.version++
		at.lease.ResourceVersion, at.lease.Spec.HolderIdentity = strconv.Itoa(at.version), &other
		if err := e.try(t.Context()); !apierrors.IsConflict(err) {
			t.Errorf("%v, want a conflict", err)
		}
		if err := e.try(t.Context()); !errors.Is(err, errHeld) {
			t.Errorf("%v, want %v", err, errHeld)
		}
		<-work.Done()
	})
}

// Whoever finds the Lease in other hands, which an administrator can bring about, ends
// at once and does not wait for its own time to run out.
func TestNeverWorksBesideANewHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := &table{}
		e, work := electing(t, at, "me")
		if !e.acquire(t.Context()) {
			t.Fatal("a free Lease was not taken")
		}
		go e.keep(work)
		other, taken := "other", time.Now()
		at.version++
		at.lease.ResourceVersion, at.lease.Spec.HolderIdentity = strconv.Itoa(at.version), &other
		<-work.Done()
		if ended := time.Since(taken); ended > 2*renewEvery {
			t.Errorf("work ended %s after another took the Lease", ended)
		}
	})
}

// What is in flight may end after a SIGTERM, and not for ever.
func TestDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop, terminate := context.WithCancel(t.Context())
		ctx := draining(stop, context.WithoutCancel(stop))
		terminate()
		time.Sleep(drainTime - time.Second)
		if ctx.Err() != nil {
			t.Error("work was cut off at once")
		}
		time.Sleep(2 * time.Second)
		if ctx.Err() == nil {
			t.Error("work may go on for ever")
		}
	})
}
