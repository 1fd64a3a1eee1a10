package mapping

import (
	"strings"

	"sigs.k8s.io/yaml"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// from renders one templateFrom item: its ConfigMap, then its Secret, then its
// literal, later keys win.
func (r *rendering) from(from eso.TemplateFrom) error {
	to, err := targetOf(from)
	if err != nil {
		return err
	}
	for _, source := range []struct {
		kind, at string
		ref      *eso.TemplateRef
	}{{KindConfigMap, "configMap", from.ConfigMap}, {KindSecret, "secret", from.Secret}} {
		if source.ref == nil {
			continue
		}
		if err := r.fromSource(source.kind, *source.ref, to, from.ValuesDecodingStrategy); err != nil {
			return below(source.at, err)
		}
	}
	if from.Literal != nil {
		return below("literal", r.keysAndValues(*from.Literal, true, to, from.ValuesDecodingStrategy))
	}
	return nil
}

func (r *rendering) fromSource(kind string, ref eso.TemplateRef, to part, decoding eso.DecodingStrategy) error {
	data, ok := r.c.in.Sources[SourceKey{kind, ref.Name}]
	what := strings.ToLower(kind)
	if !ok {
		return faultf("name", "error in %s %s: it was not read", what, ref.Name)
	}
	for _, item := range ref.Items {
		source, ok := data[item.Key]
		if !ok {
			return faultf("items", "error in %s %s: missing key %s%s", what, ref.Name, item.Key, hint(item.Key, sorted(data)))
		}
		text, public := string(source.Reveal()), kind == KindConfigMap
		var err error
		switch item.TemplateAs {
		case "", "Values":
			err = r.value(item.Key, text, public, to, decoding)
		case eso.TemplateKeysAndValues:
			err = r.keysAndValues(text, public, to, decoding)
		default:
			err = faultf("templateAs", "%s is not supported; use Values or KeysAndValues", name(item.TemplateAs))
		}
		if err != nil {
			return below("items["+item.Key+"]", err)
		}
	}
	return nil
}

// value renders the value of one key.
func (r *rendering) value(key, text string, public bool, to part, decoding eso.DecodingStrategy) error {
	rendered, err := r.render(text, public)
	if err != nil {
		return err
	}
	decoded, err := decode(decoding, rendered)
	if err != nil {
		return faultf("", "%s", err)
	}
	r.parts[to][key] = decoded
	delete(r.unnamed, key)
	return nil
}

// keysAndValues renders a whole YAML map of strings.
func (r *rendering) keysAndValues(text string, public bool, to part, decoding eso.DecodingStrategy) error {
	rendered, err := r.render(text, public)
	if err != nil {
		return err
	}
	if len(rendered) > largestYAML {
		return faultf("", "the template renders more than 1 MiB of YAML")
	}
	// The parser's error would quote the text.
	var parsed map[string]any
	if yaml.Unmarshal(rendered, &parsed) != nil {
		return faultf("", "the template does not render a YAML map of keys to strings")
	}
	for _, key := range sorted(parsed) {
		if !public || !strings.Contains(text, key) {
			r.unnamed[key] = true
		}
		value, ok := parsed[key].(string)
		if !ok && parsed[key] != nil {
			return faultf("", "the value of %s is no string; put quotes around numbers, booleans and whatever looks like them", r.shown(key))
		}
		decoded, err := decode(decoding, []byte(value))
		if err != nil {
			return faultf("", "the value of %s: %s", r.shown(key), err)
		}
		r.parts[to][key] = decoded
	}
	return nil
}
