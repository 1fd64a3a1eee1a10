package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// options say what is run, and how often; the work says on what.
type options struct {
	// binary is the controller's path, empty for the repository's own.
	binary    string
	arguments []string
	plugin    string
	samples   int
	// rounds of unchanged refreshes, in intervals.
	rounds int
	// skip names phases that are left out.
	skip []string
	soak time.Duration
	// profiles is a directory for CPU and heap profiles, empty for none.
	profiles string
	progress io.Writer
}

// result is what one size of work came to.
type result struct {
	Work       work          `json:"work"`
	Interval   string        `json:"refreshInterval"`
	Controller string        `json:"controller"`
	Floor      floorResult   `json:"floor"`
	Cold       coldResult    `json:"cold"`
	Settled    usage         `json:"settled"`
	Unchanged  refreshResult `json:"unchanged"`
	OnePercent changedResult `json:"onePercentChanged"`
	All        changedResult `json:"allChanged"`
	Forced     forcedResult  `json:"forced"`
	Idle       latencyResult `json:"latencyIdle"`
	Busy       latencyResult `json:"latencyBusy"`
	// BusyInterval is the refreshInterval of all mappings meanwhile.
	BusyInterval time.Duration  `json:"-"`
	Hanging      *hangingResult `json:"hangingStore,omitempty"`
	Soak         *soakResult    `json:"soak,omitempty"`
	End          usage          `json:"end"`
	Plugin       *pluginResult  `json:"plugin,omitempty"`
}

// run is one size of work under one controller on a sandbox of its own.
type run struct {
	*stage
	options    options
	seen       *observer
	binary     string
	controller *controller
	result     result
	cpu        map[string]float64 // of the parts, when they were last looked at
	tags       int                // of force-sync annotations
	fresh      int                // of mappings that the samples made
}

func newRun(ctx context.Context, w work, o options, sb *sandbox.Sandbox) (*run, error) {
	binary, err := controllerBinary(o.binary)
	if err != nil {
		return nil, err
	}
	s, err := newStage(ctx, w, sb)
	if err != nil {
		return nil, err
	}
	r := &run{stage: s, options: o, binary: binary}
	if r.seen, err = observe(ctx, s.clients); err != nil {
		return nil, err
	}
	r.result = result{Work: w, Interval: w.Interval.String(), Controller: binary}
	return r, nil
}

func (r *run) start() (err error) {
	r.controller, err = startController(r.stage, r.binary, r.options.arguments)
	return err
}

// tag is a force-sync annotation that was not there before.
func (r *run) tag() string {
	r.tags++
	return fmt.Sprint("bench-", r.tags)
}

// phase is one thing that is measured; short is its name for --skip, empty for what the
// others stand on.
type phase struct {
	short, name string
	do          func() error
}

// phases are in order. The floor comes first, on an empty cluster. Until the unchanged
// refreshes no interval ends, so that nothing else goes on beside what is measured.
func (r *run) phases(ctx context.Context) []phase {
	res := &r.result
	return []phase{
		{"", "floor", func() (err error) { res.Floor, err = r.floor(ctx); return err }},
		{"", "cold sync", func() error { return r.cold(ctx) }},
		{"", "settling", func() (err error) {
			time.Sleep(3 * time.Second)
			if res.Settled, err = r.controller.usage(ctx); err != nil {
				return err
			}
			return r.profile(ctx, "heap", "heap?gc=1")
		}},
		{"forced", "all forced", func() (err error) { res.Forced, err = r.forced(ctx); return err }},
		{"idle", "latency, idle", func() (err error) { res.Idle, err = r.latency(ctx); return err }},
		{"hanging", "a store that hangs", func() (err error) { res.Hanging, err = r.hanging(ctx); return err }},
		{"", "refreshes by interval begin", func() error { return r.setInterval(ctx, 0, r.Mappings, r.Interval) }},
		{"", "unchanged refreshes", func() (err error) {
			res.Unchanged, err = r.unchanged(ctx, time.Duration(r.options.rounds)*r.Interval)
			return err
		}},
		{"changed", "1 % changed", func() (err error) { res.OnePercent, err = r.changed(ctx, max(1, r.Paths/100)); return err }},
		{"changed", "100 % changed", func() (err error) { res.All, err = r.changed(ctx, r.Paths); return err }},
		{"busy", "latency while all refresh", func() (err error) { res.Busy, err = r.busyLatency(ctx); return err }},
		{"", "soak", func() (err error) { res.Soak, err = r.soak(ctx, r.options.soak); return err }},
		{"", "end", func() (err error) { res.End, err = r.controller.usage(ctx); return err }},
		{"plugin", "plugin", func() (err error) { res.Plugin, err = r.plugin(ctx); return err }},
	}
}

// all runs every phase that is not skipped.
func (r *run) all(ctx context.Context) error {
	begin := time.Now()
	for _, phase := range r.phases(ctx) {
		if phase.short != "" && slices.Contains(r.options.skip, phase.short) {
			continue
		}
		fmt.Fprintf(r.options.progress, "%6.1f s  %d mappings: %s\n", time.Since(begin).Seconds(), r.Mappings, phase.name)
		stop := r.profileCPU(ctx, phase.name)
		if err := errors.Join(phase.do(), stop()); err != nil {
			return fmt.Errorf("%s: %w", phase.name, err)
		}
	}
	return nil
}

// soakResult tells whether anything grows under refreshes without end.
type soakResult struct {
	Refreshes int   `json:"refreshes"`
	Before    usage `json:"before"`
	After     usage `json:"after"`
}

// soak lets the mappings refresh at the short interval that they have by then, for so
// long.
func (r *run) soak(ctx context.Context, length time.Duration) (*soakResult, error) {
	if length == 0 {
		return nil, nil
	}
	var s soakResult
	var err error
	if s.Before, err = r.controller.usage(ctx); err != nil {
		return nil, err
	}
	select {
	case <-time.After(length):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.After, err = r.controller.usage(ctx)
	s.Refreshes = s.After.Syncs - s.Before.Syncs
	return &s, err
}
