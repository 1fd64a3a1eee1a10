package mapping

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// One key, one field: writing the origin changes that key to that value.
func TestOriginOf(t *testing.T) {
	vault := map[string]string{
		"app/db": `{"password":"old","user":"u","deep":{"er":{"pw":"old"},"b64":"b2xk"},"a.b":"literal","enc":"b2xkIG9sZA==","tls/key":"k"}`,
		"other":  `{"password":"other","x":"1"}`,
	}
	for _, tt := range []struct {
		name, spec, key, property string
		value                     string
	}{
		{"data", `data: [{secretKey: pw, remoteRef: {key: app/db, property: password}}]`, "pw", "password", "new"},
		{"data, the last of two", `data: [{secretKey: pw, remoteRef: {key: other, property: x}}, {secretKey: pw, remoteRef: {key: app/db, property: password}}]`, "pw", "password", "new"},
		{"nested", `data: [{secretKey: pw, remoteRef: {key: app/db, property: deep.er.pw}}]`, "pw", "deep.er.pw", "new"},
		{"a dot that is part of the name", `data: [{secretKey: pw, remoteRef: {key: app/db, property: a.b}}]`, "pw", "a.b", "new"},
		{"base64", `data: [{secretKey: pw, remoteRef: {key: app/db, property: enc, decodingStrategy: Base64}}]`, "pw", "enc", "\xff\x00binary"},
		{"base64 by itself", `data: [{secretKey: pw, remoteRef: {key: app/db, property: enc, decodingStrategy: Auto}}]`, "pw", "enc", "new"},
		{"plain that looks like base64", `data: [{secretKey: pw, remoteRef: {key: app/db, property: user, decodingStrategy: Auto}}]`, "pw", "user", "abcdabcd"},
		{"extract", `dataFrom: [{extract: {key: app/db}}]`, "password", "password", "new"},
		{"extract of a property", `dataFrom: [{extract: {key: app/db, property: deep.er}}]`, "pw", "deep.er.pw", "new"},
		{"a converted key", `dataFrom: [{extract: {key: app/db}}]`, "tls_key", "tls/key", "new"},
		{"the later of two extracts", `dataFrom: [{extract: {key: other}}, {extract: {key: app/db}}]`, "password", "password", "new"},
		{"data over extract", "dataFrom: [{extract: {key: other}}]\ndata: [{secretKey: password, remoteRef: {key: app/db, property: deep.er.pw}}]", "password", "deep.er.pw", "new"},
		{"a template that hands on", "data: [{secretKey: pw, remoteRef: {key: app/db, property: password}}]\ntarget: {template: {data: {PASS: '{{ .pw }}'}}}", "PASS", "password", "new"},
		{"beside a template", "dataFrom: [{extract: {key: app/db}}]\ntarget: {template: {mergePolicy: Merge, data: {url: 'x {{ .user }}'}}}", "password", "password", "new"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			es, in := world{vault: vault, spec: tt.spec}.mapping(t)
			o, err := OriginOf(es, in, tt.key)
			if err != nil {
				t.Fatal(err)
			}
			if o.Property() != tt.property || o.Key != "app/db" {
				t.Errorf("%s of %s", o.Property(), o.Key)
			}
			text, err := o.Encode(redact.Bytes(tt.value))
			if err != nil {
				t.Fatal(err)
			}
			fields := copied(o.Payload.Fields())
			if err := o.Set(fields, text); err != nil || !o.Holds(fields, text) || o.Holds(o.Payload.Fields(), text) {
				t.Errorf("set: %v", err)
			}
			after, err := Compute(es, in.Replaced(es, o, fields), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if got := string(after.Data[tt.key].Reveal()); got != tt.value {
				t.Errorf("the Secret would hold %q, want %q", got, tt.value)
			}
		})
	}
}

func copied(object map[string]any) map[string]any {
	out := maps.Clone(object)
	for name, value := range out {
		if inner, ok := value.(map[string]any); ok {
			out[name] = copied(inner)
		}
	}
	return out
}

