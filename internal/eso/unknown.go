package eso

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// UnknownFields lists the fields below spec that the author applied and the API
// server dropped because the schema does not know them, e.g.
// "spec.target.creationPolcy". They are read from kubectl's last-applied
// annotation; without it nothing is known and the list is empty. Names only: the
// values are never returned.
func UnknownFields(meta *metav1.ObjectMeta, kind string) []string {
	raw, ok := meta.Annotations[AnnotationLastApplied]
	if !ok {
		return nil
	}
	var applied struct {
		Spec map[string]any `json:"spec"`
	}
	if err := json.NewDecoder(bytes.NewReader([]byte(raw))).Decode(&applied); err != nil {
		return nil
	}
	spec := reflect.TypeFor[StoreSpec]()
	if kind == KindExternalSecret {
		spec = reflect.TypeFor[ExternalSecretSpec]()
	}
	var unknown []string
	collectUnknown(&unknown, "spec", applied.Spec, spec)
	slices.Sort(unknown)
	return slices.Compact(unknown)
}

func collectUnknown(unknown *[]string, path string, value any, t reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := value.(type) {
	case map[string]any:
		if t.Kind() == reflect.Map {
			for key, inner := range v {
				collectUnknown(unknown, path+"."+key, inner, t.Elem())
			}
			return
		}
		if t.Kind() != reflect.Struct {
			return
		}
		fields := jsonFields(t)
		for key, inner := range v {
			field, known := fields[key]
			switch {
			case known:
				collectUnknown(unknown, path+"."+key, inner, field)
			case t == reflect.TypeFor[Provider](), isForeign(t):
			default:
				*unknown = append(*unknown, path+"."+key)
			}
		}
	case []any:
		if t.Kind() == reflect.Slice {
			for _, inner := range v {
				collectUnknown(unknown, path+"[]", inner, t.Elem())
			}
		}
	}
}

// isForeign reports whether a struct is Kubernetes' own, whose schema we do not
// restate.
func isForeign(t reflect.Type) bool { return !strings.HasSuffix(t.PkgPath(), "internal/eso") }

func jsonFields(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			for inner, innerType := range jsonFields(f.Type) {
				fields[inner] = innerType
			}
			continue
		}
		if name != "" && name != "-" {
			fields[name] = f.Type
		}
	}
	return fields
}
