package engine_test

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/engine"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/plan"
)

// renamed is a world in which the mapping's Secret stands under its former name.
type renamed struct {
	*world
	old     *corev1.Secret
	refuses error // what a deletion meets
}

func newRenamed() *renamed {
	yes := true
	return &renamed{world: newWorld(), old: &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: "old", Namespace: "apps", UID: "s1", ResourceVersion: "3",
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "external-secrets.io/v1", Kind: "ExternalSecret", Name: "db", UID: "u1", Controller: &yes}},
		},
		Data: map[string][]byte{"password": []byte(canary)},
	}}
}

func (r *renamed) Current(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	if name == "old" {
		return r.old.DeepCopy(), nil
	}
	return r.world.Current(ctx, namespace, name)
}

func (r *renamed) Apply(ctx context.Context, change plan.Change, manager string) (*corev1.Secret, error) {
	if change.Action != plan.Delete {
		return r.world.Apply(ctx, change, manager)
	}
	if r.refuses != nil {
		return nil, r.refuses
	}
	r.old = nil
	return nil, nil
}

func (r *renamed) Owned(string, types.UID) []metav1.ObjectMeta {
	if r.old == nil {
		return nil
	}
	return []metav1.ObjectMeta{r.old.ObjectMeta}
}

func (r *renamed) engine() engine.Engine {
	return engine.Engine{Stores: r, Secrets: r, Sources: r, Owned: r, Memo: new(engine.Memo)}
}

func toNew(es *eso.ExternalSecret) { es.Spec.Target.Name = "new" }

func TestRenameRemovesTheFormerSecret(t *testing.T) {
	r := newRenamed()
	if o := r.engine().Sync(t.Context(), owner(toNew)); o.Err != nil || r.secret == nil || r.old != nil {
		t.Errorf("after a rename: %v, new one there: %t, former one there: %t", o.Err, r.secret != nil, r.old != nil)
	}
}

// The former Secret is the only copy while nothing stands under the new name.
func TestNeverDeletesTheOnlyCopyOnARename(t *testing.T) {
	r := newRenamed()
	o := r.engine().Sync(t.Context(), owner(toNew, func(es *eso.ExternalSecret) {
		es.Spec.Data = nil
		es.Spec.DataFrom = []eso.DataFrom{{Find: &eso.Find{Name: &eso.FindName{RegExp: "selects nothing"}}}}
	}))
	if r.old == nil {
		t.Errorf("the former Secret is gone, and there is no other (%s: %v)", o.Message, o.Err)
	}
}

// What could not be removed is tried again.
func TestAFailedRemovalIsTriedAgain(t *testing.T) {
	r := newRenamed()
	e, es := r.engine(), owner(toNew)
	r.refuses = errors.New("forbidden")
	if o := e.Sync(t.Context(), es); o.Err == nil {
		t.Error("a removal that failed is no error")
	}
	r.refuses = nil
	if o := e.Sync(t.Context(), es); o.Err != nil || r.old != nil {
		t.Errorf("the second try: %v, former Secret there: %t", o.Err, r.old != nil)
	}
}
