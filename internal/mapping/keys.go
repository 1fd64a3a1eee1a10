package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/util/validation"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// values is the state of one dataFrom entry, and of the whole: keys and their bytes.
// Byte slices in it are never written to.
type values = map[string][]byte

// convertKeys replaces, in each key, what is neither a letter or number of any
// script nor one of - . _ by "_" (Default) or "_U002f_" (Unicode).
func convertKeys(strategy string, in values) (values, error) {
	if !anyIllegal(in) {
		return in, nil
	}
	if strategy == "" {
		strategy = "Default"
	}
	out := make(values, len(in))
	from := make(map[string]string, len(in))
	for _, key := range slices.Sorted(maps.Keys(in)) {
		converted := convertKey(strategy, key)
		if other, taken := from[converted]; taken {
			return nil, faultf("conversionStrategy",
				"error applying conversion strategy %s to keys: secret name collision during conversion: %s (from %s and %s)",
				strategy, converted, name(other), name(key))
		}
		out[converted], from[converted] = in[key], key
	}
	return out, nil
}

func anyIllegal(in values) bool {
	for key := range in {
		if strings.IndexFunc(key, illegal) >= 0 {
			return true
		}
	}
	return false
}

func convertKey(strategy, key string) string {
	if strings.IndexFunc(key, illegal) < 0 {
		return key
	}
	var b strings.Builder
	for _, r := range key {
		switch {
		case !illegal(r):
			b.WriteRune(r)
		case strategy == eso.ConversionUnicode:
			fmt.Fprintf(&b, "_U%04x_", r)
		default:
			b.WriteByte('_')
		}
	}
	return b.String()
}

// illegal is ESO's rule. It lets letters of every script through, which the API
// server does not: checkSecretKeys has the last word.
func illegal(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsNumber(r) && r != '-' && r != '.' && r != '_'
}

const keyTip = "invalid secret keys (TIP: use rewrite or conversionStrategy to change keys): "

// checkKeys refuses keys of a dataFrom entry by ESO's rule and drops the empty one,
// as ESO does.
func checkKeys(in values) error {
	for _, key := range slices.Sorted(maps.Keys(in)) {
		switch {
		case key == "":
			delete(in, key)
		case len(key) > validation.DNS1123SubdomainMaxLength:
			return faultf("", keyTip+"key has length %d but max is 253: %s", len(key), name(key))
		case strings.IndexFunc(key, illegal) >= 0:
			return faultf("", keyTip+"only alphanumeric, '-', '.' and '_' are allowed: %s", name(key))
		}
	}
	return nil
}

// checkSecretKeys refuses what the API server would refuse, after everything else.
// shown turns a key into what an error may say of it.
func checkSecretKeys(in values, shown func(string) string) error {
	for _, key := range slices.Sorted(maps.Keys(in)) {
		if len(validation.IsConfigMapKey(key)) == 0 {
			continue
		}
		reason := "a Secret's key has only the letters A to Z and a to z, digits, '-', '.' and '_'"
		if len(key) > validation.DNS1123SubdomainMaxLength {
			reason = fmt.Sprintf("key has length %d but max is 253", len(key))
		} else if key == "" || strings.HasPrefix(key, "..") || key == "." {
			reason = "a Secret's key is not empty, not \".\" and does not begin with \"..\""
		}
		return faultf("", keyTip+"%s: %s", reason, shown(key))
	}
	return nil
}
