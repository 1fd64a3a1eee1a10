package controller

import (
	"bufio"
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/engine"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// tallies are the metrics of single mappings, under ESO's names. They are written as
// text straight from here: in the client library's vectors a mapping's take some five
// kilobytes, and as much again while they are scraped.
type tallies struct {
	mu       sync.Mutex
	mappings map[types.NamespacedName]*tally
}

type tally struct {
	calls, failures uint64
	// judged is false while the mapping was left to another controller.
	judged, ready bool
	took          time.Duration
}

func (t *tallies) synced(key types.NamespacedName, o engine.Outcome, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m, ok := t.mappings[key]
	if !ok {
		if t.mappings == nil {
			t.mappings = map[types.NamespacedName]*tally{}
		}
		m = &tally{}
		t.mappings[key] = m
	}
	if m.calls++; o.Skipped {
		return
	}
	if m.judged, m.ready, m.took = true, o.Ready, took; o.Err != nil {
		m.failures++
	}
}

func (t *tallies) forget(key types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.mappings, key)
}

// named is a copy of one tally.
type named struct {
	types.NamespacedName
	tally
}

func (t *tallies) copied() []named {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]named, 0, len(t.mappings))
	for key, m := range t.mappings {
		all = append(all, named{key, *m})
	}
	return all
}

// tallyFamily is one metric of all mappings.
type tallyFamily struct {
	Metric
	// statuses are the values of the label status; none is a metric without it.
	statuses []string
	// shown says whether a mapping has the metric.
	shown func(m tally) bool
	value func(m tally, status string) float64
}

func tallyFamilies() []tallyFamily {
	object := []string{"name", "namespace"}
	tried := func(m tally) bool { return m.calls > 0 }
	failed := func(m tally) bool { return m.failures > 0 }
	judged := func(m tally) bool { return m.judged }
	return []tallyFamily{
		{
			Metric{"externalsecret_sync_calls_total", "counter", "Syncs of an ExternalSecret that were tried.", object},
			nil, tried, func(m tally, _ string) float64 { return float64(m.calls) },
		},
		{
			Metric{"externalsecret_sync_calls_error", "counter", "Syncs of an ExternalSecret that failed.", object},
			nil, failed, func(m tally, _ string) float64 { return float64(m.failures) },
		},
		{
			Metric{"externalsecret_status_condition", "gauge", "1 for the condition's status as it is, 0 for the opposite.", append(object, "condition", "status")},
			[]string{"False", "True"},
			judged, func(m tally, status string) float64 {
				if m.ready == (status == "True") {
					return 1
				}
				return 0
			},
		},
		{
			Metric{"externalsecret_reconcile_duration", "gauge", "Nanoseconds that the last sync took.", object},
			nil, judged, func(m tally, _ string) float64 { return float64(m.took.Nanoseconds()) },
		},
	}
}

// ahead writes the tallies, then what the next handler has to say, in the same text
// format. Names of objects need no escapes.
func (t *tallies) ahead(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		all := t.copied()
		slices.SortFunc(all, func(a, b named) int {
			return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
		})
		out := bufio.NewWriter(w)
		for _, family := range tallyFamilies() {
			family.write(out, all)
		}
		if out.Flush() != nil {
			return // whoever scrapes has gone
		}
		r.Header.Del("Accept") // the format is settled
		next.ServeHTTP(w, r)
	})
}

func (f tallyFamily) write(out *bufio.Writer, all []named) {
	put := func(texts ...string) {
		for _, text := range texts {
			_, _ = out.WriteString(text) // Flush tells
		}
	}
	var number []byte
	value := func(of float64) {
		number = strconv.AppendFloat(number[:0], of, 'g', -1, 64)
		put("} ", string(number), "\n")
	}
	put("# HELP ", f.Name, " ", f.Help, "\n# TYPE ", f.Name, " ", f.Type, "\n")
	for _, m := range all {
		if !f.shown(m.tally) {
			continue
		}
		if f.statuses == nil {
			put(f.Name, `{name="`, m.Name, `",namespace="`, m.Namespace, `"`)
			value(f.value(m.tally, ""))
		}
		for _, status := range f.statuses {
			put(f.Name, `{condition="`, eso.ConditionReady, `",name="`, m.Name, `",namespace="`, m.Namespace, `",status="`, status, `"`)
			value(f.value(m.tally, status))
		}
	}
}
