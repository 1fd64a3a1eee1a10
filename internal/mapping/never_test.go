package mapping

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// canaries are values that make things fail in their own ways: text where JSON,
// base64, PEM or a number is wanted, characters that keys and labels cannot have.
var canaries = []string{
	"canary-hunter2", "canary hunter2\x00", `{"canary":"hunter2"`, "canary: hunter2: [", "-----BEGIN CANARY-----\nhunter2\n-----END CANARY-----",
	"{{ .canary }}", `map has no entry for key "canary"`, ": error calling canary: x", "canary-" + strings.Repeat("hunter2", 600),
}

// shows finds a canary in a text, plain, quoted, or encoded.
func shows(text, canary string) bool {
	quoted, _ := json.Marshal(canary)
	probe := canary[:min(len(canary), 14)]
	for _, form := range []string{
		canary, probe, strings.Trim(string(quoted), `"`), strings.Trim(fmt.Sprintf("%q", probe), `"`),
		base64.StdEncoding.EncodeToString([]byte(canary))[:12], hex.EncodeToString([]byte(probe)),
	} {
		if strings.Contains(text, form) {
			return true
		}
	}
	return strings.Contains(text, "hunter2")
}

// failingCalls are actions that fail on a value that is not what they want.
var failingCalls = []string{
	"fail .v", "printf .v | fail", "fail (print `x` .v)", "mustFromJson .v", "index .v 99999", "index (dict) .v | fail", "mustToDate .v .v", "mustRegexMatch .v .v", "regexFind (cat `(` .v) .v",
	"regexReplaceAll (cat `(` .v) .v .v", "semver .v", "semverCompare .v .v", "pkcs12key .v", "pkcs12certPass .v .v", "pemToPkcs12 .v .v", "fullPemToPkcs12 .v .v", "pemTruststoreToPKCS12 .v",
	"filterPEM .v .v", "filterCertChain .v .v", "certSANs .v", "jwkPublicKeyPem .v", "jwkPrivateKeyPem .v", "rsaDecrypt .v .v .v .v", "rsaDecrypt `RSA-OAEP` .v .v .v",
	"genSignedCert .v nil nil 1 .v", "genCAWithKey .v 1 .v", "buildCustomCert .v .v", "buildCustomCert (b64enc .v) (b64enc .v)", "decryptAES .v .v", "derivePassword 1 .v .v .v .v", "genPrivateKey .v | fail",
	"dict .v | toJson | fail", "dig .v .v (dict)", "dig .v (dict .v .v)", "first .v", "mustFirst .v", "mustUniq .v", "uniq .v", "chunk 0 (list .v)", "mustSlice .v .v", "slice (list .v) 9 1", "has .v .v",
	"date .v .v | fail", "dateInZone .v 0 .v", "htmlDateInZone 0 .v", "date_modify .v now | print | fail", "mustDateModify .v now", "ternary .v .v .v", "until .v", "repeat .v 1", "merge .v .v", "set .v .v .v",
	"call .v", "len 1", "slice .v 5 1", "html .v | fail", "len .v | printf .v | fail", "urlParse .v | toJson | fail", "urlJoin .v", "join .v 1 | fail", "substr 9 1 .v", "trunc -99999 .v | fail", "toDecimal .v | print | fail",
	"randInt 5 1", "atoi .v | print | fail", "template", "range .v}}{{end", "range $i, $e := .v}}{{end", "with .v}}{{ .x }}{{end", "(fromJson .json).a.b.c", "lt .v 1", "eq .v 1", "eq (list .v) 1", "index .v", "index (list .v) .v", ".v.x", "(print .v).x", "template `x` .v",
	"quote .v | upper | fail", "nil .v", "1 .v", "$ .v", "break", "print (fail .v)", "kindOf .v | fail", "sha256sum .v | fail",
}

