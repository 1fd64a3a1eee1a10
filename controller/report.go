package controller

import (
	"context"
	"log/slog"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/engine"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// reporter makes of an outcome a condition, events, metrics and a log line. It is
// the only place that does.
type reporter struct {
	status  kube.Status
	events  *kube.Events
	metrics *metrics
	log     *slog.Logger
	// restarts: workloads are restarted where a mapping asks for it.
	restarts bool
	// toldRival is what was last said of another controller.
	toldRival told
	// toldRestarts is what was said of restarts that are owed.
	toldRestarts tellings
}

// mapping reports one mapping. The status is written only when it differs; what was
// said lately is not said again unless somebody asked.
func (r *reporter) mapping(ctx context.Context, t task, o engine.Outcome, now time.Time, took time.Duration) error {
	r.metrics.synced(t.entry.key, o, took)
	if o.Skipped {
		return nil
	}
	r.restartRefused(t, now)
	loud := t.entry.told.again(o.Message, t.urgent && o.Err != nil, now)
	r.logMapping(t.entry.key, o, took, loud)
	if loud || len(o.Change.Added)+len(o.Change.Changed)+len(o.Change.Removed) > 0 || o.Change.Secret != nil {
		for _, e := range o.Events {
			r.events.Emit(reference(eso.KindExternalSecret, &t.es.ObjectMeta), eventType(e.Warning), e.Reason, e.Message)
		}
	}
	es := t.es
	if t.entry.written != nil && t.entry.writtenOver == es.ResourceVersion {
		latest := *es
		latest.Status = *t.entry.written
		es = &latest
	}
	status := o.Status(es, t.at)
	stored, err := r.status.ExternalSecret(ctx, es, status)
	if err != nil {
		t.entry.stated = stated{} // it may have arrived, and is no other controller's then
		r.log.Warn("the status could not be written", "namespace", es.Namespace, "name", es.Name, "err", err)
		return err
	}
	if stored != nil {
		t.entry.written, t.entry.writtenOver = &status, es.ResourceVersion
		t.entry.stated = state(stored)
	}
	return nil
}

func reference(kind string, meta *metav1.ObjectMeta) corev1.ObjectReference {
	return corev1.ObjectReference{
		APIVersion: eso.GroupVersion().String(), Kind: kind, Namespace: meta.Namespace, Name: meta.Name, UID: meta.UID,
	}
}

func eventType(warning bool) string {
	if warning {
		return corev1.EventTypeWarning
	}
	return corev1.EventTypeNormal
}

func (r *reporter) logMapping(key types.NamespacedName, o engine.Outcome, took time.Duration, loud bool) {
	attrs := []any{"namespace", key.Namespace, "name", key.Name, "ms", took.Milliseconds()}
	if o.Err != nil {
		level := slog.LevelDebug
		if loud {
			level = slog.LevelWarn
		}
		r.log.Log(context.Background(), level, "not synced", append(attrs, "class", o.Class, "err", o.Message)...)
		return
	}
	level := slog.LevelDebug
	if o.Change.Secret != nil || loud {
		level = slog.LevelInfo
	}
	if !r.log.Enabled(context.Background(), level) {
		return
	}
	r.log.Log(context.Background(), level, "synced", append(attrs, "action", o.Change.Action, "reason", o.Reason,
		"added", o.Change.Added, "changed", o.Change.Changed, "removed", o.Change.Removed)...)
}

// store reports the validation of one store.
func (r *reporter) store(ctx context.Context, e *storeEntry, s eso.Store, err error, now time.Time) error {
	ready, reason, message, cause := true, eso.ReasonValid, eso.MessageValid, eso.MessageValid
	if err != nil {
		cause = engine.Printable(err.Error())
		ready, reason, message = false, eso.ReasonInvalidProviderConfig, storeWords(s, err)+": "+cause
	}
	r.metrics.validated(s, ready, time.Since(now))
	status := *s.Status.DeepCopy()
	status.SetReady(ready, reason, message, metaTime(now))
	if e.told.again(message, false, now) && !(ready && reflect.DeepEqual(status, *s.Status)) {
		r.events.Emit(reference(s.Kind, s.Meta), eventType(!ready), reason, cause)
		r.log.Info("store validated", "store", s.String(), "ready", ready, "message", message)
	}
	return r.status.Store(ctx, s, status)
}

// storeWords are ESO's: whether no client could be made, or the one that was made is
// not let in.
func storeWords(s eso.Store, err error) string {
	static := s.Spec.Provider.Vault.Auth != nil && s.Spec.Provider.Vault.Auth.TokenSecretRef != nil
	if kv.KindOf(err) == kv.BadConfig || !static {
		return eso.MessageNoClient
	}
	return eso.MessageNotValidated
}

func (r *reporter) forget(key types.NamespacedName) { r.metrics.forget(key) }

func (r *reporter) forgetStore(s eso.Store) { r.metrics.forgetStore(s) }
