package plugin

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"

	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// lasting is a watch that is opened again, after a pause, whenever it ends. It goes on
// from where it was; where the API server has forgotten that, what is there comes anew.
type lasting struct {
	// what is watched, e.g. "ExternalSecrets in apps".
	what string
	open func(context.Context, metav1.ListOptions) (watch.Interface, error)
	// options choose what is watched, and from which resourceVersion on: with "" what
	// is there comes first.
	options metav1.ListOptions
	take    func(watch.Event) error
	// say tells of an outage, once, and of its end.
	say func(text string)

	failing bool
}

// Pauses double from the first to the longest, with half as much again of jitter. A
// watch that lasted longer than the longest pause starts at the first again.
const (
	firstPause   = 500 * time.Millisecond
	longestPause = 8 * time.Second
)

func pauses() wait.Backoff {
	return wait.Backoff{Duration: firstPause, Factor: 2, Jitter: .5, Steps: 10, Cap: longestPause}
}

// run watches until the context ends, which is no error, until take fails, or until the
// API server refuses the first try for good.
func (l *lasting) run(ctx context.Context) error {
	l.options.AllowWatchBookmarks = true
	pause := pauses()
	for first := true; ; first = false {
		opened := time.Now()
		err, taken := l.once(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case taken != nil:
			return taken
		case first && refused(err):
			return fmt.Errorf("watching %s: %w", l.what, err)
		case apierrors.IsResourceExpired(err), apierrors.IsGone(err):
			l.options.ResourceVersion = ""
		case err != nil && !l.failing:
			l.failing = true
			l.say(fmt.Sprintf("the watch of %s fails, and is tried again: %s", l.what, vault.Cause(err)))
		}
		if time.Since(opened) > longestPause {
			pause = pauses()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause.Step()):
		}
	}
}

// once watches until the watch ends; err is why, taken an error of take's.
func (l *lasting) once(ctx context.Context) (err, taken error) {
	w, err := l.open(ctx, l.options)
	if err != nil {
		return err, nil
	}
	defer w.Stop()
	for event := range w.ResultChan() {
		if event.Type == watch.Error {
			return apierrors.FromObject(event.Object), nil
		}
		if l.failing {
			l.failing = false
			l.say(fmt.Sprintf("the watch of %s works again", l.what))
		}
		// What is there already comes first, as added, in no order.
		settled := event.Type != watch.Added || l.options.ResourceVersion != ""
		if object, err := meta.Accessor(event.Object); err == nil && settled {
			l.options.ResourceVersion = object.GetResourceVersion()
		}
		if event.Type == watch.Bookmark {
			continue
		}
		if err := l.take(event); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// refused reports whether trying again would not help.
func refused(err error) bool {
	switch apierrors.ReasonForError(err) {
	case metav1.StatusReasonForbidden, metav1.StatusReasonUnauthorized, metav1.StatusReasonNotFound,
		metav1.StatusReasonBadRequest, metav1.StatusReasonInvalid, metav1.StatusReasonMethodNotAllowed:
		return true
	}
	return false
}

// in is "ExternalSecrets in apps", or "ExternalSecrets" for all namespaces.
func in(kind, namespace string) string {
	if namespace == "" {
		return kind
	}
	return kind + " in " + namespace
}
