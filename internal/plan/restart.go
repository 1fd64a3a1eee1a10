package plan

import (
	"slices"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/mapping"
)

// Owe notes on the Secret that is to be written that workloads are to be restarted for
// its new content, in the same write, so that a process that ends between the two
// leaves the note to the next one.
//
//	the Secret is      its data                        noted
//	made               -                               made anew
//	updated            as this mapping left it before  no: an edit is undone
//	updated            other keys, other values        the keys
//	updated, volatile  whatever                        all keys, when another version was read
//
// Volatile: a template that gives another result each time would otherwise restart
// workloads whenever the controller itself is.
func Owe(want mapping.Desired, c Change) Change {
	if c.Action != Create && c.Action != Update {
		return c
	}
	pending := eso.ParsePending(c.Secret.Annotations[eso.AnnotationRestartPending])
	changed := slices.Concat(c.Added, c.Changed, c.Removed)
	switch {
	case c.Action == Create:
	case len(changed) == 0, c.Current.Annotations[eso.AnnotationDataHash] == c.Secret.Annotations[eso.AnnotationDataHash]:
		return c
	case want.Volatile:
		before := c.Current.Annotations[eso.AnnotationSource]
		if before == "" || before == c.Secret.Annotations[eso.AnnotationSource] {
			return c
		}
		pending = eso.Pending{All: true}
	default:
		pending = pending.With(changed...)
	}
	c.Secret.Annotations[eso.AnnotationRestartPending] = pending.String()
	return c
}
