package plugin

import (
	"context"
	"fmt"
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
}

// follow prints what happens after the list, until it is interrupted.
func (e *eventing) follow(ctx context.Context, clients *kube.Clients, f found, happened []gather.Happening) error {
	w := follower{eventing: e, clients: clients, about: map[gather.Object]bool{}, seen: map[string]string{}}
	for _, es := range f.mappings {
		w.join(es)
	}
	for _, h := range happened {
		w.seen[h.UID] = h.Version
	}
	namespaces := []string{f.namespace}
	if f.namespace != "" && f.namespace != metav1.NamespaceDefault {
		namespaces = append(namespaces, metav1.NamespaceDefault) // of ClusterSecretStores
	}
	events := make(chan *corev1.Event)
	failed := make(chan error, len(namespaces))
	for i, namespace := range namespaces {
		go func() {
			err := watchEvents(ctx, clients, namespace, events)
			if i == 0 {
				failed <- err
			}
		}()
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case event := <-events:
			if err := w.take(ctx, event); err != nil {
				return err
			}
		}
	}
}

// watchEvents sends the events of a namespace until the context ends; what is there
// already comes first.
func watchEvents(ctx context.Context, clients *kube.Clients, namespace string, to chan<- *corev1.Event) error {
	for ctx.Err() == nil {
		w, err := clients.Events(namespace).Watch(ctx, metav1.ListOptions{})
		if err != nil {
			return fmt.Errorf("watching events: %w", err)
		}
		for change := range w.ResultChan() {
			event, ok := change.Object.(*corev1.Event)
			if !ok || change.Type == watch.Deleted {
				continue
			}
			select {
			case to <- event:
			case <-ctx.Done():
			}
		}
		w.Stop()
	}
	return nil
}

// join makes the events on a mapping, its stores and its Secret wanted.
func (w *follower) join(es *eso.ExternalSecret) {
	for _, object := range gather.EventObjects(es) {
		w.about[object] = true
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
	w.join(es)
	return true
}
