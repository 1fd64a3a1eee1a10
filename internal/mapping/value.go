package mapping

import (
	"encoding/json"
	"strconv"
	"strings"
)

// numberForm says how a JSON number becomes text.
type numberForm func(json.Number) string

// literalNumber keeps the number as Vault wrote it: ESO's form for a property
// that is a top-level key.
func literalNumber(n json.Number) string { return n.String() }

// plainNumber is ESO's form for extract, plain notation of the float64, wherever
// that is the very same number. Where it is not (integers above 2^53, more digits
// than a float64 has) the literal stays, so nothing is ever corrupted.
func plainNumber(n json.Number) string { return exactly(n, 'f') }

// nestedNumber is the same for a number inside an object or array, where ESO's
// JSON encoder chooses the notation.
func nestedNumber(n json.Number) string {
	f, err := n.Float64()
	if err != nil {
		return n.String()
	}
	encoded, err := json.Marshal(f)
	if err != nil || !sameNumber(string(encoded), n.String()) {
		return n.String()
	}
	return string(encoded)
}

func exactly(n json.Number, format byte) string {
	f, err := n.Float64()
	if err != nil {
		return n.String()
	}
	plain := strconv.FormatFloat(f, format, -1, 64)
	if !sameNumber(plain, n.String()) {
		return n.String()
	}
	return plain
}

// sameNumber compares two JSON number literals by value, digit by digit: no
// arithmetic, so an exponent of a billion costs nothing.
func sameNumber(a, b string) bool {
	aDigits, aExp, aOK := decimal(a)
	bDigits, bExp, bOK := decimal(b)
	return aOK && bOK && aDigits == bDigits && aExp == bExp
}

// decimal splits a literal into its significant digits with sign, and the power of
// ten of their last one.
func decimal(s string) (digits string, exponent int, ok bool) {
	sign := ""
	if rest, negative := strings.CutPrefix(s, "-"); negative {
		sign, s = "-", rest
	}
	mantissa, power := s, "0"
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, power = s[:i], s[i+1:]
	}
	exponent, err := strconv.Atoi(power)
	if err != nil {
		return "", 0, false
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits = strings.TrimLeft(whole+fraction, "0")
	exponent -= len(fraction)
	trimmed := strings.TrimRight(digits, "0")
	exponent += len(digits) - len(trimmed)
	if trimmed == "" {
		return sign, 0, true
	}
	return sign + trimmed, exponent, true
}

// valueBytes is the text of one JSON value: strings raw, null empty, objects and
// arrays as compact JSON with sorted keys and HTML escapes, as encoding/json
// writes it.
func valueBytes(value any, number numberForm) []byte {
	switch v := value.(type) {
	case nil:
		return nil
	case string:
		return []byte(v)
	case bool:
		return strconv.AppendBool(nil, v)
	case json.Number:
		return []byte(number(v))
	}
	return compactJSON(value)
}

// compactJSON cannot fail on what a JSON decoder produced.
func compactJSON(value any) []byte {
	doc, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	return doc
}

