// Package kv says what a read of Vault's KV engine can answer: a payload, a
// proven absence, or a reason why nothing is known.
//
// It is the vocabulary between internal/vault and internal/store, which speak
// to Vault, and internal/mapping and internal/engine, which never do. It
// imports neither client-go nor vault/api.
package kv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// Ref names one read in a store, in the words of an ExternalSecret's remoteRef.
type Ref struct {
	// Key is remoteRef.key as the user wrote it, with or without the mount.
	Key string
	// Version is remoteRef.version; empty means the newest.
	Version string
	// Metadata asks for the metadata instead of the data (metadataPolicy: Fetch).
	Metadata bool
}

// Payload is the JSON object that one read returned. Numbers in it are
// json.Number, so their literal form survives. A Payload never prints its
// fields and is read-only: it is shared by all mappings of a pass.
type Payload struct {
	// Path is the request path below /v1/, e.g. "secret/data/app/db".
	Path string
	// Version is the KV v2 version that was read; 0 for KV v1.
	Version int

	fields map[string]any
}

// NewPayload wraps the decoded JSON object of a read. Numbers in fields must be
// json.Number.
func NewPayload(path string, version int, fields map[string]any) Payload {
	return Payload{Path: path, Version: version, fields: fields}
}

// Fields returns the decoded object itself. The caller must not change it.
func (p Payload) Fields() map[string]any { return p.fields }

// Copy returns the decoded object, copied to its depth, for the caller to change.
func (p Payload) Copy() map[string]any {
	fields, _ := clone(p.fields).(map[string]any)
	return fields
}

func clone(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, one := range v {
			out[name] = clone(one)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, one := range v {
			out[i] = clone(one)
		}
		return out
	}
	return value
}

// Keys returns the names of the top-level fields, sorted.
func (p Payload) Keys() []string { return slices.Sorted(maps.Keys(p.fields)) }

// Format prints the path, the version and the number of fields, never a value.
func (p Payload) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, fmt.Sprintf("payload(%s@%d, %d fields)", p.Path, p.Version, len(p.fields)))
}

// Kind classes an answer that is not a payload. Only Absent is positive
// evidence that nothing is there; every other kind means unknown, and unknown
// never empties or deletes anything.
type Kind string

const (
	// Absent: the path or version is proven not to exist (404 with deletion or
	// destruction metadata, or 404 with an empty error list under a mount that
	// is confirmed as KV of the store's version).
	Absent Kind = "Absent"
	// NoMount: no secrets engine at the mount path, or not a KV one.
	NoMount Kind = "NoMount"
	// WrongVersion: the mount is KV, but not of the store's version.
	WrongVersion Kind = "WrongVersion"
	// Denied: 403 on the path with a token that itself is valid.
	Denied Kind = "Denied"
	// BadCredential: the login failed, or the token is invalid or expired.
	BadCredential Kind = "BadCredential"
	// Sealed: Vault answers and is sealed.
	Sealed Kind = "Sealed"
	// Uninitialized: Vault answers and was never initialised.
	Uninitialized Kind = "Uninitialized"
	// Unreachable: DNS, TCP, TLS, timeout, 5xx, 429.
	Unreachable Kind = "Unreachable"
	// BadConfig: the store, or what it refers to, cannot be used as written
	// (missing Secret or key, bad CA, unsupported auth method, foreign namespace).
	BadConfig Kind = "BadConfig"
	// BadAnswer: Vault answered something that is no KV answer (not JSON, too
	// large, redirect to another host).
	BadAnswer Kind = "BadAnswer"
	// BadRequest: Vault refused the request itself (400, e.g. a version that is
	// no number).
	BadRequest Kind = "BadRequest"
)

// Down reports whether the kind concerns the whole store rather than one path:
// trying another path of the same store now would fail alike.
func (k Kind) Down() bool {
	switch k {
	case BadCredential, Sealed, Uninitialized, Unreachable, BadConfig:
		return true
	}
	return false
}

// Error says why a read gave no payload. Its text is stable from try to try (no
// request ids, no ephemeral ports) and holds no secret value.
type Error struct {
	Kind Kind
	// Path is the request path below /v1/ ("" when the store could not be opened).
	Path string
	// Field is the path of the field to mend in the store or ExternalSecret, if
	// known, e.g. "spec.provider.vault.auth.tokenSecretRef.key".
	Field string
	// Code is the HTTP status, 0 if there was none.
	Code int
	// Detail is the cause in plain words, without a trailing full stop.
	Detail string
	// Err is the cause for errors.Is; may be nil.
	Err error
}

// Error is Detail, which already names path, field and code where they help.
func (e *Error) Error() string { return e.Detail }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the first *Error in err's chain, "" if there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

// Reader reads KV secrets of one store. Within one pass equal reads are made once,
// whoever asks.
type Reader interface {
	// Read returns the payload, or an *Error; only Absent is absence.
	Read(ctx context.Context, ref Ref) (Payload, error)
	// List returns the full names (relative to the mount) of all secrets at and
	// below prefix, sorted; prefix "" is the whole mount.
	List(ctx context.Context, prefix string) ([]string, error)
}

// ErrForeignStore says that a store is another controller's: another class, or
// another provider than Vault.
var ErrForeignStore = errors.New("the store belongs to another controller")

// ErrDeleted and ErrDestroyed are the cause of an Absent error when Vault's own
// answer says what became of the version.
var (
	ErrDeleted   = errors.New("the version is deleted")
	ErrDestroyed = errors.New("the version is destroyed")
)
