package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// print is the result as a table.
func (r result) print(out io.Writer) error {
	fmt.Fprintf(out, "\n%d mappings of %d keys, %d paths, %d stores (%s), %d namespaces, refreshInterval %s\n%s\n\n",
		r.Work.Mappings, r.Work.Keys, r.Work.Paths, r.Work.Stores, r.Work.Auth, r.Work.Namespaces, r.Interval, r.Controller)
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	row := func(what, value string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", what, fmt.Sprintf(value, args...)) }
	n := float64(r.Work.Mappings)
	row("floor: first syncs, refreshes, forced ones a second", "%.0f, %.0f (%.2f CPU s per 1000), %.0f", r.Floor.FirstSyncs, r.Floor.Refreshes, r.Floor.RefreshCPU, r.Floor.Forced)
	row("start to first Secret", "%.2f s", r.Cold.FirstSecret)
	row("cold, all Ready", "%.1f s, %.0f objects/s, %.0f %% of the floor", r.Cold.Ready, r.Cold.PerSecond, 100*r.Cold.ShareOfFloor)
	row("cold, CPU", "%.2f s", r.Cold.CPU)
	row("cold, CPU by part", "%s", shares(r.Cold.asked.CPU))
	row("cold, Vault requests", "%s", per(r.Cold.Vault, 1))
	row("cold, Kubernetes requests per mapping", "%s", per(r.Cold.Kubernetes, n))
	row("unchanged: refreshes", "%d in %.0f s", r.Unchanged.Refreshes, r.Unchanged.Seconds)
	row("unchanged: CPU per 1000", "%.2f s", r.Unchanged.CPUPer1000)
	row("unchanged: Vault requests per round", "%s", per(r.Unchanged.Vault, r.Unchanged.Rounds))
	row("unchanged: Kubernetes requests per refresh", "%s", per(r.Unchanged.Kubernetes, float64(r.Unchanged.Refreshes)))
	r.usages(row)
	if r.Forced.Seconds > 0 {
		r.forcedRows(row)
	}
	r.latencyRows(row)
	return t.Flush()
}

func (r result) forcedRows(row func(what, value string, args ...any)) {
	row("all forced, unchanged", "%.1f s, %.0f/s, %.0f %% of the floor, %.2f CPU s per 1000", r.Forced.Seconds, r.Forced.PerSecond, 100*r.Forced.ShareOfFloor, r.Forced.CPUPer1000)
	row("all forced: CPU by part", "%s", shares(r.Forced.CPU))
	row("all forced: Vault requests", "%s", per(r.Forced.Vault, 1))
	row("all forced: Kubernetes requests per mapping", "%s", per(r.Forced.Kubernetes, float64(r.Work.Mappings)))
}

func (r result) latencyRows(row func(what, value string, args ...any)) {
	if r.All.Mappings > 0 {
		row("1 % changed: last Secret", "%.1f s after the last write (%d mappings)", r.OnePercent.Last, r.OnePercent.Mappings)
		row("100 % changed: last Secret", "%.1f s after the last write (%d mappings)", r.All.Last, r.All.Mappings)
	}
	row("new mapping to Secret: idle, busy", "%s; %s", r.Idle.New, r.Busy.New)
	row("force-sync to Secret: idle, busy", "%s; %s", r.Idle.Forced, r.Busy.Forced)
	row("bare write to watch: idle, busy", "%s; %s", r.Idle.Bare, r.Busy.Bare)
	if h := r.Hanging; h != nil {
		row("others' figures without, with a store that hangs", "all forced %.1f s, %.1f s; new %s, %s; force-sync %s, %s", h.Without.Forced.Seconds, h.With.Forced.Seconds,
			h.Without.Latency.New, h.With.Latency.New, h.Without.Latency.Forced, h.With.Latency.Forced)
	}
	if s := r.Soak; s != nil {
		row("soak", "%d refreshes; RSS %.1f, then %.1f MiB, heap %.1f, %.1f; goroutines %d, %d; open files %d, %d", s.Refreshes, s.Before.RSS, s.After.RSS,
			s.Before.Heap, s.After.Heap, s.Before.Goroutines, s.After.Goroutines, s.Before.Descriptors, s.After.Descriptors)
	}
	if p := r.Plugin; p != nil {
		row("plugin: version --client, kubectl's", "%.0f ms, %.0f ms", 1000*p.Version, 1000*p.KubectlVersion)
		row("plugin: completion of names; status -A: first row, all, peak RSS", "%.0f ms; %.0f ms, %.0f ms, %.0f MiB", 1000*p.Complete, 1000*p.FirstRow, 1000*p.Status, p.PeakRSS)
	}
}

// usages prints what the controller took after the cold sync, and at the end.
func (r result) usages(row func(what, value string, args ...any)) {
	for _, u := range []struct {
		when string
		usage
	}{{"settled", r.Settled}, {"end", r.End}} {
		if u.PeakRSS == 0 {
			continue
		}
		row(u.when+": RSS, of it private, peak, heap", "%.0f, %.0f, %.0f, %.0f MiB", u.RSS, u.Private, u.PeakRSS, u.Heap)
		row(u.when+": goroutines, open files, CPU", "%d, %d, %.1f s", u.Goroutines, u.Descriptors, u.CPUSeconds)
	}
}

// shares lists CPU seconds by part.
func shares(parts map[string]float64) string {
	var texts []string
	for _, part := range slices.Sorted(maps.Keys(parts)) {
		if parts[part] > 0.05 {
			texts = append(texts, fmt.Sprintf("%s %.1f", part, parts[part]))
		}
	}
	return strings.Join(texts, ", ")
}

// String is p50/p99 in milliseconds.
func (q quantiles) String() string {
	if q.Samples == 0 {
		return "not taken"
	}
	return fmt.Sprintf("p50 %.0f p99 %.0f ms", 1000*q.P50, 1000*q.P99)
}

// per lists counts by kind, divided; the informers' watches are in the JSON only.
func per(c counts, by float64) string {
	if len(c) == 0 || by == 0 {
		return "none"
	}
	var parts []string
	for _, kind := range c.kinds() {
		if strings.HasPrefix(kind, "watch ") {
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %.3g", kind, float64(c[kind])/by))
	}
	return strings.Join(parts, ", ")
}
