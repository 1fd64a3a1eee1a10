package mapping

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// valueBytes is the text of one JSON value: strings raw, null empty, numbers
// literal, objects and arrays as compact JSON with sorted keys and HTML escapes,
// as encoding/json writes it.
func valueBytes(value any) []byte {
	switch v := value.(type) {
	case nil:
		return []byte{}
	case string:
		return []byte(v)
	case bool:
		return strconv.AppendBool(nil, v)
	case json.Number:
		return []byte(v)
	}
	return compactJSON(value)
}

// extractedBytes is valueBytes with numbers in the form that ESO's detour through
// float64 gives them, wherever that is the very same number: 1.50 is "1.5" as
// there, 9007199254740993 stays itself.
func extractedBytes(value any) []byte {
	switch v := value.(type) {
	case json.Number:
		return []byte(plainNumber(v))
	case map[string]any, []any:
		return compactJSON(withNumbers(v))
	}
	return valueBytes(value)
}

// compactJSON cannot fail on what a JSON decoder produced.
func compactJSON(value any) []byte {
	doc, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	return doc
}

// parseObject decodes a JSON object, numbers literal. It says only whether the
// text is one: a decoder's error would quote the text.
func parseObject(text []byte) (map[string]any, bool) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var object map[string]any
	if decoder.Decode(&object) != nil || object == nil {
		return nil, false
	}
	if len(bytes.TrimSpace(text[decoder.InputOffset():])) > 0 {
		return nil, false
	}
	return object, true
}

// plainNumber is the float64 in plain notation if that is the same number, else
// the literal.
func plainNumber(n json.Number) string {
	f, err := n.Float64()
	if err != nil {
		return n.String()
	}
	return ifSame(strconv.FormatFloat(f, 'f', -1, 64), n)
}

// nestedNumber is the same for a number inside an object or array, where a JSON
// encoder chooses the notation.
func nestedNumber(n json.Number) string {
	f, err := n.Float64()
	if err != nil {
		return n.String()
	}
	return ifSame(string(compactJSON(f)), n)
}

func ifSame(text string, n json.Number) string {
	if sameNumber(text, n.String()) {
		return text
	}
	return n.String()
}

// withNumbers returns the value with nestedNumber applied throughout. What needs no
// change is shared, never altered: payloads belong to everyone.
func withNumbers(value any) any {
	changed, _ := renumber(value)
	return changed
}

func renumber(value any) (result any, changed bool) {
	switch v := value.(type) {
	case json.Number:
		text := nestedNumber(v)
		return json.Number(text), text != string(v)
	case map[string]any:
		own := v
		for key, element := range v {
			if next, differs := renumber(element); differs {
				if !changed {
					own, changed = maps.Clone(v), true
				}
				own[key] = next
			}
		}
		return own, changed
	case []any:
		own := v
		for i, element := range v {
			if next, differs := renumber(element); differs {
				if !changed {
					own, changed = slices.Clone(v), true
				}
				own[i] = next
			}
		}
		return own, changed
	}
	return value, false
}

// sameNumber compares two JSON number literals by value, digit by digit: no
// arithmetic, so an exponent of a billion costs nothing.
func sameNumber(a, b string) bool {
	aDigits, aExponent, aOK := decimal(a)
	bDigits, bExponent, bOK := decimal(b)
	return aOK && bOK && aDigits == bDigits && aExponent == bExponent
}

// decimal splits a literal into its significant digits with sign, and the power of
// ten of their last one.
func decimal(literal string) (digits string, exponent int, ok bool) {
	rest, negative := strings.CutPrefix(literal, "-")
	mantissa, power := rest, "0"
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		mantissa, power = rest[:i], rest[i+1:]
	}
	exponent, err := strconv.Atoi(power)
	if err != nil {
		return "", 0, false
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	all := strings.TrimLeft(whole+fraction, "0")
	digits = strings.TrimRight(all, "0")
	exponent += len(all) - len(digits) - len(fraction)
	if digits == "" {
		exponent = 0
	}
	if negative {
		digits = "-" + digits
	}
	return digits, exponent, true
}
