package controller

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/engine"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// Two controllers that serve one class both write the status of its mappings. That is
// seen without any further right: a status that is newer than the one written here, and
// another one.

// stated is a hash of a mapping's status as this process wrote it, at that
// resourceVersion.
type stated struct {
	version string
	sum     uint32
}

func state(es *eso.ExternalSecret) stated {
	status, err := json.Marshal(es.Status)
	if err != nil {
		return stated{} // then nothing is said of others
	}
	return stated{es.ResourceVersion, hashed(string(status))}
}

// rival reports who else wrote the mapping's status after us, "" when nobody did. What
// was seen once is not seen again.
func (e *entry) rival(es *eso.ExternalSecret) string {
	if e.stated.version == "" || !newer(es.ResourceVersion, e.stated.version) {
		return ""
	}
	before := e.stated.sum
	if e.stated = state(es); e.stated.sum == before {
		return ""
	}
	return lastWriter(es)
}

// lastWriter is the field manager that wrote the status last. Of two in one second, the
// other one.
func lastWriter(es *eso.ExternalSecret) string {
	name, at := kube.Manager, time.Time{}
	for _, entry := range es.ManagedFields {
		if entry.Subresource != "status" || entry.Time == nil || entry.Time.Time.Before(at) {
			continue
		}
		if entry.Time.After(at) || name == kube.Manager {
			name, at = entry.Manager, entry.Time.Time
		}
	}
	return name
}

// rival tells of another controller: as an event on the mapping and in the log, once in
// a while, and in the metric each time. A person who writes a status by kubectl is none.
func (r *reporter) rival(es *eso.ExternalSecret, name, class string, now time.Time) {
	if strings.HasPrefix(name, "kubectl") {
		return
	}
	name = engine.Printable(name)
	r.metrics.rivals.WithLabelValues(name).Inc()
	r.metrics.rivalsOf.add(name, types.NamespacedName{Namespace: es.Namespace, Name: es.Name})
	mend := "stop one of the two, or give the stores of one another spec.controller"
	if name == kube.Manager {
		mend = "run all replicas with --leader-elect and the same --leader-election-namespace, or split the namespaces by --shard"
	}
	text := fmt.Sprintf("%s, not this process, writes the status of ExternalSecrets of class %s too: two controllers sync the same mappings; %s", name, class, mend)
	if !r.toldRival.again(text, false, now) {
		return
	}
	r.events.Emit(reference(eso.KindExternalSecret, &es.ObjectMeta), corev1.EventTypeWarning, eso.EventAnotherController, text)
	r.log.Warn("two controllers on one class", "namespace", es.Namespace, "name", es.Name, "other", name, "fix", mend)
}
