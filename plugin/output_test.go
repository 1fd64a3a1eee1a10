package plugin

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// printed are the types that commands print with -o json, by kind.
func printed() map[string]reflect.Type {
	return map[string]reflect.Type{
		"MappingStatusList": reflect.TypeFor[MappingStatusList](),
		"DiagnosisList":     reflect.TypeFor[DiagnosisList](),
		"DiffList":          reflect.TypeFor[DiffList](),
		"HistoryList":       reflect.TypeFor[HistoryList](),
		"TreeList":          reflect.TypeFor[TreeList](),
		"MappingEventList":  reflect.TypeFor[MappingEventList](),
		"SyncResultList":    reflect.TypeFor[SyncResultList](),
		"AuditReport":       reflect.TypeFor[AuditReport](),
		"MappingList":       reflect.TypeFor[MappingList](),
		"VaultChange":       reflect.TypeFor[VaultChange](),
		"VersionInfo":       reflect.TypeFor[VersionInfo](),
		"SealStatusList":    reflect.TypeFor[SealStatusList](),
		"SetupPlan":         reflect.TypeFor[SetupPlan](),
	}
}

// docs/output.md and the Go types name the same fields, with the same types.
func TestOutputIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/output.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, section := range strings.Split(string(doc), "\n## ")[1:] {
		kind, text, _ := strings.Cut(section, "\n")
		sections[strings.TrimSpace(kind)] = text
	}
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+?) \\|")
	for kind, goType := range printed() {
		text, ok := sections[kind]
		if !ok {
			t.Errorf("docs/output.md has no section %q", kind)
			continue
		}
		documented := map[string]string{}
		for _, m := range row.FindAllStringSubmatch(text, -1) {
			documented[m[1]] = m[2]
		}
		actual := map[string]string{}
		fieldsOf(goType, "", nil, actual)
		for _, path := range slices.Sorted(maps.Keys(actual)) {
			switch was, ok := documented[path]; {
			case !ok:
				t.Errorf("%s: %s (%s) is not documented", kind, path, actual[path])
			case was != actual[path]:
				t.Errorf("%s: %s is documented as %q, and is %q", kind, path, was, actual[path])
			}
		}
		for path := range documented {
			if _, ok := actual[path]; !ok {
				t.Errorf("%s: %s is documented, and there is no such field", kind, path)
			}
		}
	}
}

// No command prints a kind that the documentation passes over.
func TestEveryPrintedKindIsDocumented(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			body, ok := spec.Type.(*ast.StructType)
			if !ok {
				return true
			}
			for _, f := range body.Fields.List {
				selector, ok := f.Type.(*ast.SelectorExpr)
				head := ok && len(f.Names) == 0 && selector.Sel.Name == "TypeMeta"
				if head || f.Tag != nil && strings.Contains(f.Tag.Value, `json:"apiVersion"`) {
					if _, known := printed()[spec.Name.Name]; !known {
						t.Errorf("%s: %s is printed; document it in docs/output.md and name it in printed()", name, spec.Name.Name)
					}
				}
			}
			return true
		})
	}
}

// fieldsOf collects the JSON fields of a type with the words that docs/output.md has
// for their types; "?" marks one that may be absent.
func fieldsOf(t reflect.Type, prefix string, above []reflect.Type, into map[string]string) {
	if slices.Contains(above, t) {
		return // a tree: its children are as it is
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		if f.Type == reflect.TypeFor[metav1.TypeMeta]() || prefix == "" && (name == "apiVersion" || name == "kind") {
			continue
		}
		word, inner := wordOf(f.Type)
		path := prefix + name
		if strings.Contains(options, "omitempty") {
			word += "?"
		}
		into[path] = word
		if inner != nil {
			if strings.HasPrefix(word, "list") {
				path += "[]"
			}
			fieldsOf(inner, path+".", append(above, t), into)
		}
	}
}

func wordOf(t reflect.Type) (word string, inner reflect.Type) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[metav1.Time](), t == reflect.TypeFor[time.Time]():
		return "time", nil
	case t.Kind() == reflect.Slice:
		word, inner = wordOf(t.Elem())
		return "list of " + word + "s", inner
	case t.Kind() == reflect.Map:
		return "map of strings", nil
	case t.Kind() == reflect.Struct:
		return "object", t
	case t.Kind() == reflect.Bool:
		return "boolean", nil
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int32, t.Kind() == reflect.Int64:
		return "integer", nil
	case t.Kind() == reflect.String:
		return "string", nil
	}
	return fmt.Sprintf("a %s, which has no word yet", t.Kind()), nil
}
