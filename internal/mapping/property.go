package mapping

import (
	"reflect"
	"strings"

	"github.com/tidwall/gjson"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// documents remembers the compact JSON of each payload, made when it is first
// needed: ten entries of one payload encode it at most once, and not at all when
// their properties are top-level keys.
type documents map[uintptr]string

func (d documents) of(payload kv.Payload) string {
	id := reflect.ValueOf(payload.Fields()).Pointer()
	doc, ok := d[id]
	if !ok {
		doc = string(compactJSON(fieldsOf(payload)))
		d[id] = doc
	}
	return doc
}

// fieldsOf takes a payload without an object as an empty one.
func fieldsOf(payload kv.Payload) map[string]any {
	if fields := payload.Fields(); fields != nil {
		return fields
	}
	return map[string]any{}
}

// read is the value of a property: the whole secret as JSON when it is empty, else
// the literal top-level key, else what the gjson path finds in that JSON.
func (d documents) read(payload kv.Payload, key, property string) ([]byte, error) {
	if property == "" {
		return []byte(d.of(payload)), nil
	}
	if value, ok := payload.Fields()[property]; ok {
		return valueBytes(value), nil
	}
	doc := d.of(payload)
	if !affordable(property, doc) {
		return nil, faultf("property", "the path %s may build more than a secret can hold; use fewer modifiers (@…) and multipaths ({…}, […])", name(property))
	}
	if value, ok := lookup(doc, property); ok {
		return value, nil
	}
	return nil, faultf("property", "cannot find secret data for key: %s in %s%s", name(property), name(key), hint(property, payload.Keys()))
}

// lookup runs a gjson path. A path is foreign input to a parser that does not check
// it first: should it panic, nothing was found.
func lookup(doc, path string) (value []byte, ok bool) {
	defer func() {
		if recover() != nil {
			value, ok = nil, false
		}
	}()
	result := gjson.Get(doc, path)
	return []byte(result.String()), result.Exists()
}

// object is the JSON object that a property is, or holds as a string; the secret's
// own when the property is empty.
func (d documents) object(payload kv.Payload, key, property string) (map[string]any, error) {
	if property == "" {
		return fieldsOf(payload), nil
	}
	if fields, ok := payload.Fields()[property].(map[string]any); ok {
		return fields, nil
	}
	text, err := d.read(payload, key, property)
	if err != nil {
		return nil, err
	}
	fields, ok := parseObject(text)
	if !ok {
		return nil, faultf("property", "the property %s of %s is no JSON object; name one that is, or read it by spec.data", name(property), name(key))
	}
	return fields, nil
}

// largest is what a gjson path may build, in bytes.
const largest = 64 << 20

// affordable estimates what a path may build. Modifiers and multipaths in sequence
// multiply: each of @ { [ , may double the document (@tostr, [@this,@this]), and
// @pretty and @dig may repeat it once per level of nesting.
func affordable(path, doc string) bool {
	estimate := len(doc) + len(path)
	grow := func(factor int) bool {
		estimate *= factor
		return estimate <= largest
	}
	if strings.ContainsAny(path, "@{[") {
		for _, c := range path {
			if strings.ContainsRune("@{[,", c) && !grow(2) {
				return false
			}
		}
	}
	for range strings.Count(path, "@pretty") + strings.Count(path, "@dig") {
		if !grow((1 + depth(doc)) * (1 + len(path)/16)) {
			return false
		}
	}
	return true
}

// depth is how deep the JSON nests, at most.
func depth(doc string) int {
	level, deepest := 0, 0
	for i := range len(doc) {
		switch doc[i] {
		case '{', '[':
			level++
			deepest = max(deepest, level)
		case '}', ']':
			level--
		}
	}
	return deepest
}
