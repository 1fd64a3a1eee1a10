package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// observer sees, as any client of the cluster does, when Secrets are written and
// mappings become what is waited for.
type observer struct {
	mu      sync.Mutex
	waiting map[*expected]bool
}

// expected are objects of which each must be seen once in some state.
type expected struct {
	// holds is nil for Secrets: any write is what is waited for.
	holds func(*eso.ExternalSecret) bool
	left  map[string]bool
	at    map[string]time.Time
	done  chan struct{}
}

// observe starts the watches; they see what happens from now on.
func observe(ctx context.Context, c *kube.Clients) (*observer, error) {
	o := &observer{waiting: map[*expected]bool{}}
	secrets := c.Metadata.Resource(corev1.SchemeGroupVersion.WithResource("secrets"))
	for _, open := range []func(string) (watch.Interface, error){
		func(from string) (watch.Interface, error) {
			return secrets.Watch(ctx, metav1.ListOptions{ResourceVersion: from})
		},
		func(from string) (watch.Interface, error) {
			return c.ExternalSecrets("").Watch(ctx, metav1.ListOptions{ResourceVersion: from})
		},
	} {
		now, err := c.Namespaces().List(ctx, metav1.ListOptions{Limit: 1})
		if err != nil {
			return nil, err
		}
		w, err := open(now.ResourceVersion)
		if err != nil {
			return nil, err
		}
		go o.follow(ctx, now.ResourceVersion, w, open)
	}
	return o, nil
}

// follow passes events on, over watches that the API server ends now and then.
func (o *observer) follow(ctx context.Context, from string, w watch.Interface, open func(string) (watch.Interface, error)) {
	for {
		for event := range w.ResultChan() {
			object, ok := event.Object.(metav1.Object)
			if !ok {
				continue // an error, after which the watch ends
			}
			from = object.GetResourceVersion()
			if event.Type != watch.Deleted {
				o.saw(object, time.Now())
			}
		}
		for {
			var err error
			if w, err = open(from); err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

func (o *observer) saw(object metav1.Object, at time.Time) {
	k := key(object.GetNamespace(), object.GetName())
	es, isMapping := object.(*eso.ExternalSecret)
	o.mu.Lock()
	defer o.mu.Unlock()
	for e := range o.waiting {
		if !e.left[k] || isMapping != (e.holds != nil) || isMapping && !e.holds(es) {
			continue
		}
		delete(e.left, k)
		if e.at[k] = at; len(e.left) == 0 {
			close(e.done)
			delete(o.waiting, e)
		}
	}
}

func (o *observer) expect(keys []string, holds func(*eso.ExternalSecret) bool) *expected {
	e := &expected{holds: holds, left: map[string]bool{}, at: map[string]time.Time{}, done: make(chan struct{})}
	for _, k := range keys {
		e.left[k] = true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting[e] = true
	return e
}

// secrets expects the next write of each Secret.
func (o *observer) secrets(keys ...string) *expected { return o.expect(keys, nil) }

// synced expects each mapping to be Ready as it is now; forced is the force-sync
// annotation that it then has, "" for any.
func (o *observer) synced(keys []string, forced string) *expected {
	return o.expect(keys, func(es *eso.ExternalSecret) bool {
		ready := es.Status.Ready()
		return ready != nil && ready.Status == metav1.ConditionTrue && (forced == "" || es.Annotations[eso.AnnotationForceSync] == forced) &&
			es.Status.SyncedResourceVersion == eso.SyncedResourceVersion(&es.ObjectMeta)
	})
}

// last is when the last of them was seen.
func (e *expected) last() time.Time {
	var last time.Time
	for _, at := range e.at {
		if at.After(last) {
			last = at
		}
	}
	return last
}

// first is when the first of them was seen.
func (e *expected) first() time.Time {
	first := e.last()
	for _, at := range e.at {
		if at.Before(first) {
			first = at
		}
	}
	return first
}

// wait returns once all were seen. It gives up when none of them came for a while.
func (o *observer) wait(ctx context.Context, e *expected, patience time.Duration) error {
	before := -1
	for {
		select {
		case <-e.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(patience):
		}
		o.mu.Lock()
		left, example := len(e.left), ""
		for k := range e.left {
			example = k
			break
		}
		o.mu.Unlock()
		if left == before {
			return fmt.Errorf("%d objects are not as expected, %s for example, and nothing came in %s", left, example, patience)
		}
		before = left
	}
}
