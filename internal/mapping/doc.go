// Package mapping computes what one ExternalSecret's Secret should be, from the
// ExternalSecret and from what was read for it.
//
// It is pure: no clock of its own, no network, no logs, and nothing is kept
// between two calls. The rules are External Secrets Operator's (property lookup,
// decoding, key conversion, rewriting, merging, templates), with these
// differences, each on the safe side:
//
//   - numbers stay exact where ESO's detour through float64 would change them;
//   - keys that collide after a rewrite are an error, never a random winner;
//   - a template cannot loop, recurse or grow without bound, does no I/O beyond
//     looking up a time zone by name, and cannot put data into an error;
//   - keys that the API server would refuse are refused here, by name;
//   - labels that the API server would refuse, quoting them, are refused here
//     without.
//
// No error of this package holds a value: errors name fields, keys and
// properties, never content.
package mapping
