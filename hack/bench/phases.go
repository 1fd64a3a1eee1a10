package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// patience is how long nothing may come before a run is given up.
const patience = time.Minute

// asked are the controller's requests in a phase, by kind, and what CPU each part of the
// stack used meanwhile.
type asked struct {
	Vault      counts             `json:"vaultRequests"`
	Kubernetes counts             `json:"kubernetesRequests"`
	CPU        map[string]float64 `json:"cpuSecondsByPart"`
}

// count returns what was asked since the last call.
func (r *run) count() (asked, error) {
	var a asked
	var err error
	if a.Vault, a.Kubernetes, err = r.asked.since(); err != nil {
		return a, err
	}
	now, err := partsCPU()
	a.CPU, r.cpu = since(r.cpu, now), now
	return a, err
}

// coldResult: all mappings are there before the controller starts.
type coldResult struct {
	// FirstSecret is seconds from the start of the process, Ready until the last.
	FirstSecret float64 `json:"firstSecretSeconds"`
	Ready       float64 `json:"allReadySeconds"`
	// PerSecond counts from the first Secret on: the rate without the start.
	PerSecond    float64 `json:"objectsPerSecond"`
	ShareOfFloor float64 `json:"shareOfFloor"`
	CPU          float64 `json:"cpuSeconds"`
	asked
}

func (r *run) cold(ctx context.Context) error {
	if err := r.apply(ctx, 0, r.Mappings); err != nil {
		return fmt.Errorf("creating the mappings: %w", err)
	}
	if _, err := r.count(); err != nil {
		return err
	}
	keys := r.keys(0, r.Mappings)
	secrets, ready := r.seen.secrets(keys...), r.seen.synced(keys, "")
	if err := r.start(); err != nil {
		return err
	}
	for _, e := range []*expected{secrets, ready} {
		if err := r.seen.wait(ctx, e, patience); err != nil {
			return err
		}
	}
	c := &r.result.Cold
	begin := r.controller.started
	c.FirstSecret, c.Ready = secrets.first().Sub(begin).Seconds(), ready.last().Sub(begin).Seconds()
	c.PerSecond = float64(r.Mappings) / ready.last().Sub(secrets.first()).Seconds()
	c.ShareOfFloor = c.PerSecond / r.result.Floor.FirstSyncs
	u, err := r.controller.usage(ctx)
	if err != nil {
		return err
	}
	c.CPU = u.CPUSeconds
	// Events are written after the rest.
	c.asked, err = r.quiet(ctx)
	return err
}

// quiet waits until the controller asks for nothing for a while, and returns what it
// asked for until then.
func (r *run) quiet(ctx context.Context) (asked, error) {
	all := asked{Vault: counts{}, Kubernetes: counts{}, CPU: map[string]float64{}}
	for still := 0; still < 3; still++ {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return all, ctx.Err()
		}
		now, err := r.count()
		if err != nil {
			return all, err
		}
		if len(now.Kubernetes) > 0 {
			still = -1
		}
		all.add(now)
	}
	return all, nil
}

func (a asked) add(more asked) {
	for kind, n := range more.Vault {
		a.Vault[kind] += n
	}
	for kind, n := range more.Kubernetes {
		a.Kubernetes[kind] += n
	}
	for part, seconds := range more.CPU {
		a.CPU[part] += seconds
	}
}

// setInterval changes refreshInterval and returns once all were refreshed for it.
func (r *run) setInterval(ctx context.Context, from, to int, interval time.Duration) error {
	ready := r.seen.synced(r.keys(from, to), "")
	patch := fmt.Appendf(nil, `{"spec":{"refreshInterval":%q}}`, interval)
	err := each(ctx, from, to, atOnce, func(ctx context.Context, i int) error {
		es := r.mapping(i)
		_, err := r.clients.ExternalSecrets(es.Namespace).Patch(ctx, es.Name, mergePatch, patch, metav1.PatchOptions{})
		return err
	})
	if err != nil {
		return err
	}
	return r.seen.wait(ctx, ready, patience)
}

