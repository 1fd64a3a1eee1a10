// Package plan decides what happens to one target Secret: desired state and
// current state in, one Change out.
//
// It is pure: no clock, no I/O, no logs. The truth table of creationPolicy and
// deletionPolicy lives here and nowhere else. Unknown never deletes or empties
// anything; planning again after a Change was applied yields None.
package plan

import (
	"errors"

	corev1 "k8s.io/api/core/v1"
)

// Action is what is to be done with the target Secret.
type Action string

const (
	// Create posts a new Secret.
	Create Action = "Create"
	// Update writes the Secret back whole, with its resourceVersion.
	Update Action = "Update"
	// Delete removes a Secret that this mapping controls, by UID and resourceVersion.
	Delete Action = "Delete"
	// None leaves the cluster alone: it is as it should be.
	None Action = "None"
	// Conflict: the Secret belongs to somebody else; the mapping fails until
	// one of the two gives way.
	Conflict Action = "Conflict"
	// Blocked: what is wanted cannot be written (immutable, forbidden type,
	// over the size limit, unsafe deletion).
	Blocked Action = "Blocked"
)

// Change is the one thing to do with one Secret. It names keys, never values.
type Change struct {
	Action Action
	// Secret is the object to create or update (nil otherwise). For Update it
	// carries the resourceVersion that was planned against.
	Secret *corev1.Secret
	// Current is the Secret as found, nil when absent.
	Current *corev1.Secret

	// Ready, Reason and Message become the Ready condition when the change has
	// been applied (texts: ESO's, see internal/eso). Err is set for Conflict
	// and Blocked and says why and what to do.
	Ready           bool
	Reason, Message string
	Err             error

	// Added, Changed and Removed are the names of data keys, sorted; Unchanged
	// counts the rest.
	Added, Changed, Removed []string
	Unchanged               int
}

// ErrStale says that the Secret changed since it was read: read and plan again.
var ErrStale = errors.New("the Secret changed meanwhile")
