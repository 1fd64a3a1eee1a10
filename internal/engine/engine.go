package engine

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/mapping"
	"vaultsecret.io/kubectl-vaultsecret/internal/plan"
)

// Engine syncs mappings over one set of ports. It is a value: the controller makes
// one per pass, with the pass's Stores, around a Memo that outlives passes.
type Engine struct {
	Stores  Stores
	Secrets Secrets
	Sources Sources
	// Owned finds the Secrets that a renamed target leaves behind; nil leaves
	// them alone.
	Owned Owned
	// Memo remembers what was written; nil remembers nothing.
	Memo   *Memo
	Limits mapping.Limits
	// HoldDeletes plans a deletion and does not carry it out: the outcome is Held,
	// and the caller, who sees the whole pass, decides.
	HoldDeletes bool
	// Restarts notes on a Secret whose content changes that workloads are owed a
	// restart, when the mapping asks for it (eso.AnnotationRestart).
	Restarts bool
}

// tries bounds how often a Secret that changes meanwhile is planned again.
const tries = 5

// Sync brings one mapping's Secret to what Vault holds, and tells what came of it.
// It writes the Secret and nothing else; status and events are the caller's, from
// the Outcome.
func (e Engine) Sync(ctx context.Context, es *eso.ExternalSecret) Outcome {
	in, err := e.Inputs(ctx, es)
	if err != nil {
		o := failed(err)
		o.Answered = answered(err)
		return o
	}
	o := e.reach(ctx, es, in)
	o.Answered = true
	return o
}

// reach brings the Secret to what was read.
func (e Engine) reach(ctx context.Context, es *eso.ExternalSecret, in mapping.Inputs) Outcome {
	want, err := e.want(es, in)
	if err != nil {
		return failed(err)
	}
	if change, same := e.Memo.unchanged(es, want, e.Secrets); same {
		o := reached(es, want, change)
		o.Version = e.Memo.Version(es.UID)
		return o
	}
	var change plan.Change
	for try := range tries {
		if change, err = e.decide(ctx, es, want, try == 0); err != nil {
			return failed(err)
		}
		if change.Action == plan.Delete && e.HoldDeletes {
			return held(es, want, change)
		}
		stored, err := e.apply(ctx, es, change)
		if errors.Is(err, plan.ErrStale) {
			continue
		}
		if err != nil {
			return failed(writeError{fmt.Errorf("unable to write secret %s: %w", es.TargetName(), err)})
		}
		e.Memo.remember(es, want, change, stored)
		o := reached(es, want, change)
		if stored != nil {
			o.Version = stored.ResourceVersion
		}
		// What an earlier name left goes only once a Secret with content stands under
		// the new one.
		if stored == nil || want.Absent || !o.Ready {
			return o
		}
		if o = e.withoutOrphans(ctx, es, o); o.Err != nil {
			e.Memo.Forget(es.UID) // the next try must come this far again
		}
		return o
	}
	return failed(writeError{fmt.Errorf("unable to write secret %s: somebody else keeps changing it", es.TargetName())})
}

// Preview tells what Sync would do now, and does nothing.
func (e Engine) Preview(ctx context.Context, es *eso.ExternalSecret) Outcome {
	in, err := e.Inputs(ctx, es)
	if err != nil {
		return failed(err)
	}
	want, err := e.want(es, in)
	if err != nil {
		return failed(err)
	}
	change, err := e.decide(ctx, es, want, false)
	if err != nil {
		return failed(err)
	}
	return reached(es, want, change)
}

// want is the wanted Secret: what comes of what Vault has.
func (e Engine) want(es *eso.ExternalSecret, in mapping.Inputs) (mapping.Desired, error) {
	want, err := mapping.Compute(es, in, e.Limits)
	if err != nil {
		return mapping.Desired{}, err
	}
	if want.Absent && !want.Proven && es.DeletionPolicy() != eso.DeleteRetain {
		return mapping.Desired{}, &mapping.Error{Field: "spec.dataFrom", Detail: fmt.Sprintf(
			"find selected no secret, which is no proof that there is none, so deletionPolicy=%s does not act; correct find.path, find.name or find.tags, or delete the ExternalSecret", es.DeletionPolicy())}
	}
	return want, nil
}

// decide plans against the Secret as it is. A Secret that the watch knows to be
// absent is not asked for, unless that turned out stale.
func (e Engine) decide(ctx context.Context, es *eso.ExternalSecret, want mapping.Desired, trustWatch bool) (plan.Change, error) {
	var current *corev1.Secret
	version, known := e.Secrets.Version(es.Namespace, es.TargetName())
	if absent := known && version == ""; !absent || !trustWatch {
		var err error
		if current, err = e.Secrets.Current(ctx, es.Namespace, es.TargetName()); err != nil {
			return plan.Change{}, writeError{fmt.Errorf("reading secret %s/%s: %w", es.Namespace, es.TargetName(), err)}
		}
	}
	change := plan.Decide(es, want, current)
	// An annotation that cannot be read is reported by who restarts.
	if restart, err := es.Restart(); e.Restarts && err == nil && restart.Wanted() {
		change = plan.Owe(want, change)
	}
	return change, nil
}

func (e Engine) apply(ctx context.Context, es *eso.ExternalSecret, change plan.Change) (*corev1.Secret, error) {
	switch change.Action {
	case plan.Create, plan.Update, plan.Delete:
		return e.Secrets.Apply(ctx, change, eso.FieldManager(es.Name))
	}
	return change.Current, nil
}

// withoutOrphans deletes what a rename of the target left behind, after the new
// Secret stands. Whose a Secret is, is read again before it goes.
func (e Engine) withoutOrphans(ctx context.Context, es *eso.ExternalSecret, o Outcome) Outcome {
	if e.Owned == nil || !o.Ready {
		return o
	}
	for _, orphan := range plan.Orphans(es, e.Owned.Owned(es.Namespace, es.UID)) {
		current, err := e.Secrets.Current(ctx, orphan.Namespace, orphan.Name)
		if err == nil && (current == nil || len(plan.Orphans(es, []metav1.ObjectMeta{current.ObjectMeta})) == 0) {
			continue // gone, or given up meanwhile
		}
		if err == nil {
			_, err = e.Secrets.Apply(ctx, plan.Change{Action: plan.Delete, Current: current}, eso.FieldManager(es.Name))
		}
		if err != nil {
			return failed(orphanError{fmt.Errorf("deleting secret %s/%s, which the former spec.target.name left: %w", orphan.Namespace, orphan.Name, err)})
		}
		o.Events = append(o.Events, Event{Reason: eso.EventDeleted, Message: "secret deleted because it was orphaned"})
	}
	return o
}
