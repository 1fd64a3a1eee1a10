package eso

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// UnknownFields lists the fields below spec that the author applied and the API
// server dropped because the schema does not know them, e.g.
// "spec.target.creationPolcy". They are read from kubectl's last-applied
// annotation; without it nothing is known and the list is empty. Names only: the
// values are never returned, and a name that is none is quoted and cut.
func UnknownFields(meta *metav1.ObjectMeta, kind string) []string {
	raw, ok := meta.Annotations[AnnotationLastApplied]
	if !ok {
		return nil
	}
	var applied struct {
		APIVersion string         `json:"apiVersion"`
		Spec       map[string]any `json:"spec"`
	}
	if err := json.Unmarshal([]byte(raw), &applied); err != nil {
		return nil
	}
	switch applied.APIVersion {
	case "", Group + "/" + Version, Group + "/v1beta1":
	default: // v1alpha1, which ESO dropped in 0.16, had other fields
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
				collectUnknown(unknown, path+"."+printable(key), inner, t.Elem())
			}
			return
		}
		if t.Kind() != reflect.Struct || t == reflect.TypeFor[Duration]() {
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
				*unknown = append(*unknown, path+"."+printable(key))
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

// printable is a field's name as it may be shown: foreign text may hold anything.
func printable(name string) string {
	const most = 63
	plain := strings.Trim(name, "-./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz") == ""
	switch {
	case len(name) > most:
		return strconv.QuoteToASCII(name[:most]) + "…"
	case !plain || name == "":
		return strconv.QuoteToASCII(name)
	}
	return name
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
