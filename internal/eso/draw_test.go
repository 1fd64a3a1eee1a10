package eso_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// draw makes values that a schema admits, or nearly.
type draw struct{ *rand.Rand }

func (d draw) one(of ...any) any { return of[d.IntN(len(of))] }

func (d draw) value(s object) any {
	if enum, ok := s["enum"].([]any); ok {
		return d.one(enum...)
	}
	if s["x-kubernetes-int-or-string"] == true {
		return d.one("1h", "", "1d", "30", -5, 0, int64(1)<<62)
	}
	switch s["type"] {
	case "object":
		return d.object(s)
	case "array":
		items := []any{}
		for range d.IntN(3) + 1 {
			items = append(items, d.value(s["items"].(object)))
		}
		return items
	case "boolean":
		return d.one(true, false)
	case "integer":
		return d.one(0, -1, 1<<31-1)
	}
	return d.text(s)
}

func (d draw) object(s object) any {
	doc := object{}
	if extra, ok := s["additionalProperties"].(object); ok {
		doc[d.one("", "a", "a.b/c").(string)] = d.value(extra)
	}
	required := " " + joined(s["required"]) + " "
	properties, _ := s["properties"].(object)
	keys := slices.Sorted(maps.Keys(properties))
	single, _ := s["maxProperties"].(float64)
	for _, name := range d.Perm(len(properties)) {
		key := keys[name]
		if single == 1 && len(doc) == 1 {
			break
		}
		needed := single == 1 || strings.Contains(required, " "+key+" ")
		if needed || d.IntN(2) == 0 {
			doc[key] = d.value(properties[key].(object))
		}
	}
	return doc
}

func (d draw) text(s object) any {
	switch {
	case s["format"] == "date-time":
		return d.one("2026-01-02T03:04:05Z", "2026-01-02t03:04:05z", "2026-01-02T03:04:05.123456789+23:59")
	case s["format"] == "byte":
		return d.one("QQ==", "QR==", "Zm9v")
	case s["pattern"] == nil && s["minLength"] == nil:
		return d.one("", "1d", "a/../b", "\x00\u2028é", "(", "TZ=0", "https://u:p@h")
	case strings.HasPrefix(fmt.Sprint(s["pattern"]), "^(@"):
		return d.one("@every 1d", "TZ=0 * * * *", "CRON_TZ=x * * * *", "* * * * *", "@daily")
	}
	return d.one("a", "0")
}
