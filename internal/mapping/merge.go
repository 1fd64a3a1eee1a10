package mapping

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// merge merges the JSON objects that the values are: keys outside priority in
// alphabetical order, then those of priority in theirs; later ones win. Numbers
// stay exact.
func merge(operation eso.RewriteMerge, in values) (values, error) {
	order, err := mergeOrder(operation, in)
	if err != nil {
		return nil, err
	}
	merged := map[string]any{}
	var conflicts []string
	for _, key := range order {
		object, ok := parseObject(in[key])
		if !ok {
			return nil, faultf("", "merge failed: the value of key %s is no JSON object", name(key))
		}
		for inner, value := range object {
			if _, taken := merged[inner]; taken {
				conflicts = append(conflicts, inner)
			}
			merged[inner] = value
		}
	}
	if len(conflicts) > 0 && operation.ConflictPolicy != "Ignore" {
		slices.Sort(conflicts)
		return nil, faultf("", "merge failed with conflicts: %s; rename them in Vault, or set conflictPolicy: Ignore to let the later one win",
			names(slices.Compact(conflicts)))
	}
	switch operation.Strategy {
	case "", "Extract":
		out := make(values, len(merged))
		for key, value := range merged {
			out[key] = extractedBytes(value)
		}
		return out, nil
	case "JSON":
		if operation.Into == "" {
			return nil, faultf("", "merge failed with missing 'into' field; strategy JSON needs the key to write to")
		}
		out := maps.Clone(in)
		out[operation.Into] = plainJSON(withNumbers(merged))
		return out, nil
	}
	return nil, faultf("", "merge strategy %s is not supported; use Extract or JSON", name(operation.Strategy))
}

func mergeOrder(operation eso.RewriteMerge, in values) ([]string, error) {
	prior := make(map[string]bool, len(operation.Priority))
	for _, key := range operation.Priority {
		prior[key] = true
	}
	var order []string
	for _, key := range slices.Sorted(maps.Keys(in)) {
		if !prior[key] {
			order = append(order, key)
		}
	}
	for _, key := range operation.Priority {
		if _, ok := in[key]; ok {
			order = append(order, key)
		} else if operation.PriorityPolicy != "IgnoreNotFound" {
			return nil, faultf("", "merge failed with key %s not found in input map%s", name(key), hint(key, slices.Sorted(maps.Keys(in))))
		}
	}
	return order, nil
}

// plainJSON is compact JSON with sorted keys and no HTML escapes.
func plainJSON(value any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(value) != nil {
		return nil
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
