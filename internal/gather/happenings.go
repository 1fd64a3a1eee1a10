package gather

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// Object names an object that events are about.
type Object struct{ Kind, Namespace, Name string }

// Happening is one event, and the object that it is about.
type Happening struct {
	Object Object
	diagnose.Event
	// UID and Version identify the event as it was seen: an event that repeats
	// keeps its UID and gets another Version.
	UID, Version string
}

// EventObjects are the objects whose events concern a mapping: itself, its stores
// and its Secret.
func EventObjects(es *eso.ExternalSecret) []Object {
	objects := []Object{
		{eso.KindExternalSecret, es.Namespace, es.Name},
		{"Secret", es.Namespace, es.TargetName()},
	}
	for _, ref := range es.StoreRefs() {
		namespace := es.Namespace
		if ref.Kind == eso.KindClusterSecretStore {
			namespace = metav1.NamespaceDefault // events of cluster-wide objects are kept there
		}
		objects = append(objects, Object{ref.Kind, namespace, ref.Name})
	}
	return objects
}

// Happenings lists the events on the objects, newest last, by one list for each kind
// and namespace. unseen tells why events of a namespace could not be had.
func (g *Gatherer) Happenings(ctx context.Context, objects []Object) (found []Happening, unseen []string) {
	type place struct{ namespace, kind string }
	wanted := map[place]map[string]bool{}
	for _, o := range objects {
		p := place{o.Namespace, o.Kind}
		if wanted[p] == nil {
			wanted[p] = map[string]bool{}
		}
		wanted[p][o.Name] = true
	}
	var d denials
	var mu sync.Mutex
	var all sync.WaitGroup
	slots := make(chan struct{}, g.Parallel)
	for p, names := range wanted {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			err := g.listEvents(ctx, p.namespace, p.kind, func(e *corev1.Event) {
				if !names[e.InvolvedObject.Name] {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				found = append(found, HappeningOf(e))
			})
			if err == nil {
				return
			}
			why := d.reason("list events in "+p.namespace, err)
			mu.Lock()
			defer mu.Unlock()
			if !slices.Contains(unseen, why) {
				unseen = append(unseen, why)
			}
		})
	}
	all.Wait()
	slices.Sort(unseen)
	slices.SortFunc(found, earlier)
	return found, unseen
}

// earlier orders by time and, within one second, as the API server wrote them.
func earlier(a, b Happening) int {
	return cmp.Or(a.Last.Compare(b.Last), cmp.Compare(len(a.Version), len(b.Version)), strings.Compare(a.Version, b.Version), strings.Compare(a.UID, b.UID))
}

// HappeningOf is an event without what could hurt a terminal.
func HappeningOf(e *corev1.Event) Happening {
	about := e.InvolvedObject
	return Happening{
		Object: Object{Clean(about.Kind), Clean(e.Namespace), Clean(about.Name)},
		Event:  event(e), UID: string(e.UID), Version: e.ResourceVersion,
	}
}

// listEvents lists the events on one kind of object in a namespace, in chunks.
func (g *Gatherer) listEvents(ctx context.Context, namespace, kind string, yield func(*corev1.Event)) error {
	ctx, cancel := g.limited(ctx)
	defer cancel()
	options := metav1.ListOptions{FieldSelector: "involvedObject.kind=" + kind, Limit: chunk}
	for {
		list, err := g.Clients.Events(namespace).List(ctx, options)
		if err != nil {
			return err
		}
		for i := range list.Items {
			yield(&list.Items[i])
		}
		if options.Continue = list.Continue; list.Continue == "" {
			return nil
		}
	}
}