// What is no single field has no origin, and the error says what to do.
func TestNoOrigin(t *testing.T) {
	vault := map[string]string{"app/db": `{"password":"old","user":"u","list":[{"n":"1"}],"text":"{\"pw\":\"x\"}"}`}
	for _, tt := range []struct{ name, spec, key, field, says string }{
		{"no such key", `data: [{secretKey: pasword, remoteRef: {key: app/db, property: password}}]`, "password", "spec", `did you mean "pasword"?`},
		{"rendered", "dataFrom: [{extract: {key: app/db}}]\ntarget: {template: {data: {url: 'x://{{ .user }}:{{ .password }}@h'}}}", "url", "spec.target.template.data[url]", `rendered by a template of "password", "user"; name the field itself with --path and --property`},
		{"rendered from a literal", "dataFrom: [{extract: {key: app/db}}]\ntarget: {template: {templateFrom: [{literal: 'url: {{ .user }}'}]}}", "url", "spec.target.template", "rendered by a template"},
		{"the whole secret", `data: [{secretKey: all, remoteRef: {key: app/db}}]`, "all", "spec.data[0].remoteRef", `the whole of "app/db" as JSON`},
		{"a list", `data: [{secretKey: one, remoteRef: {key: app/db, property: list.0.n}}]`, "one", "spec.data[0].remoteRef", "more than plain names"},
		{"pinned", `data: [{secretKey: pw, remoteRef: {key: app/db, property: password, version: "3"}}]`, "pw", "spec.data[0].remoteRef", "pinned to version 3"},
		{"pinned extract", `dataFrom: [{extract: {key: app/db, version: "3"}}]`, "password", "spec.dataFrom[0].extract", "pinned to version 3"},
		{"metadata", `data: [{secretKey: pw, remoteRef: {key: app/db, property: password, metadataPolicy: Fetch}}]`, "pw", "spec.data[0].remoteRef", "metadata"},
		{"rewritten", `dataFrom: [{extract: {key: app/db}, rewrite: [{regexp: {source: "^", target: "x-"}}]}]`, "x-password", "spec.dataFrom[0].extract", "name from a rewrite"},
		{"found", `dataFrom: [{find: {name: {regexp: "."}}}]`, "app_db", "spec.dataFrom[0].find", "whole of a secret that find selects"},
		{"JSON as text", `dataFrom: [{extract: {key: app/db, property: text}}]`, "pw", "spec.dataFrom[0].extract", "holds JSON as text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			es, in := world{vault: vault, spec: tt.spec}.mapping(t)
			_, err := OriginOf(es, in, tt.key)
			var e *Error
			if !errors.As(err, &e) || e.Field != tt.field || !strings.Contains(e.Detail, tt.says) {
				t.Errorf("%+v, want %s and %q", err, tt.field, tt.says)
			}
		})
	}
}

func TestOriginAt(t *testing.T) {
	vault := map[string]string{"app/db": `{"password":"old","user":"u"}`}
	for _, spec := range []string{
		`data: [{secretKey: all, remoteRef: {key: app/db}}]`,
		"dataFrom: [{extract: {key: app/db}}]\ntarget: {template: {data: {url: 'x://{{ .password }}'}}}",
		`dataFrom: [{find: {name: {regexp: "."}}}]`,
		`data: [{secretKey: old, remoteRef: {key: app/db, property: user, version: "2"}}, {secretKey: all, remoteRef: {key: app/db}}]`,
	} {
		es, in := world{vault: vault, spec: spec}.mapping(t)
		for _, path := range []string{"secret/app/db", "secret/data/app/db"} {
			o, err := OriginAt(es, in, path, "password")
			if err != nil || o.Property() != "password" || o.Payload.Path != "secret/data/app/db" {
				t.Errorf("%s: %+v, %v", spec, o, err)
			}
		}
	}
	es, in := world{vault: vault, spec: `data: [{secretKey: all, remoteRef: {key: app/db}}, {secretKey: old, remoteRef: {key: app/db, property: user, version: "2"}}]`}.mapping(t)
	for says, at := range map[string][2]string{
		`this mapping does not read "app/dbb"; it reads "app/db"`:             {"app/dbb", "password"},
		`there is no property "pasword" in "app/db"; did you mean "password"`: {"app/db", "pasword"},
	} {
		if _, err := OriginAt(es, in, at[0], at[1]); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v, want %q", at, err, says)
		}
	}
	es, in = world{vault: vault, spec: `data: [{secretKey: old, remoteRef: {key: app/db, property: user, version: "2"}}]`}.mapping(t)
	if _, err := OriginAt(es, in, "app/db", "user"); err == nil || !strings.Contains(err.Error(), "pinned to version 2") {
		t.Errorf("pinned: %v", err)
	}
}

// A value that JSON cannot carry is refused where nothing decodes it.
func TestEncodeRefusesBinary(t *testing.T) {
	es, in := world{vault: map[string]string{"a": `{"k":"v"}`}, spec: `data: [{secretKey: k, remoteRef: {key: a, property: k}}]`}.mapping(t)
	o, err := OriginOf(es, in, "k")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Encode(redact.Bytes("canary\xff")); err == nil || !strings.Contains(err.Error(), "decodingStrategy: Base64") || strings.Contains(err.Error(), "canary") {
		t.Errorf("%v", err)
	}
}
