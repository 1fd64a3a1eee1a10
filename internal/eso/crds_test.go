package eso_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// The tables here restate §1 of the reference of ESO v2.9.0's behaviour; the CRDs
// are generated from the types, so this is what holds the types to it.

const (
	subdomain = `^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	label     = `^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	dataKey   = `^[-._a-zA-Z0-9]+$`
)

type object = map[string]any

// crd reads a CRD as it is shipped.
func crd(t testing.TB, plural string) object {
	t.Helper()
	raw, err := os.ReadFile("../../manifests/crds/" + plural + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc object
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// at walks down; a number is an index.
func at(value any, keys ...string) any {
	for _, key := range keys {
		switch v := value.(type) {
		case map[string]any:
			value = v[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

// schemaOf is the schema of a field of the first (v1) or second (v1beta1) version;
// "[]" after a name goes to the items.
func schemaOf(t testing.TB, crd object, version, path string) object {
	t.Helper()
	s := at(crd, "spec", "versions", version, "schema", "openAPIV3Schema")
	for name := range strings.SplitSeq(path, ".") {
		s = at(s, "properties", strings.TrimSuffix(name, "[]"))
		if strings.HasSuffix(name, "[]") {
			s = at(s, "items")
		}
	}
	found, ok := s.(object)
	if !ok {
		t.Fatalf("the schema has no %s", path)
	}
	return found
}

func TestCRDs(t *testing.T) {
	ready := func(member string) string { return `.status.conditions[?(@.type=="Ready")].` + member }
	stores := [][3]string{
		{"AGE", "date", ".metadata.creationTimestamp"},
		{"Status", "string", ready("reason")},
		{"Capabilities", "string", ".status.capabilities"},
		{"Ready", "string", ready("status")},
	}
	for _, want := range []struct {
		plural, kind, short, scope string
		columns                    [][3]string
		selectable                 []string
	}{
		{"externalsecrets", "ExternalSecret", "es", "Namespaced", [][3]string{
			{"StoreType", "string", ".spec.secretStoreRef.kind"},
			{"Store", "string", ".spec.secretStoreRef.name"},
			{"Refresh Interval", "string", ".spec.refreshInterval"},
			{"Status", "string", ready("reason")},
			{"Ready", "string", ready("status")},
			{"Last Sync", "date", ".status.refreshTime"},
		}, []string{".spec.secretStoreRef.name", ".spec.secretStoreRef.kind", ".spec.target.name", ".spec.refreshInterval"}},
		{"secretstores", "SecretStore", "ss", "Namespaced", stores, nil},
		{"clustersecretstores", "ClusterSecretStore", "css", "Cluster", stores, nil},
	} {
		t.Run(want.kind, func(t *testing.T) {
			doc := crd(t, want.plural)
			for path, value := range map[string]any{
				"metadata.name":        want.plural + ".external-secrets.io",
				"metadata.labels":      object{"external-secrets.io/component": "controller"},
				"spec.group":           "external-secrets.io",
				"spec.scope":           want.scope,
				"spec.names":           object{"kind": want.kind, "listKind": want.kind + "List", "plural": want.plural, "singular": strings.ToLower(want.kind), "shortNames": []any{want.short}, "categories": []any{"external-secrets"}},
				"spec.conversion":      object{"strategy": "None"},
				"spec.versions.0.name": "v1", "spec.versions.0.served": true, "spec.versions.0.storage": true,
				"spec.versions.1.name": "v1beta1", "spec.versions.1.served": true, "spec.versions.1.storage": false,
				"spec.versions.1.deprecated": nil, "spec.versions.2": nil,
				"spec.versions.0.subresources": object{"status": object{}},
				"spec.versions.1.subresources": object{"status": object{}},
			} {
				if diff := cmp.Diff(value, at(doc, strings.Split(path, ".")...)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", path, diff)
				}
			}
			for version, selectable := range map[string][]string{"0": want.selectable, "1": nil} {
				if diff := cmp.Diff(want.columns, columns(doc, version)); diff != "" {
					t.Errorf("columns of version %s (-want +got):\n%s", version, diff)
				}
				var got []string
				fields, _ := at(doc, "spec", "versions", version, "selectableFields").([]any)
				for _, f := range fields {
					got = append(got, at(f, "jsonPath").(string))
				}
				if diff := cmp.Diff(selectable, got); diff != "" {
					t.Errorf("selectable fields of version %s (-want +got):\n%s", version, diff)
				}
			}
		})
	}
}

func columns(doc object, version string) [][3]string {
	var got [][3]string
	list, _ := at(doc, "spec", "versions", version, "additionalPrinterColumns").([]any)
	for _, c := range list {
		got = append(got, [3]string{at(c, "name").(string), at(c, "type").(string), at(c, "jsonPath").(string)})
	}
	return got
}
