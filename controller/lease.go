package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// The Lease: its name, and how long it holds without being renewed. Work ends when it
// could not be renewed for renewWithin, so that nothing is written any more when
// another process may take it, after leaseTime.
const (
	leaseName   = "vaultsecret-controller"
	leaseTime   = 15 * time.Second
	renewWithin = 10 * time.Second
	renewEvery  = 2 * time.Second
	// drainTime is how long work in flight may go on after a SIGTERM.
	drainTime = 10 * time.Second
)

// errLeaseLost ends a process that no longer leads; it is started anew.
var errLeaseLost = errors.New("the Lease was lost: another process may be syncing now")

// underLease runs do while holding the Lease. do ends when stop is done, and its work
// is cancelled when the Lease is lost. The Lease is given back after do has returned.
func underLease(stop context.Context, c Config, client kubernetes.Interface, log *slog.Logger, leading func(bool), do func(stop, work context.Context)) error {
	namespace, err := leaseNamespace(c)
	if err != nil {
		return err
	}
	host, _ := os.Hostname()
	name := leaseName
	if c.Shard != "" {
		name += "-" + strings.ReplaceAll(c.Shard, "/", "-of-")
	}
	work, lost := context.WithCancel(context.WithoutCancel(stop))
	defer lost()
	lock := &timedLock{lost: lost, Interface: &resourcelock.LeaseLock{
		LeaseMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Client: client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())},
	}}
	won := make(chan struct{})
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: leaseTime, RenewDeadline: renewWithin, RetryPeriod: renewEvery, ReleaseOnCancel: true, Name: name,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { close(won) },
			OnStoppedLeading: func() { lost() },
		},
	})
	if err != nil {
		return fmt.Errorf("electing a leader: %w", err)
	}
	electing, resign := context.WithCancel(context.WithoutCancel(stop))
	ended := make(chan struct{})
	go func() { elector.Run(electing); close(ended) }()
	defer func() { resign(); <-ended }()
	log.Info("waiting for the Lease", "namespace", namespace, "name", name)
	select {
	case <-won:
	case <-ended:
		return errLeaseLost
	case <-stop.Done():
		return nil
	}
	log.Info("leading", "identity", lock.Identity())
	leading(true)
	defer leading(false)
	do(stop, draining(stop, work))
	if work.Err() != nil && stop.Err() == nil {
		return errLeaseLost
	}
	return nil
}

// leaseNamespace is the Pod's own namespace unless one is given.
func leaseNamespace(c Config) (string, error) {
	const file = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
	if c.LeaseNamespace != "" {
		return c.LeaseNamespace, nil
	}
	if namespace := os.Getenv("POD_NAMESPACE"); namespace != "" {
		return namespace, nil
	}
	if raw, err := os.ReadFile(file); err == nil {
		return strings.TrimSpace(string(raw)), nil
	}
	return "", errors.New("--leader-elect: no namespace for the Lease is known outside a Pod; give --leader-election-namespace")
}

// draining is done with work, and at the latest a while after stop.
func draining(stop, work context.Context) context.Context {
	ctx, cancel := context.WithCancel(work)
	context.AfterFunc(stop, func() {
		timer := time.AfterFunc(drainTime, cancel)
		context.AfterFunc(work, func() { timer.Stop() })
	})
	return ctx
}

// timedLock ends the work when the Lease was not renewed in time, counted from when
// the last renewal that succeeded was sent. It does not wait for the elector, whose
// last tries may take longer than the Lease holds.
type timedLock struct {
	resourcelock.Interface
	lost func()

	mu    sync.Mutex
	timer *time.Timer
}

// Create implements resourcelock.Interface.
func (l *timedLock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	sent := time.Now()
	err := l.Interface.Create(ctx, record)
	l.renewed(err, record, sent)
	return err
}

// Update implements resourcelock.Interface.
func (l *timedLock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	sent := time.Now()
	err := l.Interface.Update(ctx, record)
	l.renewed(err, record, sent)
	return err
}

func (l *timedLock) renewed(err error, record resourcelock.LeaderElectionRecord, sent time.Time) {
	if err != nil || record.HolderIdentity != l.Identity() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	left := max(0, time.Until(sent.Add(renewWithin)))
	if l.timer == nil {
		l.timer = time.AfterFunc(left, l.lost)
		return
	}
	l.timer.Reset(left)
}
