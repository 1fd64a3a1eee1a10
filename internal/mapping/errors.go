package mapping

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Error says which field of an ExternalSecret cannot be turned into a Secret, and
// why. It names keys and properties and never holds a value.
type Error struct {
	// Field is the path of the field to mend, e.g.
	// "spec.data[0].remoteRef.property".
	Field string
	// Key is remoteRef.key, extract.key or find.path as written; "" where there
	// is none.
	Key string
	// Detail is the cause in plain words, without a trailing full stop.
	Detail string

	wrap string
}

// Error is the cause in ESO's wrapping, so that events read as they do there:
// "error processing spec.data[0] (key: app/db), err: …",
// "error processing spec.dataFrom[0].extract, err: …", "could not apply template: …".
func (e *Error) Error() string {
	if e.wrap == "" {
		return e.Field + ": " + e.Detail
	}
	return e.wrap + ": " + e.Detail
}

// fault is an error on its way up: where it is, below an entry or the template,
// and what. It has no value in it, as everything that becomes an Error.
type fault struct{ at, detail string }

func (f *fault) Error() string { return f.detail }

func faultf(at, format string, args ...any) error {
	return &fault{at: at, detail: fmt.Sprintf(format, args...)}
}

// within prefixes the detail of a fault.
func within(prefix string, err error) error {
	var f *fault
	if errors.As(err, &f) {
		return &fault{at: f.at, detail: prefix + f.detail}
	}
	return err
}

// locate turns a fault below a field into the Error that leaves the package. Any
// other error is a mistake here, and its text might hold data.
func locate(field, key, wrap string, err error) error {
	var f *fault
	if !errors.As(err, &f) {
		return &Error{Field: field, Key: key, Detail: "it cannot be computed", wrap: wrap}
	}
	if f.at != "" {
		field += "." + f.at
	}
	return &Error{Field: field, Key: key, Detail: f.detail, wrap: wrap}
}

func dataError(i int, key string, err error) error {
	field := fmt.Sprintf("spec.data[%d]", i)
	return locate(field, key, fmt.Sprintf("error processing %s (key: %s), err", field, key), err)
}

func dataFromError(i int, member, key string, err error) error {
	field := fmt.Sprintf("spec.dataFrom[%d]", i)
	return locate(field, key, fmt.Sprintf("error processing %s.%s, err", field, member), err)
}

func templateError(err error) error {
	var f *fault
	wrap := "could not apply template"
	if errors.As(err, &f) && f.at != "" {
		wrap += ": " + templateField + "." + f.at
	}
	return locate(templateField, "", wrap, err)
}

const templateField = "spec.target.template"

// name quotes a key for an error: control characters escaped, length bounded.
func name(key string) string {
	const most = 80
	if len(key) <= most {
		return strconv.Quote(key)
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(key[cut]) {
		cut--
	}
	return fmt.Sprintf("%q… (%d bytes)", key[:cut], len(key))
}

func names(keys []string) string {
	const most = 10
	quoted := make([]string, 0, most+1)
	for i, key := range keys {
		if i == most {
			quoted = append(quoted, fmt.Sprintf("and %d more", len(keys)-most))
			break
		}
		quoted = append(quoted, name(key))
	}
	return strings.Join(quoted, ", ")
}

// below moves a fault into a member.
func below(member string, err error) error {
	var f *fault
	if !errors.As(err, &f) {
		return err
	}
	if f.at != "" {
		member += "." + f.at
	}
	return &fault{at: member, detail: f.detail}
}