// refreshResult: nothing changes, the interval alone makes mappings due.
type refreshResult struct {
	Seconds float64 `json:"seconds"`
	// Refreshes is the controller's own count, Rounds that by mapping.
	Refreshes  int     `json:"refreshes"`
	Rounds     float64 `json:"rounds"`
	CPUPer1000 float64 `json:"cpuSecondsPer1000"`
	asked
}

func (r *run) unchanged(ctx context.Context, window time.Duration) (refreshResult, error) {
	var u refreshResult
	if _, err := r.count(); err != nil {
		return u, err
	}
	before, err := r.controller.usage(ctx)
	if err != nil {
		return u, err
	}
	begin := time.Now()
	select {
	case <-time.After(window):
	case <-ctx.Done():
		return u, ctx.Err()
	}
	if u.asked, err = r.count(); err != nil {
		return u, err
	}
	after, err := r.controller.usage(ctx)
	u.Seconds, u.Refreshes = time.Since(begin).Seconds(), after.Syncs-before.Syncs
	u.Rounds = float64(u.Refreshes) / float64(r.Mappings)
	if u.Refreshes > 0 {
		u.CPUPer1000 = (after.CPUSeconds - before.CPUSeconds) / float64(u.Refreshes) * 1000
	}
	return u, err
}

// forcedResult: nothing changes, every mapping is asked for at once.
type forcedResult struct {
	Seconds      float64 `json:"seconds"`
	PerSecond    float64 `json:"refreshesPerSecond"`
	ShareOfFloor float64 `json:"shareOfFloor"`
	CPUPer1000   float64 `json:"cpuSecondsPer1000"`
	asked
}

// forced asks for all mappings by annotation, which is a request of the harness for
// each; the floor's rate is of both.
func (r *run) forced(ctx context.Context) (forcedResult, error) {
	var f forcedResult
	if _, err := r.count(); err != nil {
		return f, err
	}
	before, err := r.controller.usage(ctx)
	if err != nil {
		return f, err
	}
	tag := r.tag()
	ready := r.seen.synced(r.keys(0, r.Mappings), tag)
	begin := time.Now()
	err = each(ctx, 0, r.Mappings, atOnce, func(ctx context.Context, i int) error { return r.force(ctx, i, tag) })
	if err != nil {
		return f, err
	}
	if err := r.seen.wait(ctx, ready, patience); err != nil {
		return f, err
	}
	f.Seconds = ready.last().Sub(begin).Seconds()
	f.PerSecond = float64(r.Mappings) / f.Seconds
	f.ShareOfFloor = f.PerSecond / r.result.Floor.Forced
	after, err := r.controller.usage(ctx)
	if err != nil {
		return f, err
	}
	f.CPUPer1000 = (after.CPUSeconds - before.CPUSeconds) / float64(r.Mappings) * 1000
	f.asked, err = r.count()
	return f, err
}

// changedResult: some paths get new values, the interval makes their mappings due.
type changedResult struct {
	Mappings int `json:"mappings"`
	// Last is seconds from the last value's write to the last Secret that has one.
	Last float64 `json:"lastSecretSeconds"`
	asked
}

func (r *run) changed(ctx context.Context, paths int) (changedResult, error) {
	var c changedResult
	if _, err := r.count(); err != nil {
		return c, err
	}
	var keys []string
	for i := range r.Mappings {
		if i%r.Paths < paths {
			keys = append(keys, r.keys(i, i+1)...)
		}
	}
	secrets := r.seen.secrets(keys...)
	if err := r.put(ctx, 0, paths); err != nil {
		return c, err
	}
	begin := time.Now()
	if err := r.seen.wait(ctx, secrets, r.Interval+patience); err != nil {
		return c, err
	}
	c.Mappings, c.Last = len(keys), secrets.last().Sub(begin).Seconds()
	var err error
	c.asked, err = r.count()
	return c, err
}
