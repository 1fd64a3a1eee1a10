package eso_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

func TestUnknownFields(t *testing.T) {
	for name, c := range map[string]struct {
		kind, applied string
		want          []string
	}{
		"known": {eso.KindExternalSecret, `{"apiVersion":"external-secrets.io/v1","spec":{"refreshInterval":"1h","target":{"template":{"data":{"any":"x"}}}}}`, nil},
		"typos": {
			eso.KindExternalSecret,
			`{"spec":{"target":{"creationPolcy":"Merge"},"data":[{"remoteRef":{"propertty":"x"}},{"remoteRef":{"propertty":"y"}}]}}`,
			[]string{"spec.data[].remoteRef.propertty", "spec.target.creationPolcy"},
		},
		"case":                   {eso.KindExternalSecret, `{"spec":{"Target":{}}}`, []string{"spec.Target"}},
		"inlined":                {eso.KindExternalSecret, `{"spec":{"dataFrom":[{"find":{"decodingStrategy":"None","decoding":1}}]}}`, []string{"spec.dataFrom[].find.decoding"}},
		"store":                  {eso.KindSecretStore, `{"spec":{"provider":{"vault":{"server":"x","token":"canary"}}}}`, []string{"spec.provider.vault.token"}},
		"another provider":       {eso.KindClusterSecretStore, `{"spec":{"provider":{"aws":{"anything":{"at":"all"}}}}}`, nil},
		"a selector":             {eso.KindClusterSecretStore, `{"spec":{"conditions":[{"namespaceSelector":{"matchLabel":{}},"regex":[]}]}}`, []string{"spec.conditions[].regex"}},
		"v1alpha1 had others":    {eso.KindExternalSecret, `{"apiVersion":"external-secrets.io/v1alpha1","spec":{"dataFrom":[{"key":"a"}]}}`, nil},
		"wrong shapes":           {eso.KindExternalSecret, `{"spec":{"data":{"a":1},"target":[1],"refreshInterval":{"x":1}}}`, nil},
		"no JSON":                {eso.KindExternalSecret, `{"spec":`, nil},
		"nothing":                {eso.KindExternalSecret, `null`, nil},
		"names that are none":    {eso.KindExternalSecret, `{"spec":{"\u001b[31m":1,"":2}}`, []string{`spec.""`, `spec."\x1b[31m"`}},
		"a name that is a value": {eso.KindExternalSecret, `{"spec":{"` + strings.Repeat("k", 100) + `":1}}`, []string{`spec."` + strings.Repeat("k", 63) + `"…`}},
	} {
		es := decode(t, valid)
		es.Annotations = map[string]string{eso.AnnotationLastApplied: c.applied}
		got := eso.UnknownFields(&es.ObjectMeta, c.kind)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if strings.Contains(strings.Join(got, " "), "canary") {
			t.Errorf("%s: %v holds a value", name, got)
		}
	}
	if got := eso.UnknownFields(&decode(t, valid).ObjectMeta, eso.KindExternalSecret); got != nil {
		t.Errorf("without the annotation: %v", got)
	}
	for _, es := range fixture[eso.ExternalSecret](t, "externalsecrets.json") {
		if unknown := eso.UnknownFields(&es.ObjectMeta, eso.KindExternalSecret); len(unknown) > 0 {
			t.Errorf("%s: %v are ESO's own fields", es.Name, unknown)
		}
	}
}
