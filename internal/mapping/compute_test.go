package mapping

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// payload is a KV answer at secret/data/<key>, version 3.
func payload(t testing.TB, key, object string) kv.Payload {
	t.Helper()
	fields, ok := parseObject([]byte(object))
	if !ok {
		t.Fatalf("no JSON object: %s", object)
	}
	return kv.NewPayload("secret/data/"+key, 3, fields)
}

// world is an ExternalSecret with what Vault has: key to JSON object; a key that is
// not there is proven absent. A find gets every key that it matches.
type world struct {
	spec    string
	meta    string
	vault   map[string]string
	sources map[SourceKey]map[string]redact.Bytes
	limits  Limits
}

func (w world) mapping(t testing.TB) (*eso.ExternalSecret, Inputs) {
	t.Helper()
	es := &eso.ExternalSecret{}
	if err := yaml.UnmarshalStrict([]byte("metadata: {name: es, namespace: apps}\nspec:\n"+indented(w.spec)), es); err != nil {
		t.Fatalf("%v in\n%s", err, w.spec)
	}
	if err := yaml.Unmarshal([]byte(w.meta), &es.ObjectMeta); err != nil {
		t.Fatal(err)
	}
	in := Inputs{Sources: w.sources}
	read := func(key string) Fetched {
		object, ok := w.vault[key]
		if !ok {
			return Fetched{Absent: true}
		}
		return Fetched{Payload: payload(t, key, object)}
	}
	for _, data := range es.Spec.Data {
		in.Data = append(in.Data, read(data.RemoteRef.Key))
	}
	for _, from := range es.Spec.DataFrom {
		var set FetchedSet
		switch {
		case from.Extract != nil:
			set.One = read(from.Extract.Key)
		case from.Find != nil:
			finder, err := NewFinder(from.Find)
			if err != nil {
				t.Fatal(err)
			}
			set.Hits, set.Absent = map[string]kv.Payload{}, len(w.vault) == 0
			for key, object := range w.vault {
				if finder.Match(key, nil) {
					set.Hits[key] = payload(t, key, object)
				}
			}
		}
		in.DataFrom = append(in.DataFrom, set)
	}
	return es, in
}

func indented(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")
}

func (w world) compute(t testing.TB) (Desired, error) {
	t.Helper()
	es, in := w.mapping(t)
	return Compute(es, in, w.limits)
}

// data is the wanted data as strings.
func (w world) data(t testing.TB) map[string]string {
	t.Helper()
	d, err := w.compute(t)
	if err != nil {
		t.Fatalf("Compute: %v", err)
	}
	return strs(d)
}

func strs(d Desired) map[string]string {
	out := map[string]string{}
	for key, value := range d.Data {
		out[key] = string(value.Reveal())
	}
	return out
}

// fails checks the whole text of the error, and its field.
func (w world) fails(t testing.TB, field, text string) {
	t.Helper()
	_, err := w.compute(t)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("Compute = %v, want an *Error", err)
	}
	if e.Field != field {
		t.Errorf("field = %q, want %q", e.Field, field)
	}
	if err.Error() != text {
		t.Errorf("error =\n  %s\nwant\n  %s", err, text)
	}
}

const everyKind = `{"str":"a<b>&\"c\"é","int":9007199254740993,"dec":1.50,"exp":1e3,"big":1e21,"tiny":1e-7,"t":true,"n":null,
	"obj":{"z":1.50,"a":"<&>","n":9007199254740993},"arr":[1,"<",{"k":null}],"tls.crt":"CERT","a":{"b.c":"dotted","list":[{"name":"x"},{"name":"y"}]}}`

