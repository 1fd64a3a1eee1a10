package controller

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"

	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
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
func underLease(stop context.Context, c Config, clients *kube.Clients, log *slog.Logger, leading func(bool), do func(stop, work context.Context)) error {
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
	e := &elector{leases: clients.Leases(namespace), name: name, identity: host + "_" + string(uuid.NewUUID()), log: log, lost: lost}
	log.Info("waiting for the Lease", "namespace", namespace, "name", name)
	if !e.acquire(stop) {
		return nil
	}
	log.Info("leading", "identity", e.identity)
	renewing, resign := context.WithCancel(work)
	kept := make(chan struct{})
	go func() { e.keep(renewing); close(kept) }()
	defer func() { resign(); <-kept; e.release() }()
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