// N6 and N2: whatever fails, and however, no error and no print has a value in it.
func TestNeverDoesAnErrorHoldAValue(t *testing.T) {
	template := func(text string) string {
		return "target: {template: {data: {k: " + yamlString(text) + "}}}\n" + extractApp
	}
	specs := []string{
		`data: [{secretKey: k, remoteRef: {key: app, property: missing}}]`,
		`data: [{secretKey: k, remoteRef: {key: app, property: v.x}}]`,
		`data: [{secretKey: k, remoteRef: {key: app, property: v, decodingStrategy: Base64}}]`,
		`data: [{secretKey: k, remoteRef: {key: app, property: v, decodingStrategy: Base64URL}}]`,
		`data: [{secretKey: k, remoteRef: {key: app, property: v, nullBytePolicy: Fail}}]`,
		`dataFrom: [{extract: {key: app, property: v}}]`, `dataFrom: [{extract: {key: app, decodingStrategy: Base64}}]`,
		`dataFrom: [{extract: {key: app, nullBytePolicy: Fail}}]`, `dataFrom: [{extract: {key: app}, rewrite: [{merge: {}}]}]`,
		`dataFrom: [{extract: {key: app}, rewrite: [{merge: {strategy: JSON, into: x}}]}]`, `dataFrom: [{find: {decodingStrategy: Base64}}]`,
		"target: {template: {metadata: {labels: {l: '{{ .v }} !'}}}}\n" + extractApp, "target: {template: {metadata: {labels: {l: '!{{ .v }}'}}}}\n" + extractApp,
		"target: {template: {templateFrom: [{literal: '{{ .v }}'}]}}\n" + extractApp, "target: {template: {templateFrom: [{literal: '{{ .v | quote }}: 1'}]}}\n" + extractApp,
		"target: {template: {templateFrom: [{literal: '{{ .v | quote }}: \"x\"'}]}}\n" + extractApp, "target: {template: {templateFrom: [{literal: '\"x {{ .v | b64enc }}\": y'}]}}\n" + extractApp,
		"target: {template: {templateFrom: [{target: Labels, literal: '{{ .v | quote }}: \"x\"'}]}}\n" + extractApp,
		"target: {template: {templateFrom: [{target: Annotations, literal: '{{ .v | quote }}: \"x\"'}]}}\n" + extractApp,
		"target: {template: {templateFrom: [{valuesDecodingStrategy: Base64, literal: 'a: {{ .v | quote }}'}]}}\n" + extractApp,
		"target: {template: {templateFrom: [{secret: {name: s, items: [{key: t}]}}]}}\n" + extractApp,
		"target: {template: {templateFrom: [{secret: {name: s, items: [{key: t, templateAs: KeysAndValues}]}}]}}\n" + extractApp,
	}
	for _, call := range failingCalls {
		specs = append(specs, template("{{ "+call+" }}"))
	}
	failures := 0
	for _, canary := range canaries {
		object, _ := json.Marshal(map[string]any{"v": canary, "json": `{"a":` + string(must(json.Marshal(canary))) + `}`, "nested": map[string]any{"x": canary}})
		for _, spec := range specs {
			for _, limits := range []Limits{{MaxWork: 30_000_000}, {MaxSecretBytes: 1}, {MaxWork: 2000}, {MaxTemplateBytes: 1}} {
				d, err := world{
					spec: spec, vault: map[string]string{"app": string(object)}, limits: limits,
					sources: map[SourceKey]map[string]redact.Bytes{{"Secret", "s"}: {"t": redact.Bytes(canary + "{{ nope")}},
				}.compute(t)
				if err != nil {
					failures++
					for _, text := range []string{err.Error(), fmt.Sprintf("%v %+v %#v", err, err, err)} {
						if shows(text, canary) {
							t.Fatalf("the error of\n%s\nshows %q:\n%s", spec, canary, text)
						}
					}
				}
				var log strings.Builder
				slog.New(slog.NewTextHandler(&log, nil)).Info("x", "desired", d, "fingerprint", d.Fingerprint())
				if text := fmt.Sprintf("%v %+v %#v %s", d, d, d, log.String()); shows(text, canary) {
					t.Fatalf("printing the result of\n%s\nshows %q:\n%s", spec, canary, text)
				}
			}
		}
	}
	if least := len(specs) * len(canaries); failures < least {
		t.Errorf("only %d of at least %d runs failed: this test tests nothing", failures, least)
	}
}

func must(raw []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return raw
}

// yamlString is a text as a YAML scalar.
func yamlString(text string) string { return string(must(json.Marshal(text))) }
