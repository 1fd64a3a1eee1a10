package mapping

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// Desired is the wanted Secret, as far as the mapping decides it. It prints neither
// values nor what a template may have made of values.
type Desired struct {
	// Absent: the reads gave no key at all, so deletionPolicy decides what
	// happens. Data, labels and the rest are computed nevertheless under
	// deletionPolicy Merge, where the Secret goes on with what is left, and are
	// empty under Retain and Delete.
	Absent bool
	// Proven qualifies Absent: every entry was proven absent, or is a payload
	// that Vault returned and that is empty. It is false when a find listed
	// secrets and selected none: that may as well be a wrong expression, and
	// must not delete anything.
	Proven bool

	// Data is the whole wanted data.
	Data map[string]redact.Bytes
	// Labels and Annotations do not include the controller's own.
	Labels, Annotations map[string]string
	// Finalizers are to be added, never removed.
	Finalizers []string
	// Type is "" when the Secret keeps its own, or gets the API's default.
	Type corev1.SecretType
	// Immutable is spec.target.immutable.
	Immutable bool
	// HasTemplate is whether spec.target.template is present.
	HasTemplate bool

	// Volatile: a template in use gives another result each time (random, time,
	// fresh keys or salts). To leave the Secret alone while nothing was changed,
	// compare InputFingerprint instead of Data.
	Volatile bool

	// Skipped lists absent entries that deletionPolicy Delete or Merge passed
	// over, in the order of the spec: one MissingProviderSecret event each.
	Skipped []Skip
	// Sources lists the payloads in use, sorted, each once.
	Sources []Provenance

	inputs string
}

// Skip is an entry that was proven absent and passed over.
type Skip struct {
	// Field is "spec.data[0]" or "spec.dataFrom[0]".
	Field string
	// Key is remoteRef.key, extract.key or find.path as written.
	Key string
}

// Provenance says where values came from.
type Provenance struct {
	// Path is the request path below /v1/.
	Path string
	// Version is the KV v2 version; 0 for KV v1.
	Version int
}

// String is "secret/data/app/db@3", or the bare path without a version.
func (p Provenance) String() string {
	if p.Version == 0 {
		return p.Path
	}
	return fmt.Sprintf("%s@%d", p.Path, p.Version)
}

// Format prints how much there is, and nothing of it.
func (d Desired) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "desired(%d keys, %d labels, %d annotations, type %q, absent %t)",
		len(d.Data), len(d.Labels), len(d.Annotations), d.Type, d.Absent)
}
