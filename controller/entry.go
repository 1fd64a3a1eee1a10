package controller

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/engine"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/mapping"
	"vaultsecret.io/kubectl-vaultsecret/internal/plan"
)

// entry is what the loop knows of one mapping.
type entry struct {
	key types.NamespacedName
	uid types.UID
	// generation is that of the spec which the next four come from.
	generation int64
	// group names the stores it uses, and its namespace where they log in anew for each;
	// its mappings share a breaker and workers.
	group string
	// stores is group without namespaces: what the brake counts by.
	stores string
	// uses are the objects whose change concerns it: its target Secret first, then
	// its template sources.
	uses []object
	// phase is equal for mappings that begin with the same path of the same store, so that
	// they keep sharing one read.
	phase uint32

	last attempt
	view seen
	// due is when it is to be synced, the zero time when only a change makes it so.
	due time.Time
	// look asks for due to be judged again, urgent puts it ahead of those that are
	// due by time and past an open breaker.
	look, urgent bool
	// force makes it due whatever the schedule says.
	force bool
	// running is true from when a pass picked it until the outcome is settled, waits until
	// its turn comes, if only the time made it due; ticket tells the task that has it.
	running, waits bool
	ticket         uint32
	told           told
	// toldRestart is what was said of its restart annotation.
	toldRestart told
	// written is the status that was written last, over the object at that
	// resourceVersion: a watch that lags still shows the one before. nil once it does not.
	written     *eso.ExternalSecretStatus
	writtenOver string
	stated      stated
}

// object names a Secret, ConfigMap or Namespace.
type object struct{ kind, namespace, name string }

// describe fills in what follows from the mapping's spec. referent says of a store's key
// whether it logs in anew for each namespace.
func (e *entry) describe(es *eso.ExternalSecret, referent func(store string) bool) {
	e.uid, e.generation = es.UID, es.Generation
	e.phase = phase(es)
	e.stores = storesOf(es)
	e.group = groupOf(e.stores, es.Namespace, referent)
	e.uses = []object{{"Secret", es.Namespace, es.TargetName()}}
	for _, source := range mapping.SourceKeys(es) {
		e.uses = append(e.uses, object{source.Kind, es.Namespace, source.Name})
	}
}

// judge says anew when the mapping is due. Its outline is enough.
func (e *entry) judge(es *eso.ExternalSecret, version string, marked bool, now time.Time) {
	e.look = false
	if e.last.at.IsZero() && !e.force {
		e.last = adopted(es, e.view, marked)
	}
	if e.last.version == version {
		e.last.version = version // of two equal texts one is enough
	}
	e.due = next(es, e.phase, version, e.last, e.view, now)
	if e.force {
		e.due = now
	}
	e.urgent = e.urgent || e.due.Equal(now)
}

// settle records an outcome.
func (e *entry) settle(es *eso.ExternalSecret, o engine.Outcome, before seen, started time.Time) {
	failures := e.last.failures + 1
	if o.Err == nil || o.Skipped {
		failures = 0
	}
	left := before
	switch {
	case o.Version != "":
		left = seen{version: o.Version}
	case o.Ready && o.Reason == eso.ReasonDeleted:
		left.absent = true
	}
	writes := 0
	if o.Change.Action == plan.Create || o.Change.Action == plan.Update {
		writes = 1
		if started.Sub(e.last.at) < rowOfWrites {
			writes += e.last.writes
		}
	}
	e.last = attempt{
		writes: writes, at: started, version: eso.SyncedResourceVersion(&es.ObjectMeta), left: left,
		failures: failures, class: o.Class, skipped: o.Skipped,
	}
	e.running = false
}

// groupOf is the key of what shares a login: the stores, and the namespace behind each
// that is referent. One namespace's credential says nothing of another's.
func groupOf(stores, namespace string, referent func(store string) bool) string {
	var names []string
	for name := range strings.SplitSeq(stores, ",") {
		if referent(name) {
			name += forNamespace + namespace
		}
		names = append(names, name)
	}
	return strings.Join(names, ",")
}

// forNamespace is in no name of an object.
const forNamespace = " for "

// storesOf names the stores of a mapping, and the namespace where they are its own.
func storesOf(es *eso.ExternalSecret) string {
	var names []string
	for _, ref := range es.StoreRefs() {
		names = append(names, storeKey(ref, es.Namespace))
	}
	return strings.Join(names, ",")
}

// storeKey is "ClusterSecretStore/vault" or "SecretStore/apps/vault", as
// eso.Store.String has it.
func storeKey(ref eso.StoreRef, namespace string) string {
	if ref.Kind == eso.KindClusterSecretStore {
		return ref.Kind + "/" + ref.Name
	}
	return ref.Kind + "/" + namespace + "/" + ref.Name
}

// group is the mappings of the same stores.
type group struct {
	name    string
	breaker breaker
	// slots bounds how many of them are synced at a time, so that a slow store
	// holds up nobody else's.
	slots slots
}

// has reports whether the group uses a store, for whatever namespace.
func (g *group) has(store string) bool {
	for name := range strings.SplitSeq(g.name, ",") {
		if name, _, _ = strings.Cut(name, forNamespace); name == store {
			return true
		}
	}
	return false
}

// told is what was last reported of a mapping, so that the same is not said twice.
type told struct {
	text string
	at   time.Time
}

// repeat is how often a lasting failure is said again.
const repeat = 10 * time.Minute

// again reports whether the text is to be said now, and takes it as said.
func (t *told) again(text string, urgent bool, now time.Time) bool {
	if !urgent && text == t.text && now.Sub(t.at) < repeat {
		return false
	}
	*t = told{text, now}
	return true
}

// downKind is the kind of a failure that concerns the store as a whole, "" otherwise.
func downKind(o engine.Outcome) kv.Kind {
	if o.Class == engine.StoreDown {
		return kv.KindOf(o.Err)
	}
	return ""
}
