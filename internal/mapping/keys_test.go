package mapping

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

func TestDecodingStrategies(t *testing.T) {
	const std, url = "+/+/", "-_-_"
	for _, tt := range []struct {
		strategy    eso.DecodingStrategy
		value, want string
	}{
		{"", "aGk=", "aGk="},
		{eso.DecodeNone, "aGk=", "aGk="},
		{eso.DecodeBase64, "aGk=", "hi"},
		{eso.DecodeBase64, std, "\xfb\xff\xbf"},
		{eso.DecodeBase64, "", ""},
		{eso.DecodeBase64URL, url, "\xfb\xff\xbf"},
		{eso.DecodeAuto, std, "\xfb\xff\xbf"},
		{eso.DecodeAuto, url, "\xfb\xff\xbf"},
		{eso.DecodeAuto, "plain text", "plain text"},
		{eso.DecodeAuto, "1234", "\xd7m\xf8"},
		{eso.DecodeAuto, "aGk", "aGk"},
	} {
		got, err := decode(tt.strategy, []byte(tt.value))
		if err != nil || string(got) != tt.want {
			t.Errorf("%s of %q = %q, %v; want %q", tt.strategy, tt.value, got, err, tt.want)
		}
	}
	for _, tt := range []struct {
		strategy eso.DecodingStrategy
		value    string
	}{{eso.DecodeBase64, "aGk"}, {eso.DecodeBase64, url}, {eso.DecodeBase64URL, std}, {eso.DecodeBase64, "hunter2!"}, {"Rot13", "x"}} {
		if got, err := decode(tt.strategy, []byte(tt.value)); err == nil {
			t.Errorf("%s of %q = %q, want an error", tt.strategy, tt.value, got)
		}
	}
}

func TestDecodingAndNullBytesInEntries(t *testing.T) {
	vault := map[string]string{"app": `{"a":"aGk=","zero":"AAA=","raw":"x\u0000y","bad":"hunter2!"}`, "dir": `{"k":"v"}`}
	w := world{vault: vault, spec: `data:
- {secretKey: a, remoteRef: {key: app, property: a, decodingStrategy: Base64}}
- {secretKey: raw, remoteRef: {key: app, property: raw, nullBytePolicy: Ignore}}
- {secretKey: zero, remoteRef: {key: app, property: zero, nullBytePolicy: Fail}}`}
	if diff := cmp.Diff(map[string]string{"a": "hi", "raw": "x\x00y", "zero": "AAA="}, w.data(t)); diff != "" {
		t.Error(diff)
	}
	w.spec = `data: [{secretKey: k, remoteRef: {key: app, property: bad, decodingStrategy: Base64}}]`
	w.fails(t, "spec.data[0].remoteRef.decodingStrategy",
		"error processing spec.data[0] (key: app), err: error applying decoding strategy Base64 to data: illegal base64 data at input byte 7")
	w.spec = `dataFrom: [{extract: {key: app, decodingStrategy: Base64}}]`
	w.fails(t, "spec.dataFrom[0].extract.decodingStrategy",
		`error processing spec.dataFrom[0].extract, err: failure decoding key "bad": error applying decoding strategy Base64 to data: illegal base64 data at input byte 7`)
	w.spec = `data: [{secretKey: k, remoteRef: {key: app, property: zero, decodingStrategy: Base64, nullBytePolicy: Fail}}]`
	w.fails(t, "spec.data[0].remoteRef.nullBytePolicy",
		"error processing spec.data[0] (key: app), err: the value holds a null byte, which nullBytePolicy Fail refuses")
	w.spec = `dataFrom: [{extract: {key: app, nullBytePolicy: Fail}}]`
	w.fails(t, "spec.dataFrom[0].extract.nullBytePolicy",
		`error processing spec.dataFrom[0].extract, err: failure decoding key "raw": the value holds a null byte, which nullBytePolicy Fail refuses`)
	// find decodes the document, which is no base64, and not its fields.
	w.spec = `dataFrom: [{find: {name: {regexp: dir}, decodingStrategy: Auto}}]`
	if diff := cmp.Diff(map[string]string{"dir": `{"k":"v"}`}, w.data(t)); diff != "" {
		t.Error(diff)
	}
}

func TestConversionOfKeys(t *testing.T) {
	for _, tt := range []struct{ strategy, key, want string }{
		{"", "dev/app/db", "dev_app_db"},
		{"Default", "a b:c", "a_b_c"},
		{"Unicode", "dev/app", "dev_U002f_app"},
		{"Unicode", "a\U0001F600b", "a_U1f600_b"},
		{"Unicode", "a-b.c_d9", "a-b.c_d9"},
		{"Default", "größe½", "größe½"},
	} {
		if got := convertKey(tt.strategy, tt.key); got != tt.want {
			t.Errorf("%s of %q = %q, want %q", tt.strategy, tt.key, got, tt.want)
		}
	}
	w := world{spec: `dataFrom: [{extract: {key: app}}]`, vault: map[string]string{"app": `{"a/b":"1","a:b":"2"}`}}
	w.fails(t, "spec.dataFrom[0].extract.conversionStrategy",
		`error processing spec.dataFrom[0].extract, err: error applying conversion strategy Default to keys: secret name collision during conversion: a_b (from "a/b" and "a:b")`)
	w.spec = `dataFrom: [{extract: {key: app, conversionStrategy: Unicode}}]`
	if diff := cmp.Diff(map[string]string{"a_U002f_b": "1", "a_U003a_b": "2"}, w.data(t)); diff != "" {
		t.Error(diff)
	}
	// A rewrite takes the place of the conversion.
	w.spec = `dataFrom: [{extract: {key: app}, rewrite: [{regexp: {source: "zzz", target: ""}}]}]`
	w.fails(t, "spec.dataFrom[0]",
		`error processing spec.dataFrom[0].extract, err: invalid secret keys (TIP: use rewrite or conversionStrategy to change keys): only alphanumeric, '-', '.' and '_' are allowed: "a/b"`)
}

func TestKeysThatASecretCannotHave(t *testing.T) {
	long := strings.Repeat("k", 254)
	const tip = "invalid secret keys (TIP: use rewrite or conversionStrategy to change keys): "
	for _, tt := range []struct{ key, field, text string }{
		{long, "spec.dataFrom[0]", "error processing spec.dataFrom[0].extract, err: " + tip + `key has length 254 but max is 253: "` + long[:80] + `"… (254 bytes)`},
		{"größe", "spec", "spec: " + tip + `a Secret's key has only the letters A to Z and a to z, digits, '-', '.' and '_': "größe"`},
		{"..", "spec", "spec: " + tip + `a Secret's key is not empty, not "." and does not begin with "..": ".."`},
	} {
		world{spec: `dataFrom: [{extract: {key: app}}]`, vault: map[string]string{"app": `{"` + tt.key + `":"v"}`}}.fails(t, tt.field, tt.text)
	}
	w := world{spec: `dataFrom: [{extract: {key: app}}]`, vault: map[string]string{"app": `{"":"dropped","a":"kept","` + long[1:] + `":"fits"}`}}
	if diff := cmp.Diff(map[string]string{"a": "kept", long[1:]: "fits"}, w.data(t)); diff != "" {
		t.Error(diff)
	}
	// A template may read what a Secret cannot have.
	w = world{vault: map[string]string{"app": `{"größe":"7"}`}, spec: `target: {template: {data: {size: '{{ index . "größe" }}'}}}
dataFrom: [{extract: {key: app}}]`}
	if diff := cmp.Diff(map[string]string{"size": "7"}, w.data(t)); diff != "" {
		t.Error(diff)
	}
}
