package mapping

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const rewritePrefix = "error processing spec.dataFrom[0].extract, err: error applying rewrite to keys: failed rewrite operation"

func TestRewrite(t *testing.T) {
	vault := map[string]string{
		"app":  `{"db_user":"u","db_pass":"p","other":"o"}`,
		"envs": `{"dev":{"host":"d","port":1.50,"id":9007199254740993},"prod":{"name":"<&>","f":true},"empty":{}}`,
		"over": `{"a":{"k":"a","only":"a"},"b":{"k":"b"},"c":{"k":"c"}}`,
	}
	for _, tt := range []struct {
		name, key, rewrite string
		want               map[string]string
	}{
		{"regexp", "app", `[{regexp: {source: "db_(.*)", target: "DB-$1"}}]`, map[string]string{"DB-user": "u", "DB-pass": "p", "other": "o"}},
		{"in order", "app", `[{regexp: {source: "db_", target: ""}}, {regexp: {source: "^", target: "x."}}]`, map[string]string{"x.user": "u", "x.pass": "p", "x.other": "o"}},
		{"transform", "app", `[{transform: {template: '{{ .value | upper | replace "_" "-" }}'}}]`, map[string]string{"DB-USER": "u", "DB-PASS": "p", "OTHER": "o"}},
		{"to nothing is dropped", "app", `[{regexp: {source: "^other$", target: ""}}]`, map[string]string{"db_user": "u", "db_pass": "p"}},
		{"merge extracts", "envs", `[{merge: {}}]`, map[string]string{"host": "d", "port": "1.5", "id": "9007199254740993", "name": "<&>", "f": "true"}},
		{"merge to JSON", "envs", `[{merge: {strategy: JSON, into: all}}]`, map[string]string{
			"all":  `{"f":true,"host":"d","id":9007199254740993,"name":"<&>","port":1.5}`,
			"dev":  `{"host":"d","id":9007199254740993,"port":1.5}`,
			"prod": `{"f":true,"name":"\u003c\u0026\u003e"}`, "empty": "{}",
		}},
		{"later wins", "over", `[{merge: {conflictPolicy: Ignore}}]`, map[string]string{"k": "c", "only": "a"}},
		{"priority wins", "over", `[{merge: {conflictPolicy: Ignore, priority: [b, a]}}]`, map[string]string{"k": "a", "only": "a"}},
		{"unknown priority is passed over", "over", `[{merge: {conflictPolicy: Ignore, priorityPolicy: IgnoreNotFound, priority: [zzz, b]}}]`, map[string]string{"k": "b", "only": "a"}},
		{"merge, then keys", "envs", `[{merge: {}}, {regexp: {source: "^", target: "X_"}}]`, map[string]string{"X_host": "d", "X_port": "1.5", "X_id": "9007199254740993", "X_name": "<&>", "X_f": "true"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := world{vault: vault, spec: `dataFrom: [{extract: {key: ` + tt.key + `}, rewrite: ` + tt.rewrite + `}]`}
			if diff := cmp.Diff(tt.want, w.data(t)); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, tt := range []struct{ name, key, rewrite, field, text string }{
		{
			"regexp collision", "app", `[{regexp: {source: "db_.*", target: "x"}}]`, "spec.dataFrom[0].rewrite[0]",
			`[0]: keys "db_pass" and "db_user" both become "x"; make the result differ`,
		},
		{
			"transform collision", "app", `[{regexp: {source: a, target: a}}, {transform: {template: 'same'}}]`, "spec.dataFrom[0].rewrite[1]",
			`[1]: keys "db_pass" and "db_user" both become "same"; make the result differ`,
		},
		{"transform fails", "app", `[{transform: {template: '{{ .key }}'}}]`, "spec.dataFrom[0].rewrite[0]", `[0]: transform of key "db_pass": could not execute template: line 1, column 4: map has no entry for key "key"; the keys are: "value"`},
		{"transform does not parse", "app", `[{transform: {template: '{{ nope }}'}}]`, "spec.dataFrom[0].rewrite[0]", `[0]: transform: could not parse template: line 1: function "nope" not defined: there is no such function`},
		{"regexp does not compile", "app", `[{regexp: {source: "(", target: ""}}]`, "spec.dataFrom[0].rewrite[0]", "[0]: regexp: error parsing regexp: missing closing ): `(`"},
		{"not an object", "app", `[{merge: {}}]`, "spec.dataFrom[0].rewrite[0]", `[0]: merge failed: the value of key "db_pass" is no JSON object`},
		{"conflicts", "over", `[{merge: {}}]`, "spec.dataFrom[0].rewrite[0]", `[0]: merge failed with conflicts: "k"; rename them in Vault, or set conflictPolicy: Ignore to let the later one win`},
		{"conflicts with priority", "over", `[{merge: {priority: [a]}}]`, "spec.dataFrom[0].rewrite[0]", `[0]: merge failed with conflicts: "k"; rename them in Vault, or set conflictPolicy: Ignore to let the later one win`},
		{"unknown priority", "over", `[{merge: {priority: [bb]}}]`, "spec.dataFrom[0].rewrite[0]", `[0]: merge failed with key "bb" not found in input map; the keys are: "a", "b", "c"`},
		{"JSON without into", "envs", `[{merge: {strategy: JSON}}]`, "spec.dataFrom[0].rewrite[0]", `[0]: merge failed with missing 'into' field; strategy JSON needs the key to write to`},
		{"too long", "app", `[{regexp: {source: "", target: "` + strings.Repeat("x", 5000) + `"}}]`, "spec.dataFrom[0].rewrite[0]", `[0]: key "db_pass" would become longer than 4096 bytes`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			world{vault: vault, spec: `dataFrom: [{extract: {key: ` + tt.key + `}, rewrite: ` + tt.rewrite + `}]`}.fails(t, tt.field, rewritePrefix+tt.text)
		})
	}
}

func TestNeverDoesARewriteRunAway(t *testing.T) {
	double := strings.TrimSuffix(strings.Repeat(`{regexp: {source: "(.*)", target: "$1$1"}}, `, 100), ", ")
	w := world{vault: map[string]string{"app": `{"k":"v"}`}, spec: `dataFrom: [{extract: {key: app}, rewrite: [` + double + `]}]`}
	if _, err := w.compute(t); err == nil || !strings.Contains(err.Error(), "longer than 4096 bytes") {
		t.Errorf("error: %v", err)
	}
	w.spec = `dataFrom: [{extract: {key: app}, rewrite: [{transform: {template: '{{ range 1000000000 }}{{ end }}'}}]}]`
	w.limits.MaxWork = 1_000_000
	if _, err := w.compute(t); err == nil || !strings.Contains(err.Error(), "too much work") {
		t.Errorf("error: %v", err)
	}
}

func TestNeverDoesAPathRunAway(t *testing.T) {
	big := `{"a":"` + strings.Repeat("x", 1000) + `","d":` + strings.Repeat(`{"d":`, 200) + `1` + strings.Repeat(`}`, 200) + `}`
	for _, property := range []string{
		"@this" + strings.Repeat("|@tostr", 100), strings.Repeat("[@this,@this]|", 60) + "@this", "[" + strings.Repeat("a,", 100000) + "a]",
		`@pretty:{"indent":"` + strings.Repeat(" ", 10000) + `"}`, strings.Repeat("@pretty|", 5) + "@this", strings.Repeat("@dig:d|", 8) + "@this",
	} {
		p := payload(t, "app", big)
		if _, err := (documents{}).read(p, "app", property); err == nil || !strings.Contains(err.Error(), "may build more than a secret can hold") {
			t.Errorf("%.40s: %.200v", property, err)
		}
	}
}
