package mapping

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"
	"sigs.k8s.io/yaml"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

const canary = "canary-hunter2-7f3a"

// Whatever a template says: it ends, does not panic, stays in bounds, and its error
// has no data in it.
func FuzzTemplate(f *testing.F) {
	for _, text := range corpus {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "hunter2") {
			return // the template itself spells the value
		}
		data := map[string]string{"user": canary, "password": canary, "json": `{"a":{"b":"` + canary + `"}}`}
		limits := Limits{MaxWork: 2_000_000, MaxTemplateBytes: 1 << 16}
		for _, public := range []bool{true, false} {
			program, err := newEngine(limits.withDefaults()).compile(text, "{{", "}}", public)
			var out []byte
			if err == nil {
				out, err = program.render(data)
			}
			if len(out) > limits.MaxTemplateBytes {
				t.Errorf("rendered %d bytes", len(out))
			}
			if err != nil && (asFault(err) == nil || strings.Contains(err.Error(), "hunter2")) {
				t.Errorf("error: %v", err)
			}
		}
	})
}

// A property path never panics, never leaks, and a top-level key always wins.
func FuzzProperty(f *testing.F) {
	for _, property := range []string{"a", "a.b", `a\.b`, "list.#.name", "list.#(name==\"x\")#", "@this|@tostr", "{a,list}", "[a,b]", "*", "a?", "list.1", "..0", "#", "@dig:x", "!\"lit\"", "a|@pretty:{\"indent\":\"  \"}"} {
		f.Add(property, `{"a":{"b":"1"},"a.b":"2","list":[{"name":"x"},{"name":"y"}]}`)
	}
	f.Fuzz(func(t *testing.T, property, object string) {
		fields, ok := parseObject([]byte(object))
		if !ok {
			return
		}
		value, err := (documents{}).read(kv.NewPayload("p", 1, fields), "key", property)
		if err != nil {
			if asFault(err) == nil || asFault(err).at != "property" {
				t.Errorf("error: %v", err)
			}
			return
		}
		if len(value) > largest {
			t.Errorf("%d bytes", len(value))
		}
		if want, exact := fields[property]; exact && property != "" && string(value) != string(valueBytes(want)) {
			t.Errorf("%q = %q, want the top-level key's %q", property, value, valueBytes(want))
		}
		if property == "" && !json.Valid(value) {
			t.Errorf("the whole secret is no JSON: %q", value)
		}
		gjson.Valid(string(value))
	})
}

// Numbers: what extract writes is the same number as in Vault, always.
func FuzzNumber(f *testing.F) {
	for _, n := range []string{"0", "-0", "1.50", "1e3", "9007199254740993", "1e400", "-1.0e-7", "1E+2", "123456789012345678901234567890", "0.1", "5e-324", "1e99999999999"} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, literal string) {
		object, ok := parseObject([]byte(`{"n":` + literal + `}`))
		if !ok {
			return
		}
		n, ok := object["n"].(json.Number)
		if !ok {
			return
		}
		for _, text := range []string{plainNumber(n), nestedNumber(n)} {
			if text != n.String() && !sameNumber(text, n.String()) || !json.Valid([]byte(text)) {
				t.Errorf("%s becomes %s", n, text)
			}
		}
	})
}

// A rewrite either keeps every value under a key of its own, or fails.
func FuzzRewrite(f *testing.F) {
	f.Add("db_(.*)", "x-$1", "{{ .value | upper }}", `{"db_a":"1","b":"2"}`)
	f.Add("", "$0$0", "{{ .value }}{{ .value }}", `{"a":{"x":1},"b":{"y":2}}`)
	f.Add("a|b", "", "", `{"a":"1","b":"2"}`)
	f.Fuzz(func(t *testing.T, source, target, transform, object string) {
		fields, ok := parseObject([]byte(object))
		if !ok {
			return
		}
		in := values{}
		for key, value := range fields {
			in[key] = extractedBytes(value)
		}
		limits := Limits{MaxWork: 2_000_000}.withDefaults()
		c := &computation{limits: limits, engine: newEngine(limits)}
		out, err := c.rewrite([]eso.Rewrite{
			{RegExp: &eso.RewriteRegExp{Source: source, Target: target}}, {Transform: &eso.RewriteTransform{Template: transform}},
		}, in)
		if err != nil {
			if asFault(err) == nil {
				t.Errorf("error: %v", err)
			}
			return
		}
		if len(out) != len(in) {
			t.Errorf("%d keys became %d", len(in), len(out))
		}
		for key := range out {
			if len(key) > longestKey {
				t.Errorf("a key has %d bytes", len(key))
			}
		}
		if merged, err := c.rewrite([]eso.Rewrite{{Merge: &eso.RewriteMerge{ConflictPolicy: "Ignore"}}}, in); err == nil && merged == nil {
			t.Error("merge gave nothing and no error")
		}
	})
}

