// Package redact holds secret bytes in a type that no printer, logger or
// encoder can show.
//
// Everything that came out of Vault or a Kubernetes Secret travels as Bytes;
// only the code that writes a Secret, renders a template or sends a credential
// calls Reveal, so a grep for Reveal lists every place where a value is seen.
package redact

import (
	"fmt"
	"io"
	"log/slog"
)

// Mask is what stands wherever a secret would have been printed. It is
// constant: its length says nothing about the value's.
const Mask = "***"

// Bytes is a secret value. Its zero value is an empty secret and prints like
// every other one.
type Bytes []byte

// Reveal returns the secret itself, not a copy. The caller must not print it
// nor put it into an error.
func (b Bytes) Reveal() []byte { return b }

// String returns Mask.
func (b Bytes) String() string { return Mask }

// GoString returns Mask, so that %#v of a struct that holds Bytes is safe.
func (b Bytes) GoString() string { return Mask }

// Format writes Mask for every verb and flag, %x and %d included.
func (b Bytes) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Mask) }

// LogValue makes log/slog print Mask.
func (b Bytes) LogValue() slog.Value { return slog.StringValue(Mask) }

// MarshalJSON encodes Mask as a JSON string, so that a struct that holds Bytes
// can be dumped but not read back.
func (b Bytes) MarshalJSON() ([]byte, error) { return []byte(`"` + Mask + `"`), nil }

// MarshalText encodes Mask; YAML encoders and map keys use it.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(Mask), nil }
