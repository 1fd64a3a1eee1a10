package mapping

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

var provider = map[string]string{"app": `{"user":"u","password":"p","my-key":"dash"}`}

const extractApp = "dataFrom: [{extract: {key: app}}]\n"

func sourcesOf(kind, name string, data map[string]string) map[SourceKey]map[string]redact.Bytes {
	out := map[string]redact.Bytes{}
	for key, value := range data {
		out[key] = redact.Bytes(value)
	}
	return map[SourceKey]map[string]redact.Bytes{{kind, name}: out}
}

func TestLabelsAndAnnotations(t *testing.T) {
	const meta = `{labels: {app: web}, annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}", force-sync: "1"}}`
	for _, tt := range []struct {
		name, target        string
		labels, annotations map[string]string
	}{
		{"no template: all are copied", `{}`, map[string]string{"app": "web"}, map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}", "force-sync": "1"}},
		{"empty template: none", `{template: {}}`, map[string]string{}, map[string]string{}},
		{
			"rendered", `{template: {metadata: {labels: {u: "{{ .user }}"}, annotations: {"example.com/Dash": '{{ index . "my-key" }}'}}}}`,
			map[string]string{"u": "u"},
			map[string]string{"example.com/Dash": "dash"},
		},
		{
			"templateFrom, then metadata", `{template: {metadata: {labels: {a: own}}, templateFrom: [{target: labels, literal: "a: from\nb: from"}, {target: ANNOTATIONS, literal: "c: '{{ .user }}'"}]}}`,
			map[string]string{"a": "own", "b": "from"},
			map[string]string{"c": "u"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := world{meta: meta, vault: provider, spec: extractApp + "target: " + tt.target}.compute(t)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.labels, d.Labels); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.annotations, d.Annotations); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTemplateData(t *testing.T) {
	all := map[string]string{"user": "u", "password": "p", "my-key": "dash"}
	with := func(extra map[string]string) map[string]string {
		out := map[string]string{}
		for _, m := range []map[string]string{all, extra} {
			for k, v := range m {
				out[k] = v
			}
		}
		return out
	}
	for _, tt := range []struct {
		name, template string
		want           map[string]string
	}{
		{"none of its own: the provider's", `{}`, all},
		{"metadata alone: the provider's", `{metadata: {labels: {a: b}}}`, all},
		{"replace", `{data: {dsn: "{{ .user }}:{{ .password }}"}}`, map[string]string{"dsn": "u:p"}},
		{"explicit replace", `{mergePolicy: Replace, data: {dsn: x}}`, map[string]string{"dsn": "x"}},
		{"merge", `{mergePolicy: Merge, data: {user: "own-{{ .user }}", dsn: x}}`, with(map[string]string{"user": "own-u", "dsn": "x"})},
		{"later templateFrom wins", `{templateFrom: [{literal: "a: 1st\nb: 1st"}, {literal: "b: 2nd"}]}`, map[string]string{"a": "1st", "b": "2nd"}},
		{"data wins over templateFrom", `{data: {a: own}, templateFrom: [{literal: "a: from\nb: from"}]}`, map[string]string{"a": "own", "b": "from"}},
		{"within an item the literal wins", `{templateFrom: [{literal: "cfg: literal", configMap: {name: cm, items: [{key: cfg}]}}]}`, map[string]string{"cfg": "literal"}},
		{"values", `{templateFrom: [{configMap: {name: cm, items: [{key: cfg, templateAs: Values}]}}]}`, map[string]string{"cfg": "user=u"}},
		{"keys and values", `{templateFrom: [{configMap: {name: cm, items: [{key: map, templateAs: KeysAndValues}]}}]}`, map[string]string{"u": "p", "nil": ""}},
		{"target in any case", `{templateFrom: [{target: dAtA, literal: "a: b"}]}`, map[string]string{"a": "b"}},
		{"decoded values", `{templateFrom: [{valuesDecodingStrategy: Base64, literal: "a: aGk="}]}`, map[string]string{"a": "hi"}},
		{"an empty rendering", `{data: {a: ""}, templateFrom: [{literal: "{{ if false }}a: b{{ end }}"}]}`, map[string]string{"a": ""}},
		{"define is each template's own", `{data: {a: '{{ define "x" }}1{{ end }}{{ template "x" }}', b: '{{ define "x" }}2{{ end }}{{ template "x" }}'}}`, map[string]string{"a": "1", "b": "2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := world{
				vault: provider, spec: extractApp + "target: {template: " + tt.template + "}",
				sources: sourcesOf("ConfigMap", "cm", map[string]string{"cfg": "user={{ .user }}", "map": "{{ .user }}: {{ .password }}\nnil: ~"}),
			}
			if diff := cmp.Diff(tt.want, w.data(t)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBinaryValuesPassThroughTemplates(t *testing.T) {
	w := world{
		vault: map[string]string{"app": `{"bin":"//4AAQ=="}`},
		spec: `target: {template: {data: {bin: "{{ .bin }}", b64: "{{ .bin | b64enc }}"}}}
data: [{secretKey: bin, remoteRef: {key: app, property: bin, decodingStrategy: Base64}}]`,
	}
	if diff := cmp.Diff(map[string]string{"bin": "\xff\xfe\x00\x01", "b64": "//4AAQ=="}, w.data(t)); diff != "" {
		t.Error(diff)
	}
}

func TestTemplateTypeFinalizersAndDelimiters(t *testing.T) {
	d, err := world{
		vault: provider, limits: Limits{LeftDelim: "<<", RightDelim: ">>"},
		spec: extractApp + `target: {template: {type: kubernetes.io/basic-auth, engineVersion: v2, metadata: {finalizers: [example.com/keep]}, data: {username: "<< .user >>{{ x }}"}}}`,
	}.compute(t)
	if err != nil {
		t.Fatal(err)
	}
	if d.Type != "kubernetes.io/basic-auth" || !d.HasTemplate || string(d.Data["username"].Reveal()) != "u{{ x }}" {
		t.Errorf("%+v, username %s", d, d.Data["username"].Reveal())
	}
	if diff := cmp.Diff([]string{"example.com/keep"}, d.Finalizers); diff != "" {
		t.Error(diff)
	}
}

func TestTemplatesThatAreRefused(t *testing.T) {
	const at = "spec.target.template"
	const prefix = "could not apply template: " + at
	for _, tt := range []struct{ name, template, field, text string }{
		{"engine", `{engineVersion: v1}`, at + ".engineVersion", `.engineVersion: engine "v1" is not supported; write the template for v2 and set engineVersion: v2`},
		{"target", `{templateFrom: [{target: spec.x, literal: "a: b"}]}`, at + ".templateFrom[0].target", `.templateFrom[0].target: templateFrom target="spec.x" is not allowed when targeting a Secret, must be one of "Data", "Annotations" or "Labels"`},
		{"empty target", `{templateFrom: [{target: "", literal: "a: b"}]}`, at + ".templateFrom[0].target", `.templateFrom[0].target: templateFrom target="" is not allowed when targeting a Secret, must be one of "Data", "Annotations" or "Labels"`},
		{"source", `{templateFrom: [{secret: {name: none, items: [{key: a}]}}]}`, at + ".templateFrom[0].secret.name", `.templateFrom[0].secret.name: error in secret none: it was not read`},
		{"item", `{templateFrom: [{literal: "a: b"}, {configMap: {name: cm, items: [{key: cfgg}]}}]}`, at + ".templateFrom[1].configMap.items", `.templateFrom[1].configMap.items: error in configmap cm: missing key cfgg; did you mean "cfg"?`},
		{"templateAs", `{templateFrom: [{configMap: {name: cm, items: [{key: cfg, templateAs: Lines}]}}]}`, at + ".templateFrom[0].configMap.items[cfg].templateAs", `.templateFrom[0].configMap.items[cfg].templateAs: "Lines" is not supported; use Values or KeysAndValues`},
		{"no map", `{templateFrom: [{literal: "{{ .user }}"}]}`, at + ".templateFrom[0].literal", `.templateFrom[0].literal: the template does not render a YAML map of keys to strings`},
		{"number", `{templateFrom: [{literal: "a: x\nport: 1"}]}`, at + ".templateFrom[0].literal", `.templateFrom[0].literal: the value of "port" is no string; put quotes around numbers, booleans and whatever looks like them`},
		{"boolean under a rendered key", `{templateFrom: [{literal: "{{ .my }}: true"}]}`, at + ".templateFrom[0].literal", `.templateFrom[0].literal: could not execute template: line 1, column 4: map has no entry for key "my"; the keys are: "my-key", "password", "user"`},
		{"decoding", `{templateFrom: [{valuesDecodingStrategy: Base64, literal: "a: '!'"}]}`, at + ".templateFrom[0].literal", `.templateFrom[0].literal: the value of "a": error applying decoding strategy Base64 to data: illegal base64 data at input byte 0`},
		{"data", `{data: {a: "{{ .usr }}"}}`, at + ".data[a]", `.data[a]: could not execute template: line 1, column 4: map has no entry for key "usr"; did you mean "user"?`},
		{"label", `{metadata: {labels: {a: "{{ .user }} {{ .password }}"}}}`, at + ".metadata.labels", `.metadata.labels: the value of label "a" is not valid: at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends`},
		{"label name", `{metadata: {labels: {"a b": x}}}`, at + ".metadata.labels", `.metadata.labels: "a b" is no valid label name`},
		{"annotation name", `{metadata: {annotations: {"a b": x}}}`, at + ".metadata.annotations", `.metadata.annotations: "a b" is no valid annotation name`},
		{"annotation size", `{metadata: {annotations: {a: '{{ repeat 300000 "x" }}'}}}`, at + ".metadata.annotations", `.metadata.annotations: the annotations are larger than 256 KiB together`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			world{
				vault: provider, spec: extractApp + "target: {template: " + tt.template + "}",
				sources: sourcesOf("ConfigMap", "cm", map[string]string{"cfg": "x"}),
			}.fails(t, tt.field, prefix+tt.text)
		})
	}
	w := world{vault: provider, limits: Limits{MaxTemplateBytes: 10}, spec: extractApp + `target: {template: {data: {a: '{{ repeat 11 "x" }}'}}}`}
	w.fails(t, at+".data[a]", prefix+".data[a]: could not execute template: the template renders more than it may")
}

// N3: a mapping never makes a Secret that is a credential of the cluster.
func TestNeverIsACredentialOfTheClusterWanted(t *testing.T) {
	for _, kind := range []string{"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"} {
		// Not even when nothing was read.
		for _, vault := range []map[string]string{provider, nil} {
			world{vault: vault, spec: extractApp + `target: {deletionPolicy: Merge, template: {type: ` + kind + `}}`}.fails(t, "spec.target.template.type",
				"could not apply template: spec.target.template.type: template.type="+kind+" is not allowed: such a Secret is a credential of the cluster itself; use Opaque or another type")
		}
	}
	// The type is no template.
	d, err := world{vault: provider, spec: extractApp + `target: {template: {type: '{{ "kubernetes.io/service-account-token" }}'}}`}.compute(t)
	if err == nil && eso.ForbiddenType(string(d.Type)) {
		t.Errorf("type %s", d.Type)
	}
}

func TestSourceKeys(t *testing.T) {
	es, _ := world{spec: extractApp + `target: {template: {templateFrom: [
  {secret: {name: b, items: []}}, {configMap: {name: z, items: []}, secret: {name: a, items: []}}, {secret: {name: b, items: []}}, {literal: "x: y"}]}}`, vault: provider}.mapping(t)
	want := []SourceKey{{"ConfigMap", "z"}, {"Secret", "a"}, {"Secret", "b"}}
	if diff := cmp.Diff(want, SourceKeys(es)); diff != "" {
		t.Error(diff)
	}
	if got := SourceKeys(&eso.ExternalSecret{}); got != nil {
		t.Errorf("%v", got)
	}
}

func TestVolatile(t *testing.T) {
	for template, volatile := range map[string]bool{
		`{{ .user }}`: false, `{{ randAlphaNum 8 }}`: true, `{{ now | date "2006" }}`: true, `{{ if false }}{{ bcrypt .user }}{{ end }}`: true,
		`{{ .user | sha256sum }}`: false, `{{ define "x" }}{{ uuidv4 }}{{ end }}x`: true, `text uuidv4`: false, `{{ list (list uuidv4) }}`: true,
	} {
		w := world{vault: provider, spec: extractApp + `target: {template: {data: {a: '` + template + `'}}}`}
		a, err := w.compute(t)
		if err != nil {
			t.Fatal(err)
		}
		if a.Volatile != volatile {
			t.Errorf("%s: Volatile = %t", template, a.Volatile)
		}
		b, _ := w.compute(t)
		if a.InputFingerprint() != b.InputFingerprint() {
			t.Errorf("%s: the same inputs have two fingerprints", template)
		}
		w.vault = map[string]string{"app": `{"user":"other","password":"p"}`}
		if c, _ := w.compute(t); volatile && c.InputFingerprint() == a.InputFingerprint() {
			t.Errorf("%s: other inputs have the same fingerprint", template)
		}
	}
}

func TestFingerprint(t *testing.T) {
	base := func() Desired {
		return Desired{
			Data: map[string]redact.Bytes{"a": redact.Bytes("1"), "b": redact.Bytes("2")}, Labels: map[string]string{"l": "1"},
			Annotations: map[string]string{"n": "1"}, Finalizers: []string{"f"}, Type: "Opaque", Sources: []Provenance{{"p", 1}},
		}
	}
	if one, other := base(), base(); one.Fingerprint() != other.Fingerprint() {
		t.Error("equal Desired differ")
	}
	seen := map[string]string{base().Fingerprint(): "base"}
	for what, change := range map[string]func(*Desired){
		"value": func(d *Desired) { d.Data["a"] = redact.Bytes("x") }, "key": func(d *Desired) { d.Data["c"] = nil },
		"shifted": func(d *Desired) { d.Data = map[string]redact.Bytes{"a": redact.Bytes("1b"), "": redact.Bytes("2")} },
		"label":   func(d *Desired) { d.Labels["l"] = "2" }, "annotation": func(d *Desired) { d.Annotations["n"] = "2" },
		"moved":     func(d *Desired) { d.Labels, d.Annotations = map[string]string{}, map[string]string{"l": "1", "n": "1"} },
		"finalizer": func(d *Desired) { d.Finalizers = nil }, "type": func(d *Desired) { d.Type = "" },
		"immutable": func(d *Desired) { d.Immutable = true }, "source": func(d *Desired) { d.Sources[0].Version = 2 },
		"template": func(d *Desired) { d.HasTemplate = true }, "absent": func(d *Desired) { d.Absent = true }, "proven": func(d *Desired) { d.Proven = true },
	} {
		d := base()
		change(&d)
		if other, taken := seen[d.Fingerprint()]; taken {
			t.Errorf("%s has the fingerprint of %s", what, other)
		}
		seen[d.Fingerprint()] = what
	}
	if f := base().Fingerprint(); len(f) != 64 || strings.Trim(f, "0123456789abcdef") != "" {
		t.Errorf("fingerprint %q", f)
	}
}
