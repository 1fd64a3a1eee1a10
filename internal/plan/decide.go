package plan

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/mapping"
)

// Decide compares what is wanted with what is there.
//
// The truth table, as in ESO v2.9.0 save where marked *, for a wanted Secret:
//
//	target \ policy    Owner            Orphan           Merge             CreateOrMerge    None
//	absent             create, own      create           none (Missing)    create           none
//	ownerless          own, replace     replace          merge keys        merge keys       none *
//	ours               update           disown, replace  disown, merge     disown, merge    none *
//	another ES's       conflict         conflict         conflict          conflict         none *
//	another kind's     conflict         replace          merge keys        merge keys       none *
//	immutable          metadata only; a change of data or type is blocked
//	token type *       blocked, always
//
// and for a proven absence (every entry gone from Vault):
//
//	deletionPolicy     Owner                        others
//	Retain             none (retained)              none (retained)
//	Delete             delete if controlled by us*  blocked
//	Delete, unproven   blocked *                    blocked
//	Merge              as wanted, with no keys      as wanted, with no keys
//
// * ESO labels the Secret under None, deletes without asking who controls it or
// whether the absence is proven, and fills token-type Secrets.
//
// An owner is another ES when its group, kind and name are not ours; the UID is not
// compared, so that a mapping that was deleted and made anew takes its Secret back. A
// deletion does compare the UID.
func Decide(es *eso.ExternalSecret, want mapping.Desired, current *corev1.Secret) Change {
	if want.Absent {
		if change, decided := decideAbsent(es, want.Proven, current); decided {
			return change
		}
	}
	switch es.CreationPolicy() {
	case eso.CreateNone:
		return synced(Change{Action: None, Current: current})
	case eso.CreateMerge:
		if current == nil {
			return Change{Action: None, Ready: true, Reason: eso.ReasonMissing, Message: eso.MessageMissing}
		}
	}
	if change, refused := refuse(es, want, current); refused {
		return change
	}
	next := desired(es, want, current)
	if current == nil {
		if size(next.Data) > corev1.MaxSecretSize {
			return tooLarge(es, nil)
		}
		return synced(named(Change{Action: Create, Secret: next}))
	}
	if es.Spec.Target.Immutable && isTrue(current.Immutable) {
		next.Data, next.Type = current.Data, current.Type
		setHash(next)
	}
	if equal(current, next) {
		return synced(named(Change{Action: None, Current: current, Secret: next}))
	}
	if change, blocked := unwritable(es, current, next); blocked {
		return change
	}
	// What the data was made of is told only when the Secret is written anyway: it
	// must not cause a write by itself, or taking over from ESO would write all.
	setSource(next, want.Sources)
	return synced(named(Change{Action: Update, Secret: next, Current: current}))
}

// decideAbsent is the second table. Under Merge nothing is decided here: the mapping
// goes on with the keys that are left.
func decideAbsent(es *eso.ExternalSecret, proven bool, current *corev1.Secret) (Change, bool) {
	switch es.DeletionPolicy() {
	case eso.DeleteRetain:
		return Change{Action: None, Current: current, Ready: true, Reason: eso.ReasonSynced, Message: eso.MessageRetained}, true
	case eso.DeleteDelete:
		deleted := Change{Action: None, Current: current, Ready: true, Reason: eso.ReasonDeleted, Message: eso.MessageDeleted}
		switch {
		case !proven:
			return blocked(current, eso.MessageNotDeleted, "unable to delete secret %s: nothing was found at the provider, and nothing proves that it was deleted there; correct the entries, or set deletionPolicy to Retain", es.TargetName()), true
		case es.CreationPolicy() != eso.CreateOwner:
			return blocked(current, eso.MessageNotDeleted, "unable to delete secret %s: creationPolicy=%s is not Owner; set spec.target.creationPolicy to Owner or deletionPolicy to Retain", es.TargetName(), es.CreationPolicy()), true
		case current == nil, current.DeletionTimestamp != nil && controlledBy(current, es):
			return deleted, true
		case !controlledBy(current, es):
			return blocked(current, eso.MessageNotDeleted, "unable to delete secret %s: this ExternalSecret does not control it; delete it yourself if it is not needed", es.TargetName()), true
		}
		deleted.Action = Delete
		deleted.Removed = slices.Sorted(maps.Keys(current.Data))
		return deleted, true
	}
	return Change{}, false
}

