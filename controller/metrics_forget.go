package controller

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
)

// owners are the mappings behind the labels of a metric that names none of them: when
// the last one goes, the labels go too. It is safe for concurrent use.
type owners[Labels comparable] struct {
	mu sync.Mutex
	// count is how many mappings are behind labels, of the labels of each mapping.
	count map[Labels]int
	of    map[types.NamespacedName]map[Labels]bool
}

// restartLabels are those of a workload's restarts, whatever came of them.
type restartLabels struct{ namespace, workload string }

func (o *owners[Labels]) add(labels Labels, mapping types.NamespacedName) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.of[mapping][labels] {
		return
	}
	if o.count == nil {
		o.count, o.of = map[Labels]int{}, map[types.NamespacedName]map[Labels]bool{}
	}
	if o.of[mapping] == nil {
		o.of[mapping] = map[Labels]bool{}
	}
	o.of[mapping][labels] = true
	o.count[labels]++
}

// forget takes a mapping away, and returns the labels that no mapping is left behind.
func (o *owners[Labels]) forget(mapping types.NamespacedName) []Labels {
	o.mu.Lock()
	defer o.mu.Unlock()
	var gone []Labels
	for labels := range o.of[mapping] {
		if o.count[labels]--; o.count[labels] == 0 {
			delete(o.count, labels)
			gone = append(gone, labels)
		}
	}
	delete(o.of, mapping)
	return gone
}

// forget drops what is told of a mapping that is gone.
func (m *metrics) forget(key types.NamespacedName) {
	m.mappings.forget(key)
	for _, labels := range m.restartsOf.forget(key) {
		m.restarts.DeletePartialMatch(prometheus.Labels{"namespace": labels.namespace, "workload": labels.workload})
	}
	for _, manager := range m.rivalsOf.forget(key) {
		m.rivals.DeleteLabelValues(manager)
	}
}
