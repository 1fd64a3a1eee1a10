package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/flowcontrol"
)

const (
	maxMessage   = 1024 // bytes, the bound of the newer events API
	maxName      = 230  // bytes of the object's name in the event's
	maxQueued    = 4096
	maxRemember  = 8192
	eventWorkers = 4
	longestWrite = 30 * time.Second
	// perSecond and burst bound the writes, however much goes wrong at once.
	perSecond, burst = 50, 500
)

// Events records events on objects. Recording never blocks; what repeats is counted on
// the event that is there; past the queue's bound events are dropped, and counted.
type Events struct {
	clients   *Clients
	component string
	log       *slog.Logger
	queue     chan event
	workers   sync.WaitGroup
	pace      flowcontrol.RateLimiter

	mu      sync.Mutex
	known   map[event]*known
	dropped int
	closed  bool
}

// event is what makes two events the same.
type event struct {
	object          corev1.ObjectReference
	kind            string
	reason, message string
}

type known struct {
	mu    sync.Mutex
	name  string
	count int32
}

// NewEvents starts a recorder whose events come from the named component.
func NewEvents(c *Clients, component string, log *slog.Logger) *Events {
	e := &Events{
		clients: c, component: component, log: log, queue: make(chan event, maxQueued),
		known: map[event]*known{}, pace: flowcontrol.NewTokenBucketRateLimiter(perSecond, burst),
	}
	for range eventWorkers {
		e.workers.Go(func() {
			for next := range e.queue {
				e.write(next)
			}
		})
	}
	return e
}

// Emit records an event; kind is Normal or Warning.
func (e *Events) Emit(object corev1.ObjectReference, kind, reason, message string) {
	next := event{object, kind, reason, Printable(message, maxMessage)}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	select {
	case e.queue <- next:
	default:
		e.dropped++
	}
}

// Close writes what is queued, at most until ctx is done.
func (e *Events) Close(ctx context.Context) {
	e.mu.Lock()
	if !e.closed {
		e.closed = true
		close(e.queue)
	}
	dropped := e.dropped
	e.mu.Unlock()
	done := make(chan struct{})
	go func() { e.workers.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
	if dropped > 0 {
		e.log.Warn("events were dropped", "count", dropped)
	}
}

func (e *Events) write(next event) {
	ctx, cancel := context.WithTimeout(context.Background(), longestWrite)
	defer cancel()
	e.mu.Lock()
	k, ok := e.known[next]
	if !ok {
		if len(e.known) >= maxRemember {
			e.known = map[event]*known{}
		}
		k = &known{}
		e.known[next] = k
	}
	e.mu.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := e.pace.Wait(ctx); err != nil {
		return
	}
	err := e.again(ctx, next, k)
	if apierrors.IsNotFound(err) { // events do not live long
		err = e.create(ctx, next, k)
	}
	if err != nil {
		e.log.Debug("an event could not be recorded", "object", next.object.Namespace+"/"+next.object.Name, "error", err.Error())
	}
}

func (e *Events) create(ctx context.Context, next event, k *known) error {
	now := metav1.Now()
	name := next.object.Name
	if len(name) > maxName {
		name = strings.TrimRight(name[:maxName], "-.")
	}
	created, err := e.clients.Events(home(next)).Create(ctx, &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: fmt.Sprintf("%s.%x", name, now.UnixNano()), Namespace: home(next)},
		InvolvedObject: next.object, Type: next.kind, Reason: next.reason, Message: next.message,
		Source: corev1.EventSource{Component: e.component}, ReportingController: e.component,
		FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	k.name, k.count = created.Name, 1
	return nil
}

// home is the namespace of an event: its object's, or the default one for objects
// without.
func home(of event) string {
	if of.object.Namespace == "" {
		return metav1.NamespaceDefault
	}
	return of.object.Namespace
}

// again counts the event that is there; a first one makes it.
func (e *Events) again(ctx context.Context, next event, k *known) error {
	if k.name == "" {
		return e.create(ctx, next, k)
	}
	patch, err := json.Marshal(map[string]any{"count": k.count + 1, "lastTimestamp": metav1.Now()})
	if err != nil {
		return err
	}
	if _, err = e.clients.Events(home(next)).Patch(ctx, k.name, types.MergePatchType, patch, metav1.PatchOptions{}); err == nil {
		k.count++
	}
	return err
}

// Printable replaces what a terminal would act on and cuts a text at limit bytes.
func Printable(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-3], "") + "…"
}
