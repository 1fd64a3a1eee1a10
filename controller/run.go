package controller

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"vaultsecret.io/kubectl-vaultsecret/internal/engine"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/mapping"
	"vaultsecret.io/kubectl-vaultsecret/internal/store"
	"vaultsecret.io/kubectl-vaultsecret/internal/version"
)

// ErrFailed is what Run returns under Once when a mapping failed.
var ErrFailed = errors.New("not every ExternalSecret could be synced")

// closing bounds what is done after the last pass: events, revoking tokens.
const closing = 5 * time.Second

// Run syncs until ctx is done, or once. Logs go to out. It returns nil after a clean
// end, ErrFailed as said there, and any other error when it could not go on.
func Run(ctx context.Context, c Config, out io.Writer) error {
	if err := c.Validate(); err != nil {
		return err
	}
	respectMemoryLimit()
	log := newLog(c, out)
	klog.SetSlogLogger(log) // client-go's own lines
	config, err := restConfig(c)
	if err != nil {
		return err
	}
	clients, err := kube.NewClients(config)
	if err != nil {
		return err
	}
	watches, err := kube.NewWatches(ctx, clients, c.Namespace, log)
	if err != nil {
		return err
	}
	metrics := newMetrics()
	events := kube.NewEvents(clients, kube.Manager, log)
	sessions := &store.Sessions{
		Resolver: store.Resolver{Cluster: &kube.Cluster{Clients: clients, Watches: watches}},
		Now:      time.Now, Observe: metrics.vaultCall,
	}
	if c.Kubeconfig != "" && c.PortForward == kube.ForwardAuto {
		sessions.Dial = (&kube.Tunnel{Clients: clients, Mode: kube.ForwardAuto}).DialContext
	}
	l := newLoop(c, clients, watches, sessions, &reporter{status: kube.Status{Clients: clients}, events: events, metrics: metrics, log: log})
	if err := watches.Handle(l.handlers()); err != nil {
		return err
	}
	var ports servers
	if err := ports.serve(c, metrics); err != nil {
		return err
	}
	defer ports.close()
	// The watches outlive ctx: what is in flight at the end still reads them.
	watching, unwatch := context.WithCancel(context.WithoutCancel(ctx))
	defer unwatch()
	if err := startWatches(ctx, watching, watches); err != nil {
		return err
	}
	ports.ready.Store(true)
	log.Info("started", "version", version.Version, "class", c.Class, "namespace", c.Namespace)
	defer func() {
		end, cancel := context.WithTimeout(context.Background(), closing)
		defer cancel()
		sessions.Close(end)
		events.Close(end)
		log.Info("ended")
	}()
	switch {
	case c.Once:
		if failed := l.once(ctx); failed > 0 {
			return fmt.Errorf("%d failed: %w", failed, ErrFailed)
		}
		return ctx.Err()
	case c.LeaderElect:
		leading := func(yes bool) { metrics.lead(yes) }
		return underLease(ctx, c, clients, log, leading, l.run)
	}
	metrics.lead(true)
	l.run(ctx, draining(ctx, context.WithoutCancel(ctx)))
	return nil
}

// startWatches returns when the watches are in sync, or ctx is done before.
func startWatches(ctx, watching context.Context, watches *kube.Watches) error {
	in := make(chan error, 1)
	go func() { in <- watches.Start(watching) }()
	select {
	case err := <-in:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func newLoop(c Config, clients *kube.Clients, watches *kube.Watches, sessions *store.Sessions, report *reporter) *loop {
	part, _ := parseShard(c.Shard) // checked by Validate
	l := &loop{
		class: c.Class, concurrency: c.Concurrency, shard: part,
		watched: watches, objects: kube.Objects{Clients: clients, Watches: watches}, sessions: sessions,
		engine: engine.Engine{
			Secrets: kube.Secrets{Clients: clients, Watches: watches}, Sources: sessions.Resolver,
			Owned: watches, Memo: new(engine.Memo),
			Limits: mapping.Limits{LeftDelim: c.LeftDelimiter, RightDelim: c.RightDelimiter},
		},
		report: report, wake: make(chan struct{}, 1),
		mappings: map[types.NamespacedName]*entry{}, groups: map[string]*group{}, stores: map[string]*storeEntry{},
		users: map[object][]*entry{}, brake: brake{percent: c.MaxDeletePercent},
	}
	if c.RestartWorkloads {
		l.restarts, l.engine.Restarts, report.restarts = newRestarts(clients), true, true
	}
	return l
}

func (l *loop) handlers() kube.Handlers {
	return kube.Handlers{
		Mapping: func(es *eso.ExternalSecret, deleted bool) {
			if deleted {
				l.mappingGone(types.NamespacedName{Namespace: es.Namespace, Name: es.Name})
				return
			}
			l.mappingChanged(es)
		},
		Store: l.storeEvent, Object: l.objectEvent, Namespace: l.namespaceEvent,
	}
}

// restConfig is the kubeconfig's when one is given, else the Pod's, else the one that
// kubectl would use.
func restConfig(c Config) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.Kubeconfig
	var config *rest.Config
	err := rest.ErrNotInCluster
	if c.Kubeconfig == "" {
		config, err = rest.InClusterConfig()
	}
	if errors.Is(err, rest.ErrNotInCluster) {
		config, err = clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	}
	if err != nil {
		return nil, fmt.Errorf("reaching Kubernetes: %w", err)
	}
	config.DisableCompression = true // the API server is near; its time and ours cost more
	config.UserAgent = version.UserAgent("vaultsecret-controller")
	return config, nil
}

func newLog(c Config, out io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // checked by Validate
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(out, options))
	}
	return slog.New(slog.NewTextHandler(out, options))
}
