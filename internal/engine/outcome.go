package engine

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/mapping"
	"vaultsecret.io/kubectl-vaultsecret/internal/plan"
)

// Class says who can mend an outcome, and so when to try again.
type Class string

const (
	// OK: the mapping is as it should be.
	OK Class = "ok"
	// Transient: trying again soon may do (an API server that refused a write).
	Transient Class = "transient"
	// StoreDown: the store as a whole does not answer or does not let us in.
	StoreDown Class = "store-down"
	// NeedsChange: somebody has to change the mapping, Vault or the Secret first.
	NeedsChange Class = "needs-change"
)

// Event is one event on the mapping, in ESO's words.
type Event struct {
	Warning         bool
	Reason, Message string
}

// Outcome is what came of one mapping. It is the one source of its condition,
// events, metrics and log line.
type Outcome struct {
	// Skipped: a store of the mapping is another controller's; nothing was done,
	// and nothing is to be told.
	Skipped bool
	// Answered: Vault answered a read, with what was asked for or with a refusal of
	// that path; so the store as a whole works.
	Answered bool
	// Held: the Secret is to be deleted and was not (Engine.HoldDeletes).
	Held bool
	// Change is what was done, or by Preview would be.
	Change plan.Change
	// Ready, Reason and Message are the Ready condition.
	Ready           bool
	Reason, Message string
	// Err is why Ready is false.
	Err   error
	Class Class
	// Events in the order in which things happened.
	Events []Event
	// Sources are the paths and versions in use.
	Sources []mapping.Provenance
	// Version is the resourceVersion of the Secret as it was left, "" when there
	// is none or nothing is known of it.
	Version string

	binding string
}

// The errors whose place in the way decides the condition's message.
type (
	invalidError struct{ error }
	writeError   struct{ error }
	orphanError  struct{ error }
)

func (e invalidError) Unwrap() error { return e.error }
func (e writeError) Unwrap() error   { return e.error }
func (e orphanError) Unwrap() error  { return e.error }

// answered reports whether an error of reading was Vault's own answer.
func answered(err error) bool {
	var e *kv.Error
	return errors.As(err, &e) && e.Code > 0 && !e.Kind.Down()
}

func failed(err error) Outcome {
	if errors.Is(err, kv.ErrForeignStore) {
		return Outcome{Skipped: true, Err: err, Class: OK}
	}
	text, class := eso.MessageGetFailed, NeedsChange
	var faulty *mapping.Error
	switch {
	case errors.As(err, new(invalidError)):
		text = eso.MessageInvalid
	case errors.As(err, new(orphanError)):
		text, class = eso.MessageOrphans, Transient
	case errors.As(err, new(writeError)):
		text, class = eso.MessageWriteFailed, Transient
	case errors.As(err, &faulty) && strings.HasPrefix(faulty.Field, "spec.target"):
		text = eso.MessageWriteFailed
	case kv.KindOf(err).Down():
		class = StoreDown
	}
	return refused(text, class, err)
}

// Refuse is the outcome of a mapping that the caller stopped: text is the stable
// part of the condition's message, err the cause and the fix.
func Refuse(text string, err error) Outcome {
	return refused(text, NeedsChange, err)
}

func refused(text string, class Class, err error) Outcome {
	cause := Printable(err.Error())
	return Outcome{
		Reason: eso.ReasonSyncError, Message: text + ": " + cause, Err: err, Class: class,
		Events: []Event{{Warning: true, Reason: eso.EventUpdateFailed, Message: cause}},
	}
}

func reached(es *eso.ExternalSecret, want mapping.Desired, change plan.Change) Outcome {
	if change.Err != nil {
		o := refused(change.Message, NeedsChange, change.Err)
		o.Change, o.Sources = change, want.Sources
		return o
	}
	o := Outcome{
		Change: change, Ready: change.Ready, Reason: change.Reason, Message: change.Message,
		Class: OK, Sources: want.Sources,
	}
	for _, skip := range want.Skipped {
		o.Events = append(o.Events, Event{Reason: eso.EventMissingProvider, Message: skipText(skip)})
	}
	switch change.Action {
	case plan.Create:
		o.Events = append(o.Events, Event{Reason: eso.EventCreated, Message: "secret created"})
	case plan.Update:
		o.Events = append(o.Events, Event{Reason: eso.EventUpdated, Message: "secret updated"})
	case plan.Delete:
		o.Events = append(o.Events, Event{Reason: eso.EventDeleted, Message: eso.MessageDeleted})
	}
	if change.Action == plan.Create || change.Action == plan.Update {
		o.binding = es.TargetName()
	}
	return o
}

func held(es *eso.ExternalSecret, want mapping.Desired, change plan.Change) Outcome {
	o := reached(es, want, change)
	o.Held, o.Events = true, nil
	return o
}

func skipText(s mapping.Skip) string {
	text := "secret does not exist at provider using " + s.Field
	if strings.HasPrefix(s.Field, "spec.data[") {
		text += fmt.Sprintf(" (key=%s)", s.Key)
	}
	return Printable(text)
}

// Status is the mapping's status after the outcome of a try that started at now.
//
// A failure leaves refreshTime and syncedResourceVersion, as in ESO. A success that
// changed nothing renews refreshTime only when that is due, so that an unchanged
// refresh is not a write each time: after nine tenths of the interval, because a
// refresh may run a little early, and never within a minute.
func (o Outcome) Status(es *eso.ExternalSecret, now time.Time) eso.ExternalSecretStatus {
	status := *es.Status.DeepCopy()
	at := metav1.NewTime(now.Truncate(time.Second))
	status.SetReady(o.Ready, o.Reason, o.Message, at)
	if !o.Ready {
		return status
	}
	status.SyncedResourceVersion = eso.SyncedResourceVersion(&es.ObjectMeta)
	if o.binding != "" {
		status.Binding = &eso.LocalObjectReference{Name: o.binding}
	}
	quiet := time.Minute
	if interval, err := es.RefreshInterval(); err == nil {
		quiet = max(quiet, interval*9/10)
	}
	old := es.Status.Ready()
	changed := o.Change.Action != plan.None || old == nil || old.Status != metav1.ConditionTrue ||
		status.SyncedResourceVersion != es.Status.SyncedResourceVersion
	if changed || status.RefreshTime.IsZero() || at.Sub(status.RefreshTime.Time) >= quiet || at.Before(&status.RefreshTime) {
		status.RefreshTime = at
	}
	return status
}

// longest bounds a message; the API server refuses events of more than 1024 bytes.
const longest = 900

// Printable makes one line of a text, without control characters, of bounded length.
func Printable(text string) string {
	text = strings.Join(strings.FieldsFunc(text, unicode.IsSpace), " ")
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}
