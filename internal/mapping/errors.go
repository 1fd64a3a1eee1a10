package mapping

import (
	"fmt"
	"strings"
)

// Error says which field of an ExternalSecret cannot be turned into a Secret, and
// why. It names keys and properties and never holds a value.
type Error struct {
	// Field is the path of the field to mend, e.g.
	// "spec.data[0].remoteRef.property".
	Field string
	// Key is remoteRef.key or extract.key as written; "" where there is none.
	Key string
	// Detail is the cause in plain words, without a trailing full stop.
	Detail string
}

// Error is the cause in ESO's wrapping, so that events read as they do there:
// "error processing spec.data[0] (key: app/db), err: …",
// "error processing spec.dataFrom[0].extract, err: …",
// "could not apply template: …" with the field.
func (e *Error) Error() string {
	switch entry, kind := e.entry(); kind {
	case "data":
		return fmt.Sprintf("error processing %s (key: %s), err: %s", entry, e.Key, e.Detail)
	case "dataFrom":
		return fmt.Sprintf("error processing %s, err: %s", entry, e.Detail)
	case "template":
		return fmt.Sprintf("could not apply template: %s: %s", e.Field, e.Detail)
	}
	return e.Field + ": " + e.Detail
}

// entry is the part of the field that ESO names: the data entry by its index, the
// dataFrom entry with its member.
func (e *Error) entry() (entry, kind string) {
	if strings.HasPrefix(e.Field, "spec.target.template") {
		return e.Field, "template"
	}
	for _, list := range []struct{ prefix, kind string }{{"spec.data[", "data"}, {"spec.dataFrom[", "dataFrom"}} {
		if !strings.HasPrefix(e.Field, list.prefix) {
			continue
		}
		end := strings.IndexByte(e.Field, ']') + 1
		if list.kind == "dataFrom" && end < len(e.Field) {
			member, _, _ := strings.Cut(e.Field[end+1:], ".")
			return e.Field[:end+1] + member, list.kind
		}
		return e.Field[:end], list.kind
	}
	return "", ""
}
