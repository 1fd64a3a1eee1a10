package plugin

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/watch"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// follower prints events as they happen. It is used by one goroutine.
type follower struct {
	*eventing
	clients *kube.Clients
	// about are the objects whose events are wanted; new mappings join it.
	about map[gather.Object]bool
	// seen maps an event's UID to the version that was printed.
	seen map[string]string
	// watched are the namespaces whose events come in.
	watched map[string]bool
	events  chan *corev1.Event
	failed  chan error
}

// follow prints what happens after the list, until it is interrupted.
func (e *eventing) follow(ctx context.Context, clients *kube.Clients, f found, happened []gather.Happening) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := follower{
		eventing: e, clients: clients, about: map[gather.Object]bool{}, seen: map[string]string{},
		watched: map[string]bool{}, events: make(chan *corev1.Event), failed: make(chan error, 1),
	}
	for _, h := range happened {
		w.seen[h.UID] = h.Version
	}
	w.watchIn(ctx, f.namespace)
	for _, es := range f.mappings {
		w.join(ctx, es)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-w.failed:
			return err
		case event := <-w.events:
			if err := w.take(ctx, event); err != nil {
				return err
			}
		}
	}
}

// watchIn has the events of a namespace come in, those that are there already first. The
// command fails with its first watch; another that may not be watched is told, and the
// rest goes on.
func (w *follower) watchIn(ctx context.Context, namespace string) {
	if w.watched[""] || w.watched[namespace] {
		return
	}
	main := len(w.watched) == 0
	w.watched[namespace] = true
	watching := lasting{what: in("events", namespace), open: w.clients.Events(namespace).Watch, say: w.warn, take: func(change watch.Event) error {
		event, ok := change.Object.(*corev1.Event)
		if !ok || change.Type == watch.Deleted {
			return nil
		}
		select {
		case w.events <- event:
		case <-ctx.Done():
		}
		return nil
	}}
	go func() {
		switch err := watching.run(ctx); {
		case ctx.Err() != nil:
		case main:
			w.failed <- err
		default:
			w.warn("events are missing here: " + gather.Clean(err.Error()))
		}
	}()
}

// join makes the events on a mapping, its stores and its Secret wanted. Those on a
// ClusterSecretStore are in another namespace.
func (w *follower) join(ctx context.Context, es *eso.ExternalSecret) {
	for _, object := range gather.EventObjects(es) {
		w.about[object] = true
		w.watchIn(ctx, object.Namespace)
	}
}

// take prints an event that is wanted and new.
func (w *follower) take(ctx context.Context, event *corev1.Event) error {
	h := gather.HappeningOf(event)
	if w.seen[h.UID] == h.Version || !w.wants(ctx, h.Object) {
		return nil
	}
	w.seen[h.UID] = h.Version
	return table(w.text(w.Out), nil, [][]string{w.row(h, time.Now())})
}

// wants decides whether an event is of a selected mapping. One that came after the
// list is looked at now.
func (w *follower) wants(ctx context.Context, about gather.Object) bool {
	if w.about[about] || about.Kind != eso.KindExternalSecret {
		return w.about[about]
	}
	if len(w.chosen) > 0 && !slices.Contains(w.chosen, about.Name) {
		return false
	}
	es, err := w.clients.ExternalSecrets(about.Namespace).Get(ctx, about.Name, metav1.GetOptions{})
	if err != nil || !w.admits(es) {
		return false
	}
	selector, err := labels.Parse(w.selector)
	if err != nil || !selector.Matches(labels.Set(es.Labels)) {
		return false
	}
	w.join(ctx, es)
	return true
}
