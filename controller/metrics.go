package controller

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/engine"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// metrics keeps ESO's names and labels, so that alerts keep working, and adds a few
// of our own. No label holds anything but names of objects and fixed words.
type metrics struct {
	registry *prometheus.Registry
	docs     []Metric

	mappings tallies
	api      *prometheus.CounterVec

	storeCondition, storeDuration map[string]*prometheus.GaugeVec

	writes  *prometheus.CounterVec
	seconds prometheus.Histogram
	leader  *prometheus.GaugeVec

	restarts, rivals *prometheus.CounterVec
	// restartsOf and rivalsOf are the mappings behind their labels.
	restartsOf owners[restartLabels]
	rivalsOf   owners[string]
}

const syncSeconds, syncSecondsHelp = "vaultsecret_sync_duration_seconds", "Seconds that a sync took."

// Metric is what docs/reference.md says of a metric.
type Metric struct {
	Name string
	// Type is counter, gauge or histogram.
	Type, Help string
	Labels     []string
}

// Metrics lists what /metrics has beside Go's and the process's own, by name.
func Metrics() []Metric {
	docs := newMetrics().docs
	slices.SortFunc(docs, func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
	return docs
}

func newMetrics() *metrics {
	object := []string{"name", "namespace"}
	status := append(object, "condition", "status")
	var docs []Metric
	gauge := func(name, help string, labels []string) *prometheus.GaugeVec {
		docs = append(docs, Metric{name, "gauge", help, labels})
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		docs = append(docs, Metric{name, "counter", help, labels})
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		api:      counter("externalsecret_provider_api_calls_count", "Requests to Vault.", "provider", "call", "status"),
		storeCondition: map[string]*prometheus.GaugeVec{
			eso.KindSecretStore:        gauge("secretstore_status_condition", "1 for the condition's status as it is, 0 for the opposite.", status),
			eso.KindClusterSecretStore: gauge("clustersecretstore_status_condition", "1 for the condition's status as it is, 0 for the opposite.", status),
		},
		storeDuration: map[string]*prometheus.GaugeVec{
			eso.KindSecretStore:        gauge("secretstore_reconcile_duration", "Nanoseconds that the last validation took.", object),
			eso.KindClusterSecretStore: gauge("clustersecretstore_reconcile_duration", "Nanoseconds that the last validation took.", object),
		},
		writes: counter("vaultsecret_secret_changes_total", "Outcomes by what was to be done with the Secret.", "action"),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: syncSeconds, Help: syncSecondsHelp,
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120},
		}),
		restarts: counter("vaultsecret_workload_restarts_total", "Restarts of a workload for a new content of its Secrets, result success or error.", "namespace", "workload", "result"),
		rivals:   counter("vaultsecret_foreign_status_writes_total", "Writes of an ExternalSecret's status by another controller, by its field manager.", "manager"),
		leader:   gauge("vaultsecret_leader", "1 while this process syncs, 0 while it stands by.", nil),
	}
	for _, family := range tallyFamilies() {
		docs = append(docs, family.Metric)
	}
	docs = append(docs, Metric{syncSeconds, "histogram", syncSecondsHelp, nil})
	m.docs = docs
	m.registry.MustRegister(m.api, m.writes, m.seconds, m.leader, m.restarts, m.rivals,
		m.storeCondition[eso.KindSecretStore], m.storeCondition[eso.KindClusterSecretStore],
		m.storeDuration[eso.KindSecretStore], m.storeDuration[eso.KindClusterSecretStore],
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) lead(yes bool) {
	m.leader.WithLabelValues().Set(0)
	if yes {
		m.leader.WithLabelValues().Set(1)
	}
}

func (m *metrics) synced(key types.NamespacedName, o engine.Outcome, took time.Duration) {
	m.mappings.synced(key, o, took)
	if o.Skipped {
		return
	}
	m.seconds.Observe(took.Seconds())
	action := string(o.Change.Action)
	if action == "" {
		action = "Unknown"
	}
	m.writes.WithLabelValues(action).Inc()
}

func (m *metrics) validated(s eso.Store, ready bool, took time.Duration) {
	setCondition(m.storeCondition[s.Kind], storeName(s), ready)
	m.storeDuration[s.Kind].WithLabelValues(s.Meta.Name, s.Meta.Namespace).Set(float64(took.Nanoseconds()))
}

// vaultCall is store.Sessions.Observe.
func (m *metrics) vaultCall(call string, ok bool) {
	status := "success"
	if !ok {
		status = "error"
	}
	m.api.WithLabelValues("HashiCorp/Vault", call, status).Inc()
}

func setCondition(gauge *prometheus.GaugeVec, key types.NamespacedName, ready bool) {
	is, opposite := "False", "True"
	if ready {
		is, opposite = opposite, is
	}
	gauge.WithLabelValues(key.Name, key.Namespace, eso.ConditionReady, is).Set(1)
	gauge.WithLabelValues(key.Name, key.Namespace, eso.ConditionReady, opposite).Set(0)
}

func (m *metrics) forgetStore(s eso.Store) {
	labels := prometheus.Labels{"name": s.Meta.Name, "namespace": s.Meta.Namespace}
	m.storeCondition[s.Kind].DeletePartialMatch(labels)
	m.storeDuration[s.Kind].DeletePartialMatch(labels)
}

func storeName(s eso.Store) types.NamespacedName {
	return types.NamespacedName{Namespace: s.Meta.Namespace, Name: s.Meta.Name}
}

// metaTime is whole seconds, as the API stores them.
func metaTime(t time.Time) metav1.Time { return metav1.NewTime(t.Truncate(time.Second)) }