func TestValuesByProperty(t *testing.T) {
	for property, want := range map[string]string{
		"str": `a<b>&"c"é`, "int": "9007199254740993", "dec": "1.50", "exp": "1e3", "t": "true", "n": "",
		"obj":     `{"a":"\u003c\u0026\u003e","n":9007199254740993,"z":1.50}`,
		"arr":     `[1,"\u003c",{"k":null}]`,
		"tls.crt": "CERT",
		// By path.
		"obj.n": "9007199254740993", "obj.z": "1.5", "obj.a": "<&>", "arr.1": "<", "arr.2": `{"k":null}`, "arr.2.k": "",
		`a.b\.c`: "dotted", "a.list.#.name": `["x","y"]`, "a.list.1.name": "y", "a.list.#": "2",
		"ob*.z": "1.5", `a.list.#(name="y").name`: "y", "obj|@keys": `["a","n","z"]`,
		`obj.{"x":a}`: `{"x":"\u003c\u0026\u003e"}`,
	} {
		t.Run(property, func(t *testing.T) {
			quoted, _ := json.Marshal(property)
			w := world{
				spec:  `data: [{secretKey: k, remoteRef: {key: app, property: ` + string(quoted) + `}}]`,
				vault: map[string]string{"app": everyKind},
			}
			if diff := cmp.Diff(map[string]string{"k": want}, w.data(t)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWholeSecretIsCompactJSON(t *testing.T) {
	w := world{
		spec: `data:
- {secretKey: k, remoteRef: {key: app}}
- {secretKey: empty, remoteRef: {key: none}}`,
		vault: map[string]string{"app": `{"z": 1.50, "a": "<", "b": [ 1 ]}`, "none": `{}`},
	}
	want := map[string]string{"k": `{"a":"\u003c","b":[1],"z":1.50}`, "empty": "{}"}
	if diff := cmp.Diff(want, w.data(t)); diff != "" {
		t.Error(diff)
	}
}

func TestExtract(t *testing.T) {
	w := world{spec: `dataFrom: [{extract: {key: app}}]`, vault: map[string]string{"app": everyKind}}
	want := map[string]string{
		"str": `a<b>&"c"é`, "int": "9007199254740993", "dec": "1.5", "exp": "1000", "big": "1000000000000000000000",
		"tiny": "0.0000001", "t": "true", "n": "", "tls.crt": "CERT",
		"obj": `{"a":"\u003c\u0026\u003e","n":9007199254740993,"z":1.5}`,
		"arr": `[1,"\u003c",{"k":null}]`,
		"a":   `{"b.c":"dotted","list":[{"name":"x"},{"name":"y"}]}`,
	}
	if diff := cmp.Diff(want, w.data(t)); diff != "" {
		t.Error(diff)
	}
}

func TestExtractOfAProperty(t *testing.T) {
	vault := map[string]string{"app": `{"native":{"a":1,"b":"x"},"text":"{\"a\":9007199254740993}","deep":{"er":{"c":"d"}},"no":"plain","list":[1],"null":null,"two":"{} {}"}`}
	for property, want := range map[string]map[string]string{
		"native": {"a": "1", "b": "x"}, "text": {"a": "9007199254740993"}, "deep.er": {"c": "d"},
	} {
		w := world{spec: `dataFrom: [{extract: {key: app, property: ` + property + `}}]`, vault: vault}
		if diff := cmp.Diff(want, w.data(t)); diff != "" {
			t.Errorf("%s: %s", property, diff)
		}
	}
	for _, property := range []string{"no", "list", "null", "two"} {
		w := world{spec: `dataFrom: [{extract: {key: app, property: "` + property + `"}}]`, vault: vault}
		w.fails(t, "spec.dataFrom[0].extract.property",
			`error processing spec.dataFrom[0].extract, err: the property "`+property+`" of "app" is no JSON object; name one that is, or read it by spec.data`)
	}
}

func TestMissingProperty(t *testing.T) {
	vault := map[string]string{"app/db": `{"user":"u","password":"p","tls.crt":"c"}`, "empty": `{}`}
	for _, tt := range []struct{ key, property, text string }{
		{"app/db", "pasword", `cannot find secret data for key: "pasword" in "app/db"; did you mean "password"?`},
		{"app/db", "Pass-Word", `cannot find secret data for key: "Pass-Word" in "app/db"; did you mean "password"?`},
		{"app/db", "zzz", `cannot find secret data for key: "zzz" in "app/db"; the keys are: "password", "tls.crt", "user"`},
		{"empty", "zzz", `cannot find secret data for key: "zzz" in "empty"; there are no keys`},
	} {
		for _, policy := range []string{"Retain", "Delete", "Merge"} {
			w := world{vault: vault, spec: `target: {deletionPolicy: ` + policy + `}
data: [{secretKey: k, remoteRef: {key: ` + tt.key + `, property: ` + tt.property + `}}]`}
			w.fails(t, "spec.data[0].remoteRef.property", `error processing spec.data[0] (key: `+tt.key+`), err: `+tt.text)
		}
	}
}

func TestPrecedence(t *testing.T) {
	w := world{
		spec: `dataFrom:
- {extract: {key: one}}
- {extract: {key: two}}
data:
- {secretKey: c, remoteRef: {key: three, property: v}}
- {secretKey: d, remoteRef: {key: three, property: v}}
- {secretKey: d, remoteRef: {key: three, property: w}}`,
		vault: map[string]string{"one": `{"a":"1","b":"1","c":"1"}`, "two": `{"b":"2","c":"2"}`, "three": `{"v":"3","w":"4"}`},
	}
	d, err := w.compute(t)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"a": "1", "b": "2", "c": "3", "d": "4"}, strs(d)); diff != "" {
		t.Error(diff)
	}
	want := []Provenance{{"secret/data/one", 3}, {"secret/data/three", 3}, {"secret/data/two", 3}}
	if diff := cmp.Diff(want, d.Sources); diff != "" {
		t.Error(diff)
	}
}

func TestAbsence(t *testing.T) {
	const gone = `data: [{secretKey: k, remoteRef: {key: gone}}]`
	partly := `target: {deletionPolicy: %}
dataFrom: [{extract: {key: gone}}, {extract: {key: app}}]
data: [{secretKey: k, remoteRef: {key: gone2}}]`
	app := map[string]string{"app": `{"a":"1"}`}
	world{spec: gone}.fails(t, "spec.data[0]", "error processing spec.data[0] (key: gone), err: Secret does not exist; write it to Vault, or correct the key in spec.data[0]")
	world{spec: `dataFrom: [{extract: {key: gone}}]`}.fails(t, "spec.dataFrom[0]", "error processing spec.dataFrom[0].extract, err: Secret does not exist; write it to Vault, or correct the key in spec.dataFrom[0]")
	world{spec: `dataFrom: [{find: {path: gone}}]`}.fails(t, "spec.dataFrom[0]", "error processing spec.dataFrom[0].find, err: Secret does not exist; write it to Vault, or correct the key in spec.dataFrom[0]")
	world{spec: strings.Replace(partly, "%", "Retain", 1), vault: app}.fails(t, "spec.dataFrom[0]", "error processing spec.dataFrom[0].extract, err: Secret does not exist; write it to Vault, or correct the key in spec.dataFrom[0]")
	for _, policy := range []string{"Delete", "Merge"} {
		d, err := world{spec: strings.Replace(partly, "%", policy, 1), vault: app}.compute(t)
		if err != nil {
			t.Fatal(err)
		}
		want := []Skip{{"spec.dataFrom[0]", "gone"}, {"spec.data[0]", "gone2"}}
		if diff := cmp.Diff(want, d.Skipped); diff != "" || d.Absent {
			t.Errorf("%s: absent %t, skipped %s", policy, d.Absent, diff)
		}
		if diff := cmp.Diff(map[string]string{"a": "1"}, strs(d)); diff != "" {
			t.Error(diff)
		}
		d, err = world{spec: "target: {deletionPolicy: " + policy + "}\n" + gone}.compute(t)
		if err != nil || !d.Absent || !d.Proven || len(d.Data) != 0 || len(d.Skipped) != 1 {
			t.Errorf("%s: all absent: %+v, %v", policy, d, err)
		}
		// Metadata that is not there is no absence of the secret.
		world{spec: "target: {deletionPolicy: " + policy + "}\ndata: [{secretKey: k, remoteRef: {key: gone, metadataPolicy: Fetch}}]"}.
			fails(t, "spec.data[0]", "error processing spec.data[0] (key: gone), err: secret not found")
	}
}

func TestNothingFoundIsNoProofOfAbsence(t *testing.T) {
	vault := map[string]string{"app": `{"a":"1"}`, "none": `{}`}
	for _, policy := range []string{"Retain", "Delete", "Merge"} {
		target := "target: {deletionPolicy: " + policy + "}\n"
		d, err := world{spec: target + `dataFrom: [{find: {name: {regexp: nothing}}}]`, vault: vault}.compute(t)
		if err != nil || !d.Absent || d.Proven {
			t.Errorf("%s: a find without hits: absent %t, proven %t, %v; want true, false", policy, d.Absent, d.Proven, err)
		}
		d, err = world{spec: target + `dataFrom: [{extract: {key: none}}]`, vault: vault}.compute(t)
		if err != nil || !d.Absent || !d.Proven {
			t.Errorf("%s: an empty secret: absent %t, proven %t, %v; want true, true", policy, d.Absent, d.Proven, err)
		}
	}
}

func TestNothingReadUnderMergeStillRenders(t *testing.T) {
	w := world{spec: `target: {deletionPolicy: Merge, template: {data: {fixed: "text"}}}
data: [{secretKey: k, remoteRef: {key: gone}}]`}
	if diff := cmp.Diff(map[string]string{"fixed": "text"}, w.data(t)); diff != "" {
		t.Error(diff)
	}
}

func TestMetadataOfThePayloadIsAPayload(t *testing.T) {
	w := world{
		spec: `data:
- {secretKey: owner, remoteRef: {key: app, metadataPolicy: Fetch, property: owner}}
- {secretKey: all, remoteRef: {key: app, metadataPolicy: Fetch}}`,
		vault: map[string]string{"app": `{"owner":"team-a","current_version":"3"}`},
	}
	want := map[string]string{"owner": "team-a", "all": `{"current_version":"3","owner":"team-a"}`}
	if diff := cmp.Diff(want, w.data(t)); diff != "" {
		t.Error(diff)
	}
}

func TestSizeAndNumberOfKeys(t *testing.T) {
	w := world{
		spec:   `dataFrom: [{extract: {key: app}}]`,
		vault:  map[string]string{"app": `{"big":"` + strings.Repeat("x", 90) + `","small":"y","mid":"` + strings.Repeat("z", 20) + `"}`},
		limits: Limits{MaxSecretBytes: 100},
	}
	w.fails(t, "spec", `spec: the Secret would hold 122 bytes, and at most 100 fit; take fewer keys, or split it over several ExternalSecrets; the biggest are "big" (93 bytes), "mid" (23 bytes), "small" (6 bytes)`)
	w.limits = Limits{MaxKeys: 2}
	w.fails(t, "spec.dataFrom[0].extract.key", `error processing spec.dataFrom[0].extract, err: "app" has 3 keys, more than the limit of 2`)
	w.spec, w.vault = `dataFrom: [{find: {}}]`, map[string]string{"a": `{}`, "b": `{}`, "c": `{}`}
	w.fails(t, "spec.dataFrom[0].find", `error processing spec.dataFrom[0].find, err: 3 secrets are selected, more than the limit of 2; narrow find.path, find.name.regexp or find.tags`)
	w.limits = Limits{}
	if got := len(w.data(t)); got != 3 {
		t.Errorf("%d keys, want 3", got)
	}
}

func TestEntriesThatAreNotServed(t *testing.T) {
	generator := `{generatorRef: {kind: Password, name: p}}`
	world{spec: `dataFrom: [{sourceRef: ` + generator + `}]`}.fails(t, "spec.dataFrom[0].sourceRef.generatorRef",
		"error processing spec.dataFrom[0].sourceRef.generatorRef, err: generators are not supported; leave this ExternalSecret to External Secrets Operator, or read a path of Vault")
	world{spec: `data: [{secretKey: k, remoteRef: {key: a}, sourceRef: ` + generator + `}]`}.fails(t, "spec.data[0].sourceRef.generatorRef",
		"error processing spec.data[0] (key: a), err: generators are not supported; leave this ExternalSecret to External Secrets Operator, or read a path of Vault")
	world{spec: `dataFrom: [{}]`}.fails(t, "spec.dataFrom[0]",
		"error processing spec.dataFrom[0].extract, err: either extract, find, or sourceRef must be set to dataFrom")
}

func TestInputsOfAnotherSpec(t *testing.T) {
	es, in := world{spec: `data: [{secretKey: k, remoteRef: {key: a}}]`, vault: map[string]string{"a": `{}`}}.mapping(t)
	in.Data = nil
	if _, err := Compute(es, in, Limits{}); err == nil {
		t.Error("no error")
	}
}

func TestImmutable(t *testing.T) {
	d, err := world{spec: `target: {immutable: true}
dataFrom: [{extract: {key: a}}]`, vault: map[string]string{"a": `{"k":"v"}`}}.compute(t)
	if err != nil || !d.Immutable {
		t.Errorf("Immutable = %t, %v", d.Immutable, err)
	}
}
