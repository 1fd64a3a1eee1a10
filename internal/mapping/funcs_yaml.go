package mapping

import (
	"strings"

	"sigs.k8s.io/yaml"
)

// toYAML is YAML without its last line break, empty for what YAML cannot hold.
func toYAML(value any) string {
	doc, err := yaml.Marshal(value)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(doc), "\n")
}

// largestYAML bounds what is parsed as YAML: a parser builds many times its size.
const largestYAML = 1 << 20

// fromYAML parses a YAML map. A failure is a map with the one key Error, as in ESO.
func fromYAML(text string) map[string]any {
	if len(text) > largestYAML {
		return map[string]any{"Error": "the YAML is larger than 1 MiB"}
	}
	parsed := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &parsed); err != nil {
		return map[string]any{"Error": err.Error()}
	}
	return parsed
}
