package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
)

// pluginManager is the field manager of what the plugin writes.
const pluginManager = "kubectl-vaultsecret"

// secret reads the mapping's Secret; seen is false when that is not known.
func (s *syncing) secret(ctx context.Context, es *eso.ExternalSecret) (secret *corev1.Secret, seen bool) {
	secret, err := s.clients.Secrets(es.Namespace).Get(ctx, es.TargetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, true
	}
	return secret, err == nil
}

// ask annotates the mapping and waits for a controller.
func (s *syncing) ask(ctx context.Context, es *eso.ExternalSecret) syncResult {
	controller := gather.Controller(es)
	if why := ignored(es, controller); why != "" {
		return syncResult{answer: failed, message: "refused: " + why + "; to read it anyway: kubectl vaultsecret sync-now --local -n " + es.Namespace + " " + es.Name}
	}
	about := "involvedObject.kind=" + eso.KindExternalSecret + ",involvedObject.name=" + es.Name
	events, err := s.clients.Events(es.Namespace).List(ctx, metav1.ListOptions{FieldSelector: about})
	if err != nil {
		events = &corev1.EventList{} // the condition alone must do
	}
	before := rememberAsked(es, events.Items)
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"annotations": map[string]string{eso.AnnotationForceSync: time.Now().UTC().Format(time.RFC3339Nano)},
	}})
	if err != nil {
		return syncResult{answer: failed, message: err.Error()}
	}
	current, err := s.clients.ExternalSecrets(es.Namespace).Patch(ctx, es.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: pluginManager})
	if err != nil {
		return syncResult{answer: failed, message: gather.Clean(fmt.Sprintf("annotating it: %s", err))}
	}
	if !s.wait {
		return syncResult{unwaited: true}
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	r := s.await(ctx, current, before, events.ResourceVersion, about)
	if r.answer == pending && ctx.Err() == context.DeadlineExceeded {
		var store eso.StoreRef
		if refs := es.StoreRefs(); len(refs) > 0 {
			store = refs[0]
		}
		r.timeout, r.message = true, whoShouldAct(controller, store)+" should have acted"
	}
	return r
}

// await follows the mapping and its events until one of them is an answer.
func (s *syncing) await(ctx context.Context, es *eso.ExternalSecret, before asked, eventsVersion, about string) syncResult {
	mappings := s.clients.ExternalSecrets(es.Namespace)
	objects := s.follow(ctx, func(version string) (watch.Interface, error) {
		return mappings.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + es.Name, ResourceVersion: version})
	}, es.ResourceVersion)
	events := s.follow(ctx, func(version string) (watch.Interface, error) {
		return s.clients.Events(es.Namespace).Watch(ctx, metav1.ListOptions{FieldSelector: about, ResourceVersion: version})
	}, eventsVersion)
	var later <-chan time.Time // set while a failure waits for the event with its cause
	var known syncResult
	for {
		select {
		case <-ctx.Done():
			return known
		case <-later:
			return known
		case e, open := <-events:
			event, ok := e.Object.(*corev1.Event)
			if !open || !ok {
				continue
			}
			if a, message := before.event(event); a != pending {
				return syncResult{answer: a, message: message}
			}
		case e, open := <-objects:
			now, ok := e.Object.(*eso.ExternalSecret)
			if !open || !ok {
				continue
			}
			if e.Type == watch.Deleted {
				return syncResult{answer: failed, message: "it was deleted meanwhile"}
			}
			a, message := before.status(now)
			if a == synced || a == failed && !withoutCause(now) {
				return syncResult{answer: a, message: message}
			}
			if a == failed && later == nil {
				known, later = syncResult{answer: a, message: message}, time.After(2*time.Second)
			}
		}
	}
}

// withoutCause reports whether the condition is one of ESO's that never tell why.
func withoutCause(es *eso.ExternalSecret) bool {
	ready := es.Status.Ready()
	return ready != nil && slices.Contains([]string{eso.MessageGetFailed, eso.MessageWriteFailed, eso.MessageNotDeleted}, ready.Message)
}

// follow keeps a watch going until ctx ends; a watch that breaks off starts again
// from now.
func (s *syncing) follow(ctx context.Context, start func(version string) (watch.Interface, error), version string) <-chan watch.Event {
	out := make(chan watch.Event)
	go func() {
		for ctx.Err() == nil {
			w, err := start(version)
			version = ""
			if err != nil {
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
				continue
			}
			forward(ctx, w, out)
		}
	}()
	return out
}

func forward(ctx context.Context, w watch.Interface, out chan<- watch.Event) {
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e, open := <-w.ResultChan():
			if !open || e.Type == watch.Error {
				return
			}
			select {
			case <-ctx.Done():
				return
			case out <- e:
			}
		}
	}
}

// here runs the engine in this process.
func (s *syncing) here(ctx context.Context, es *eso.ExternalSecret) syncResult {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	outcome := s.gather.Local().Sync(ctx, es)
	switch {
	case outcome.Skipped:
		return syncResult{answer: failed, message: "its store is not vault's; only External Secrets Operator can read it"}
	case outcome.Err != nil:
		return syncResult{answer: failed, message: gather.Clean(outcome.Err.Error())}
	case !outcome.Ready:
		return syncResult{answer: failed, message: gather.Clean(outcome.Message)}
	}
	return syncResult{answer: synced, message: outcome.Message, notes: []string{"synced here; the status of the ExternalSecret stays its controller's"}}
}