// The whole computation: no panic, the same bytes each time, nothing leaks, and what
// comes out fits a Secret. It changes neither the payloads nor the ExternalSecret.
func FuzzCompute(f *testing.F) {
	f.Add("dataFrom: [{extract: {key: a}}]", `{"k":"`+canary+`","n":1.50,"o":{"x":[1,null]}}`, `{"k":"v"}`)
	f.Add("target: {deletionPolicy: Merge, template: {mergePolicy: Merge, data: {x: '{{ .k | b64enc }}'}, metadata: {labels: {l: '{{ .k }}'}}}}\ndataFrom: [{extract: {key: a}}]\ndata: [{secretKey: y, remoteRef: {key: b, property: k}}]", `{"k":"`+canary+`"}`, `{"k":"v"}`)
	f.Add("dataFrom: [{find: {}, rewrite: [{merge: {strategy: JSON, into: all, conflictPolicy: Ignore}}]}]", `{"k":"`+canary+`"}`, `{"k":9007199254740993}`)
	f.Add("target: {template: {templateFrom: [{literal: '{{ range $k, $v := . }}{{ $k }}: {{ $v | quote }}\n{{ end }}', target: Annotations}]}}\ndata: [{secretKey: y, remoteRef: {key: a, decodingStrategy: Auto, nullBytePolicy: Fail}}]", `{"k":"aGk="}`, `{}`)
	f.Fuzz(func(t *testing.T, spec, a, b string) {
		if strings.Contains(spec, "hunter2") || !utf8.ValidString(spec) {
			return
		}
		// The names of keys may be shown; the value of one must not.
		for _, object := range []string{a, b} {
			if strings.Count(object, "hunter2") != strings.Count(object, `:"`+canary+`"`) {
				return
			}
		}
		es := &eso.ExternalSecret{}
		if yaml.UnmarshalStrict([]byte(spec), &es.Spec) != nil {
			return
		}
		payloads := map[string]kv.Payload{}
		for key, object := range map[string]string{"a": a, "b": b} {
			if fields, ok := parseObject([]byte(object)); ok {
				payloads[key] = kv.NewPayload("secret/data/"+key, 1, fields)
			}
		}
		in := readFrom(payloads, es)
		before := string(must(json.Marshal(es)))
		limits := Limits{MaxWork: 2_000_000}
		d, err := Compute(es, in, limits)
		again, errAgain := Compute(es, in, limits)
		if (err == nil) != (errAgain == nil) || err != nil && err.Error() != errAgain.Error() {
			t.Fatalf("errors differ: %v and %v", err, errAgain)
		}
		if err != nil {
			if _, ok := err.(*Error); !ok || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error: %v", err)
			}
			return
		}
		if !d.Volatile {
			if diff := cmp.Diff(strs(d), strs(again)); diff != "" || d.Fingerprint() != again.Fingerprint() {
				t.Errorf("not the same twice: %s", diff)
			}
		}
		if after := string(must(json.Marshal(es))); after != before {
			t.Error("Compute changed the ExternalSecret")
		}
		for key, object := range map[string]string{"a": a, "b": b} {
			if fields, ok := parseObject([]byte(object)); ok && !reflect.DeepEqual(fields, payloads[key].Fields()) {
				t.Error("Compute changed a payload")
			}
		}
		if err := checkSecretKeys(plain(d), name); err != nil && !d.Absent {
			t.Errorf("a key that no Secret can have: %v", err)
		}
	})
}

// readFrom gives each entry its payload, a find all of them.
func readFrom(payloads map[string]kv.Payload, es *eso.ExternalSecret) (in Inputs) {
	read := func(key string) Fetched {
		p, ok := payloads[key]
		return Fetched{Payload: p, Absent: !ok}
	}
	for _, data := range es.Spec.Data {
		in.Data = append(in.Data, read(data.RemoteRef.Key))
	}
	for _, from := range es.Spec.DataFrom {
		set := FetchedSet{Hits: payloads}
		if from.Extract != nil {
			set = FetchedSet{One: read(from.Extract.Key)}
		}
		in.DataFrom = append(in.DataFrom, set)
	}
	return in
}

func plain(d Desired) values {
	out := values{}
	for key, value := range d.Data {
		out[key] = value
	}
	return out
}
