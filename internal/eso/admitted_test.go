package eso_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
	"sigs.k8s.io/yaml"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// oracle judges as the API server does, with the same validator, what a CRD admits
// below spec and status.
type oracle struct {
	schema    object
	validator *validate.SchemaValidator
}

func newOracle(t testing.TB, plural, version string) oracle {
	t.Helper()
	s := at(crd(t, plural), "spec", "versions", version, "schema", "openAPIV3Schema").(object)
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	typed := new(spec.Schema)
	if err := typed.UnmarshalJSON(raw); err != nil {
		t.Fatal(err)
	}
	return oracle{s, validate.NewSchemaValidator(typed, nil, "", strfmt.Default)}
}

func (o oracle) errors(doc any) []error { return o.validator.Validate(doc).Errors }

func TestManifestsOfTheWalkthroughAreAdmittedAndValid(t *testing.T) {
	for file, c := range map[string]struct {
		plural string
		into   any
	}{
		"external-secret.yaml":      {"externalsecrets", new(eso.ExternalSecret)},
		"cluster-secret-store.yaml": {"clustersecretstores", new(eso.ClusterSecretStore)},
	} {
		raw, err := os.ReadFile("../../testdata/walkthrough/" + file)
		if err != nil {
			t.Fatal(err)
		}
		var doc object
		if err := yaml.UnmarshalStrict(raw, &doc); err != nil {
			t.Fatal(err)
		}
		for _, version := range []string{"0", "1"} {
			for _, err := range newOracle(t, c.plural, version).errors(doc) {
				t.Errorf("%s against version %s: %v", file, version, err)
			}
		}
		if err := yaml.UnmarshalStrict(raw, c.into); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		var errs error
		switch object := c.into.(type) {
		case *eso.ExternalSecret:
			errs = eso.Validate(object).ToAggregate()
		case *eso.ClusterSecretStore:
			errs = eso.ValidateStore(object.View()).ToAggregate()
		}
		if errs != nil {
			t.Errorf("%s: %v", file, errs)
		}
	}
}

// What a real ESO 2.9.0 left behind is admitted, decodes, is valid, and comes out of
// our types as it went in.
func TestObjectsOfESOSurvive(t *testing.T) {
	for plural, into := range map[string]func() any{
		"externalsecrets":     func() any { return new(eso.ExternalSecret) },
		"clustersecretstores": func() any { return new(eso.ClusterSecretStore) },
	} {
		o := newOracle(t, plural, "0")
		for _, raw := range fixture[json.RawMessage](t, plural+".json") {
			var doc, back object
			if err := kjson.Unmarshal(raw, &doc); err != nil {
				t.Fatal(err)
			}
			name := at(doc, "metadata", "name")
			for _, err := range o.errors(doc) {
				t.Errorf("%s: %v", name, err)
			}
			typed := into()
			if err := json.Unmarshal(raw, typed); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if es, is := typed.(*eso.ExternalSecret); is {
				if err := eso.Validate(es).ToAggregate(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			out, err := json.Marshal(typed)
			if err != nil {
				t.Fatal(err)
			}
			if err := kjson.Unmarshal(out, &back); err != nil {
				t.Fatal(err)
			}
			for _, part := range []string{"spec", "status"} {
				if diff := cmp.Diff(doc[part], back[part]); diff != "" {
					t.Errorf("%s of %s (-in +out):\n%s", part, name, diff)
				}
			}
		}
	}
}

// FuzzDecodeExternalSecret holds the rule that whatever the schema admits decodes:
// one object that did not would stop the list, and with it every mapping.
func FuzzDecodeExternalSecret(f *testing.F) {
	o := newOracle(f, "externalsecrets", "1")
	for _, raw := range fixture[json.RawMessage](f, "externalsecrets.json") {
		f.Add([]byte(raw))
	}
	f.Add([]byte(`{"spec":{"refreshInterval":"1d","syncWindows":{"kind":"deny","windows":[{"schedule":"TZ=x 1 2 3 4","duration":""}]}}}`))
	f.Add([]byte(`{"status":{"refreshTime":"2026-01-02t03:04:05z","conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-01-02t03:04:05z"}]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		es := new(eso.ExternalSecret)
		if !admitted(t, o, raw, es) {
			return
		}
		_ = eso.Validate(es)
		_ = es.StoreRefs()
		_ = eso.SyncedResourceVersion(&es.ObjectMeta)
	})
}

// FuzzDecodeStore is the same for stores, other providers included.
func FuzzDecodeStore(f *testing.F) {
	o := newOracle(f, "clustersecretstores", "1")
	for _, raw := range fixture[json.RawMessage](f, "clustersecretstores.json") {
		f.Add([]byte(raw))
	}
	f.Add([]byte(`{"spec":{"refreshInterval":30,"provider":{"aws":{"service":"SecretsManager"}}}}`))
	f.Add([]byte(`{"spec":{"refreshInterval":"5m","provider":{"vault":{"server":"https://v","caBundle":"QR=="}},"retrySettings":{"maxRetries":-1}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s := new(eso.ClusterSecretStore)
		if !admitted(t, o, raw, s) {
			return
		}
		if s.Spec.Provider.Undecoded != nil {
			t.Errorf("an admitted vault does not decode: %s", raw)
		}
		_ = eso.ValidateStore(s.View())
		_ = s.View().Referent()
	})
}

// admitted decodes into typed what the schema admits of raw's spec and status, and
// reports whether it does. Other parts are the API server's own.
func admitted(t *testing.T, o oracle, raw []byte, typed any) bool {
	t.Helper()
	var doc object
	if err := kjson.Unmarshal(raw, &doc); err != nil {
		return false
	}
	part := object{}
	for _, name := range []string{"spec", "status"} {
		if value, ok := doc[name]; ok && value != nil {
			part[name] = value
		}
	}
	if len(o.errors(part)) > 0 {
		return false
	}
	text, err := json.Marshal(part)
	if err != nil {
		return false
	}
	if err := kjson.Unmarshal(text, typed); err != nil {
		t.Errorf("the schema admits %s, and it breaks its list: %v", text, err)
	}
	return true
}

// TestWhatTheSchemaAdmitsDecodes draws objects from the schemas themselves, with the
// worst that each field takes.
func TestWhatTheSchemaAdmitsDecodes(t *testing.T) {
	for plural, into := range map[string]func() runtime.Object{
		"externalsecrets":     func() runtime.Object { return new(eso.ExternalSecret) },
		"secretstores":        func() runtime.Object { return new(eso.SecretStore) },
		"clustersecretstores": func() runtime.Object { return new(eso.ClusterSecretStore) },
	} {
		o := newOracle(t, plural, "1")
		taken := 0
		for seed := range uint64(300) {
			d := draw{rand.New(rand.NewPCG(seed, 1))}
			doc := object{}
			for _, part := range []string{"spec", "status"} {
				doc[part] = d.value(o.schema["properties"].(object)[part].(object))
			}
			raw, err := json.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			typed := into()
			if !admitted(t, o, raw, typed) {
				continue
			}
			taken++
			switch object := typed.(type) {
			case *eso.ExternalSecret:
				_ = eso.Validate(object)
			case *eso.SecretStore:
				_ = eso.ValidateStore(object.View())
			case *eso.ClusterSecretStore:
				_ = eso.ValidateStore(object.View())
			}
		}
		if taken < 100 {
			t.Errorf("%s: the schema admits only %d of what was drawn", plural, taken)
		}
	}
}
