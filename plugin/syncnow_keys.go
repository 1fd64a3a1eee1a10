package plugin

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// keyChanges is how a Secret changed: names of keys, never values.
type keyChanges struct {
	added, changed, removed []string
	unchanged               int
}

// compareKeys compares a Secret before and after; nil is one that does not exist.
func compareKeys(before, after *corev1.Secret) keyChanges {
	var old, current map[string][]byte
	if before != nil {
		old = before.Data
	}
	if after != nil {
		current = after.Data
	}
	var c keyChanges
	for _, key := range slices.Sorted(maps.Keys(current)) {
		value, had := old[key]
		switch {
		case !had:
			c.added = append(c.added, key)
		case !bytes.Equal(value, current[key]):
			c.changed = append(c.changed, key)
		default:
			c.unchanged++
		}
	}
	for _, key := range slices.Sorted(maps.Keys(old)) {
		if _, has := current[key]; !has {
			c.removed = append(c.removed, key)
		}
	}
	return c
}

// any reports whether anything changed.
func (c keyChanges) any() bool { return len(c.added)+len(c.changed)+len(c.removed) > 0 }

// String is "1 key changed (password), 2 unchanged".
func (c keyChanges) String() string {
	var parts []string
	for _, p := range []struct {
		keys []string
		verb string
	}{{c.added, "added"}, {c.changed, "changed"}, {c.removed, "removed"}} {
		if len(p.keys) > 0 {
			parts = append(parts, fmt.Sprintf("%s %s (%s)", count(len(p.keys), "key"), p.verb, firstOf(p.keys, 8)))
		}
	}
	if len(parts) == 0 {
		return fmt.Sprintf("nothing changed, %s", count(c.unchanged, "key"))
	}
	return strings.Join(append(parts, fmt.Sprintf("%d unchanged", c.unchanged)), ", ")
}
