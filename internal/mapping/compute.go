package mapping

import "vaultsecret.io/kubectl-vaultsecret/internal/eso"

// Compute turns what was read into the wanted Secret. Its errors are *Error.
func Compute(es *eso.ExternalSecret, in Inputs, limits Limits) (Desired, error) {
	limits = limits.withDefaults()
	_, _ = in, limits
	return Desired{}, &Error{Field: "spec", Detail: "mapping is not complete yet"}
}

// Fingerprint is temporary.
func (d Desired) Fingerprint() string { return "" }

// InputFingerprint is temporary.
func (d Desired) InputFingerprint() string { return d.inputs }
