package controller

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// lock is a Lease that cannot be renewed any more once broken is set.
type lock struct{ broken bool }

func (l *lock) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	return &resourcelock.LeaderElectionRecord{HolderIdentity: "me"}, nil, nil
}

func (l *lock) Create(context.Context, resourcelock.LeaderElectionRecord) error { return nil }

func (l *lock) Update(context.Context, resourcelock.LeaderElectionRecord) error {
	if l.broken {
		return errors.New("no answer")
	}
	return nil
}

func (l *lock) RecordEvent(string) {}
func (l *lock) Identity() string   { return "me" }
func (l *lock) Describe() string   { return "lock" }

// Work ends before the Lease can be another's, however long the elector's own tries
// take, and not while renewals succeed.
func TestNeverWorksOnALostLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		work, lost := context.WithCancel(t.Context())
		held := &lock{}
		timed := &timedLock{Interface: held, lost: lost}
		mine := resourcelock.LeaderElectionRecord{HolderIdentity: "me"}
		if err := timed.Create(t.Context(), mine); err != nil {
			t.Fatal(err)
		}
		for range 30 {
			time.Sleep(renewEvery)
			if err := timed.Update(t.Context(), mine); err != nil {
				t.Fatal(err)
			}
		}
		if work.Err() != nil {
			t.Fatal("work ended while the Lease was renewed")
		}
		held.broken = true
		renewed := time.Now()
		for work.Err() == nil && time.Since(renewed) < time.Minute {
			time.Sleep(renewEvery)
			_ = timed.Update(t.Context(), mine)
		}
		if ended := time.Since(renewed); ended >= leaseTime {
			t.Errorf("work ended %s after the last renewal, and the Lease holds %s", ended, leaseTime)
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
