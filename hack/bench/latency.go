package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// latencyResult is seconds until a Secret is written, as a watch sees it.
type latencyResult struct {
	// New is from the creation of a mapping, Forced from the force-sync annotation
	// of one whose value has just changed.
	New    quantiles `json:"newMapping"`
	Forced quantiles `json:"forceSync"`
	// Bare is from the creation of a Secret by the harness itself, meanwhile.
	Bare quantiles `json:"bareWrite"`
}

type quantiles struct {
	Samples int     `json:"samples"`
	P50     float64 `json:"p50Seconds"`
	P99     float64 `json:"p99Seconds"`
}

func quantilesOf(seconds []float64) quantiles {
	if len(seconds) == 0 {
		return quantiles{}
	}
	slices.Sort(seconds)
	at := func(q float64) float64 { return seconds[int(q*float64(len(seconds)-1)+0.5)] }
	return quantiles{Samples: len(seconds), P50: at(0.5), P99: at(0.99)}
}

// samples is how many mappings are asked for one by one; the load leaves them alone.
func (r *run) samples() int { return max(1, min(r.options.samples, r.Paths/4)) }

// latency takes samples one after the other: a new mapping, a forced one, a bare
// write.
func (r *run) latency(ctx context.Context) (latencyResult, error) {
	var fresh, forced, bare []float64
	took := func(e *expected, act func() error) (float64, error) {
		begin := time.Now()
		if err := act(); err != nil {
			return 0, err
		}
		err := r.seen.wait(ctx, e, patience)
		return e.last().Sub(begin).Seconds(), err
	}
	for i := range r.samples() {
		r.fresh++
		es := r.named(fmt.Sprintf("new-%d", r.fresh), r.namespace(i), r.path(i), storeName(i%r.Stores))
		seconds, err := took(r.seen.secrets(key(es.Namespace, es.Name)), func() error {
			_, err := r.clients.ExternalSecrets(es.Namespace).Create(ctx, es, metav1.CreateOptions{})
			return err
		})
		if err != nil {
			return latencyResult{}, err
		}
		fresh = append(fresh, seconds)
		if err := r.put(ctx, i, i+1); err != nil {
			return latencyResult{}, err
		}
		if seconds, err = took(r.seen.secrets(r.keys(i, i+1)...), func() error { return r.force(ctx, i, r.tag()) }); err != nil {
			return latencyResult{}, err
		}
		forced = append(forced, seconds)
		secret := r.secret(fmt.Sprintf("bare-%d", r.fresh), floorNamespace)
		if seconds, err = took(r.seen.secrets(key(secret.Namespace, secret.Name)), func() error {
			_, err := r.clients.Secrets(secret.Namespace).Create(ctx, secret, metav1.CreateOptions{})
			return err
		}); err != nil {
			return latencyResult{}, err
		}
		bare = append(bare, seconds)
	}
	return latencyResult{quantilesOf(fresh), quantilesOf(forced), quantilesOf(bare)}, nil
}

// loadPerSecond is how many refreshes come due a second under load, as long as no
// interval is below a second.
const loadPerSecond = 200

// busyLatency takes the samples while all other mappings are refreshed, over and over,
// by a short interval.
func (r *run) busyLatency(ctx context.Context) (latencyResult, error) {
	r.result.BusyInterval = max(time.Second, time.Duration(r.Mappings)*time.Second/loadPerSecond)
	if err := r.setInterval(ctx, r.samples(), r.Mappings, r.result.BusyInterval); err != nil {
		return latencyResult{}, err
	}
	return r.latency(ctx)
}
