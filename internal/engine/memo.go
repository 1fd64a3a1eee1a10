package engine

import (
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/mapping"
	"vaultsecret.io/kubectl-vaultsecret/internal/plan"
)

// Memo remembers, per mapping, which wanted state stands in which version of the
// Secret, so that an unchanged refresh reads nothing from Kubernetes. It holds
// hashes, never values. Its zero value is ready; nil remembers nothing.
type Memo struct {
	mu      sync.Mutex
	written map[types.UID]remembered
}

type remembered struct {
	// wanted tells the mapping as written and what Vault gave for it.
	wanted string
	// version is the resourceVersion of the Secret that holds it.
	version string
	// What the change that led there came to.
	ready           bool
	reason, message string
	keys            int
}

// Version is the resourceVersion of the Secret as the mapping left it, "" when not
// remembered: a watch that reports it reports our own write.
func (m *Memo) Version(uid types.UID) string {
	if m == nil {
		return ""
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.written[uid].version
}

// Forget drops a mapping that is gone.
func (m *Memo) Forget(uid types.UID) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.written, uid)
}

// unchanged answers without a look at the Secret when the wanted state is the one
// that was written and the watch still sees the version that holds it.
func (m *Memo) unchanged(es *eso.ExternalSecret, want mapping.Desired, secrets Secrets) (plan.Change, bool) {
	if m == nil {
		return plan.Change{}, false
	}
	m.mu.Lock()
	last, found := m.written[es.UID]
	m.mu.Unlock()
	if !found || last.wanted != wanted(es, want) {
		return plan.Change{}, false
	}
	version, known := secrets.Version(es.Namespace, es.TargetName())
	change := plan.Change{Action: plan.None, Ready: last.ready, Reason: last.reason, Message: last.message, Unchanged: last.keys}
	return change, known && version == last.version
}

func (m *Memo) remember(es *eso.ExternalSecret, want mapping.Desired, change plan.Change, stored *corev1.Secret) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if stored == nil || !change.Ready {
		delete(m.written, es.UID)
		return
	}
	if m.written == nil {
		m.written = map[types.UID]remembered{}
	}
	m.written[es.UID] = remembered{
		wanted: wanted(es, want), version: stored.ResourceVersion,
		ready: change.Ready, reason: change.Reason, message: change.Message, keys: len(stored.Data),
	}
}

// wanted is equal when the mapping and all that it was made of are. Labels and
// annotations count where they are copied, as part of what was made. Where a template
// gives another result each time, its inputs count, and a forced sync makes it anew.
func wanted(es *eso.ExternalSecret, want mapping.Desired) string {
	if want.Volatile {
		return eso.SyncedResourceVersion(&es.ObjectMeta) + " " + want.InputFingerprint()
	}
	return strconv.FormatInt(es.Generation, 10) + " " + want.Fingerprint()
}