// refuse looks at what stands whatever the content is.
func refuse(es *eso.ExternalSecret, want mapping.Desired, current *corev1.Secret) (Change, bool) {
	if kind := string(want.Type); eso.ForbiddenType(kind) {
		return blocked(current, eso.MessageWriteFailed, "spec.target.template.type %s is not allowed", kind), true
	}
	if current == nil {
		return Change{}, false
	}
	if eso.ForbiddenType(string(current.Type)) {
		return blocked(current, eso.MessageWriteFailed, "secret %s is of type %s, which a mapping never writes; name another Secret in spec.target.name", current.Name, current.Type), true
	}
	owner := metav1.GetControllerOf(current)
	if owner == nil || controlledBy(current, es) {
		return Change{}, false
	}
	if isExternalSecret(*owner) && owner.Name != es.Name {
		return Change{
			Action: Conflict, Current: current, Reason: eso.ReasonSyncError, Message: eso.MessageOwned,
			Err: fmt.Errorf("unable to mutate secret %s: secret is owned by another ExternalSecret: %s; give one of the two another spec.target.name", current.Name, owner.Name),
		}, true
	}
	if !isExternalSecret(*owner) && es.CreationPolicy() == eso.CreateOwner {
		return Change{
			Action: Conflict, Current: current, Reason: eso.ReasonSyncError, Message: eso.MessageOwnership,
			Err: fmt.Errorf("unable to mutate secret %s: could not set controller reference on secret: Object %s/%s is already owned by another %s controller %s; use another spec.target.name, or spec.target.creationPolicy Merge",
				current.Name, current.Namespace, current.Name, owner.Kind, owner.Name),
		}, true
	}
	return Change{}, false
}

// unwritable looks at what the API server would refuse.
func unwritable(es *eso.ExternalSecret, current, next *corev1.Secret) (Change, bool) {
	dataChanged := !equality.Semantic.DeepEqual(current.Data, next.Data)
	switch {
	case isTrue(current.Immutable) && (dataChanged || current.Type != next.Type):
		return blocked(current, eso.MessageImmutable, "unable to update secret %s: secret is immutable; delete it to have it made anew: kubectl -n %s delete secret %s", current.Name, current.Namespace, current.Name), true
	case current.Type != next.Type:
		return blocked(current, eso.MessageWriteFailed, "the type of secret %s cannot change from %s to %s (spec.target.template.type); delete it to have it made anew: kubectl -n %s delete secret %s", current.Name, current.Type, next.Type, current.Namespace, current.Name), true
	case dataChanged && size(next.Data) > corev1.MaxSecretSize:
		return tooLarge(es, current), true
	}
	return Change{}, false
}

func tooLarge(es *eso.ExternalSecret, current *corev1.Secret) Change {
	return blocked(current, eso.MessageWriteFailed, "secret %s would be larger than the 1 MiB that Kubernetes allows; take fewer keys, or split the mapping", es.TargetName())
}

func blocked(current *corev1.Secret, message, format string, args ...any) Change {
	return Change{Action: Blocked, Current: current, Reason: eso.ReasonSyncError, Message: message, Err: fmt.Errorf(format, args...)}
}

func synced(c Change) Change {
	c.Ready, c.Reason, c.Message = true, eso.ReasonSynced, eso.MessageSynced
	return c
}

// named fills in the names of the keys that differ, and drops a Secret that is not to
// be written.
func named(c Change) Change {
	var before map[string][]byte
	if c.Current != nil {
		before = c.Current.Data
	}
	for _, key := range slices.Sorted(maps.Keys(c.Secret.Data)) {
		old, existed := before[key]
		switch {
		case !existed:
			c.Added = append(c.Added, key)
		case string(old) != string(c.Secret.Data[key]):
			c.Changed = append(c.Changed, key)
		default:
			c.Unchanged++
		}
	}
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if _, stays := c.Secret.Data[key]; !stays {
			c.Removed = append(c.Removed, key)
		}
	}
	if c.Action == None {
		c.Secret = nil
	}
	return c
}

func controlledBy(secret *corev1.Secret, es *eso.ExternalSecret) bool {
	owner := metav1.GetControllerOf(secret)
	return owner != nil && owner.UID == es.UID && isExternalSecret(*owner)
}

func isExternalSecret(owner metav1.OwnerReference) bool {
	gv, kind := owner.APIVersion, owner.Kind
	return kind == eso.KindExternalSecret && len(gv) > len(eso.Group) && gv[:len(eso.Group)+1] == eso.Group+"/"
}

func isTrue(b *bool) bool { return b != nil && *b }

// size is what the API server bounds: the sum of the values.
func size(data map[string][]byte) int {
	total := 0
	for _, value := range data {
		total += len(value)
	}
	return total
}
