package controller

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// start takes over what the watches hold once they are in sync. Marks before that
// are the watches' own first round and mean no change.
func (l *loop) start(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.watched.Stores() {
		l.addStore(s, now)
	}
	for _, es := range l.watched.Outlines() {
		l.addMapping(es)
	}
	l.started = true
}

func (l *loop) addMapping(es *eso.ExternalSecret) *entry {
	if !l.shard.owns(es.Namespace) {
		return nil
	}
	key := types.NamespacedName{Namespace: es.Namespace, Name: es.Name}
	if e, ok := l.mappings[key]; ok && e.uid == es.UID && e.generation == es.Generation {
		l.mark(e)
		return e
	}
	if es = l.watched.ExternalSecret(es.Namespace, es.Name); es == nil {
		return nil // its deletion comes next
	}
	e, ok := l.mappings[key]
	if ok && e.uid != es.UID {
		l.dropMapping(key)
		ok = false
	}
	if !ok {
		e = &entry{key: key}
		l.mappings[key] = e
	}
	l.describe(e, es)
	l.mark(e)
	return e
}

// describe takes over what a mapping's spec says.
func (l *loop) describe(e *entry, es *eso.ExternalSecret) {
	target := object{}
	if len(e.uses) > 0 {
		target = e.uses[0]
	}
	l.unuse(e)
	e.describe(es, l.referent)
	for _, used := range e.uses {
		l.users[used] = append(l.users[used], e)
	}
	if e.uses[0] != target {
		version, _ := l.watched.SecretVersion(es.Namespace, es.TargetName())
		e.view = seen{version: version, absent: version == ""}
		if note := l.watched.RestartPending(es.Namespace, es.TargetName()); l.restarts != nil && note != "" {
			l.restarts.owe(e.uses[0], note, time.Now())
		}
	}
}

func (l *loop) dropMapping(key types.NamespacedName) {
	e, ok := l.mappings[key]
	if !ok {
		return
	}
	l.unuse(e)
	l.engine.Memo.Forget(e.uid)
	l.report.forget(key)
	delete(l.mappings, key)
}

func (l *loop) unuse(e *entry) {
	for _, used := range e.uses {
		rest := slices.DeleteFunc(l.users[used], func(other *entry) bool { return other == e })
		if l.users[used] = rest; len(rest) == 0 {
			delete(l.users, used)
		}
	}
}

// mappingChanged is told of each ExternalSecret that was added or updated.
func (l *loop) mappingChanged(es *eso.ExternalSecret) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.started {
		return
	}
	if l.addMapping(es) != nil {
		l.nudge()
	}
}

// mappingGone is told of each ExternalSecret that was deleted.
func (l *loop) mappingGone(key types.NamespacedName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropMapping(key)
}

// addStore keeps a store and reports whether anything but its status changed.
func (l *loop) addStore(s eso.Store, now time.Time) bool {
	old, ok := l.stores[s.String()]
	if ok && old.store.Meta.UID == s.Meta.UID && old.store.Meta.Generation == s.Meta.Generation {
		old.store = s
		return false
	}
	e := &storeEntry{store: s, ours: s.Served(l.class) && l.shard.owns(s.Meta.Namespace), force: true}
	if condition := s.Status.Ready(); condition != nil {
		e.known, e.valid = true, condition.Status == metav1.ConditionTrue
	}
	if e.valid && !l.started {
		// Another run has validated it: spread the first look over the interval.
		e.force, e.due = false, now.Add(early(hashed(string(s.Meta.UID)), 20*interval(s)))
	}
	l.stores[s.String()] = e
	return true
}

// storeEvent is told of each store that was added, updated or deleted.
func (l *loop) storeEvent(s eso.Store, deleted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.started {
		return
	}
	changed := deleted
	if deleted {
		delete(l.stores, s.String())
		l.report.forgetStore(s)
	} else {
		changed = l.addStore(s, time.Now())
	}
	if changed {
		l.regroup(s.String())
		l.storeChanged(s.String(), "")
	}
}

// objectEvent is told of each Secret and ConfigMap that was added, updated or
// deleted: it may be a target, a template source, or named by a store.
func (l *loop) objectEvent(kind string, meta *metav1.ObjectMeta, deleted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.started {
		return
	}
	o := object{kind, meta.Namespace, meta.Name}
	for _, e := range l.users[o] {
		if e.uses[0] == o {
			e.view = seen{version: meta.ResourceVersion, absent: deleted}
			l.mark(e)
			l.noted(o, meta, deleted)
		} else {
			l.contentChanged(e)
		}
		l.nudge()
	}
	for name, s := range l.stores {
		switch refersTo(s.store, o) {
		case forAll:
			s.force = true
			l.storeChanged(name, "")
		case forItsNamespace:
			l.storeChanged(name, o.namespace)
		}
	}
}

// noted takes note of what a Secret says that workloads are owed.
func (l *loop) noted(secret object, meta *metav1.ObjectMeta, deleted bool) {
	if l.restarts == nil {
		return
	}
	note := meta.Annotations[eso.AnnotationRestartPending]
	if deleted {
		note = ""
	}
	l.restarts.owe(secret, note, time.Now())
}

// reach says for whom an object matters that a store refers to.
type reach int

const (
	forNobody reach = iota
	// forItsNamespace: the mappings of the object's namespace, where the reference
	// leaves the namespace open.
	forItsNamespace
	// forAll: whoever uses the store.
	forAll
)

// refersTo reports for whom a store names the object.
func refersTo(s eso.Store, o object) reach {
	if s.Spec.Provider.Vault == nil {
		return forNobody
	}
	far := forNobody
	for _, ref := range s.Spec.Provider.Vault.References() {
		switch {
		case ref.Kind != o.kind, ref.Name != o.name:
		case ref.Namespace != nil && *ref.Namespace == o.namespace, ref.Namespace == nil && !s.Cluster() && s.Meta.Namespace == o.namespace:
			return forAll
		case ref.Namespace == nil && s.Cluster():
			far = forItsNamespace
		}
	}
	return far
}

// referent reports whether a store logs in anew for each namespace.
func (l *loop) referent(store string) bool {
	s, ok := l.stores[store]
	return ok && s.store.Referent()
}

// namespaceEvent is told of each Namespace whose labels changed: a
// ClusterSecretStore may admit it now.
func (l *loop) namespaceEvent(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.mappings {
		if e.key.Namespace == name && e.last.failures > 0 {
			e.force, e.urgent = true, true
			l.mark(e)
			l.nudge()
		}
	}
}
