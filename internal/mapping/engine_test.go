package mapping

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

// renderText compiles and renders one template under the default limits.
func renderText(text string, data map[string]string) (string, error) {
	return renderWithin(Limits{}, text, data)
}

func renderWithin(limits Limits, text string, data map[string]string) (string, error) {
	limits = limits.withDefaults()
	program, err := newEngine(limits).compile(text, "{{", "}}", true)
	if err != nil {
		return "", err
	}
	out, err := program.render(data)
	return string(out), err
}

// corpus is templates that use every construct of the language.
var corpus = []string{
	``, `plain`, `{{ .user }}:{{ .password }}`, `{{ index . "my-key" }}`, `{{- .user -}} x`, `{{/* note */}}a`,
	`{{ .user | upper | quote }}`, `{{ printf "%s-%05d|%-8s|%*d" .user 42 "ab" 6 7 }}`, `{{ print 1 2 "a" nil }}`,
	`{{ if eq .user "root" }}r{{ else if ne .user "x" }}n{{ else }}e{{ end }}`, `{{ with .user }}{{ . }}{{ else }}none{{ end }}`,
	`{{ range $i, $e := list "a" "b" }}{{ $i }}={{ $e }};{{ else }}none{{ end }}`, `{{ range until 3 }}{{ . }}{{ end }}`,
	`{{ range $k, $v := . }}{{ $k }}={{ $v }},{{ end }}`, `{{ range 3 }}{{ . }}{{ end }}`, `{{ range list }}x{{ else }}none{{ end }}`,
	`{{ range until 9 }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ if eq . 5 }}{{ break }}{{ end }}{{ . }}{{ end }}`,
	`{{ define "x" }}[{{ . }}]{{ end }}{{ template "x" .user }}{{ template "x" (upper .user) }}`, `{{ block "b" .user }}<{{ . }}>{{ end }}`,
	`{{ $x := .user }}{{ $x = upper $x }}{{ $x }}`, `{{ (fromJson .json).a.b }}`, `{{ (index (fromJson .json).list 1).n }}`,
	`{{ with fromJson .json }}{{ .a.b }}{{ range .list }}{{ .n }}{{ end }}{{ end }}`, `{{ $j := fromJson .json }}{{ $j.a.b | upper }}{{ toJson $j.a }}`,
	`{{ default "d" "" }}{{ coalesce "" nil "c" }}{{ ternary "a" "b" true }}{{ empty nil }}`, `{{ coalesce "" nil }}`, `{{ eq (coalesce "") nil }}`,
	`{{ dict "a" 1 "b" (list 1 2) | toJson }}`, `{{ $d := dict "a" "1" }}{{ $_ := set $d "b" "2" }}{{ $d }}`, `{{ list 1 "a" nil true 2.5 }}`,
	`{{ and .user "x" }}{{ or "" .user }}{{ not true }}{{ len .user }}{{ len . }}`, `{{ and false (fail "never evaluated") }}`,
	`{{ .json | fromJson | toPrettyJson }}`, `{{ toYaml (fromJson .json) }}`, `{{ (fromYaml "a: {b: [1, x]}").a.b }}`, `{{ fromYaml "- x" | len }}`,
	`{{ add 1 2 }}{{ mulf 1.5 2 }}{{ div 7 2 }}{{ round 3.14159 2 }}{{ max 1 3 2 }}{{ "7" | atoi | add1 }}`, `{{ 1.5 }}{{ 0x10 }}{{ 'a' }}{{ true }}`,
	`{{ "a,b,c" | splitList "," | join "-" }}{{ (split "," "a,b")._1 }}{{ regexReplaceAll "a(x*)b" "-ab-axxb-" "${1}W" }}`,
	`{{ indent 2 "a\nb" }}{{ nindent 2 "x" }}{{ repeat 3 "ab" }}{{ replace "a" "bb" "banana" }}{{ trimAll "$" "$5$" }}{{ wrapWith 3 "|" "Hello World" }}`,
	`{{ b64enc .user | b64dec }}{{ b32enc .user }}{{ sha256sum .user }}{{ "616263" | hexdec }}{{ hexdec "xyz" }}{{ b64dec "***" }}`,
	`{{ list 3 1 2 | sortAlpha }}{{ list 1 1 2 | uniq }}{{ without (list 1 2 3) 2 }}{{ has 2 (list 1 2) }}{{ chunk 2 (list 1 2 3) }}{{ concat (list 1) (list 2) }}`,
	`{{ dig "a" "b" "none" (fromJson .json) }}{{ pluck "a" (dict "a" 1) (dict "a" 2) }}{{ pick (dict "a" 1 "b" 2) "a" }}{{ omit (dict "a" 1 "b" 2) "a" }}`,
	`{{ kindOf 1 }}{{ typeOf "x" }}{{ kindIs "map" (dict) }}{{ typeIsLike "string" .user }}{{ deepEqual (list 1) (list 1) }}`,
	`{{ seq 5 }}|{{ seq 2 4 }}|{{ seq 0 2 6 }}|{{ seq 3 1 }}|{{ untilStep 0 10 4 }}|{{ until -2 }}`, `{{ date "2006-01-02" 0 }}{{ dateInZone "15:04" 0 "UTC" }}{{ unixEpoch (toDate "2006-01-02" "2020-01-01") }}`,
	`{{ (toDate "2006-01-02" "2020-01-01").Format "Jan 2" }}{{ "Jan" | (toDate "2006-01-02" "2020-01-01").Format }}`, `{{ (semver "1.2.3").Major }}{{ semverCompare ">=1.2" "1.2.3" }}`,
	`{{ html "<a>" }}{{ js "it's" }}{{ urlquery "a b" }}{{ slice (list 1 2 3) 1 2 }}{{ lt 1 2 }}{{ ge 2.5 1.5 }}`, `{{ urlParse "https://u@h:1/p?q#f" | toJson }}`,
	`{{ merge (dict "a" 1) (dict "a" 2 "b" 3) | toJson }}{{ mergeOverwrite (dict "a" 1) (dict "a" 2) | toJson }}`, `{{ regexMatch "(" "x" }}{{ regexFind "b+" "abbb" }}{{ regexSplit "," "a,b" -1 }}{{ regexFindAll "[ab]" "abc" 2 }}`,
	`{{ "\"quoted\"" }}{{ ` + "`raw {{`" + ` }}`, "line\n{{ .user }}\r\nnext\n", `{{ .user }}{{ if .empty }}x{{ end }}{{ with $x := .user }}{{ $x }}{{ end }}`,
}

var corpusData = map[string]string{
	"user": "root", "password": "p<&>\x00\xff", "my-key": "dash", "empty": "", "json": `{"a":{"b":"deep"},"list":[{"n":1},{"n":2.5}]}`,
}

// What keeps templates in bounds must not be seen by those that are in bounds: the
// same text through text/template alone is the reference.
func TestInstrumentingChangesNothing(t *testing.T) {
	for _, text := range corpus {
		reference := template.New("t").Option("missingkey=error").Funcs(template.FuncMap(library()))
		reference.Funcs(template.FuncMap{"fail": func(string) (string, error) { return "", errors.New("fail") }})
		parsed, err := reference.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var want bytes.Buffer
		if err := parsed.Execute(&want, corpusData); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		got, err := renderText(text, corpusData)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if diff := cmp.Diff(want.String(), got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestTemplateFunctionsAreListed(t *testing.T) {
	functions := make([]string, 0, len(library()))
	for name, f := range library() {
		if f == nil {
			t.Errorf("%s is allowed but does not exist", name)
		}
		functions = append(functions, name)
	}
	slices.Sort(functions)
	got := strings.Join(functions, "\n") + "\n"
	const golden = "testdata/template-functions.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the functions of templates changed; think of what a tenant can do with them, then run with -update\n%s", diff)
	}
	for name := range bounded(&budget{}) {
		if _, ok := library()[name]; !ok && !builtin(name) {
			t.Errorf("%s is bounded but not allowed", name)
		}
	}
}

func TestNeverDoesATemplateDoIO(t *testing.T) {
	t.Setenv("CANARY", "canary-env")
	for _, function := range []string{
		"env", "expandenv", "getHostByName", "readFile", "readDir", "file", "files", "lookup", "exec", "include", "tpl", "secret",
		"getSecret", "getSecretKey", "getValueFromSecret", "httpGet", "fetch", "osGetenv", "required",
	} {
		if _, ok := newEngine(Limits{}.withDefaults()).function(function); ok {
			t.Errorf("templates can call %s", function)
		}
		out, err := renderText(`{{ `+function+` "CANARY" }}`, nil)
		if err == nil || strings.Contains(out, "canary-env") || !strings.Contains(err.Error(), "line 1: function \""+function+"\" not defined") {
			t.Errorf("%s: %q, %v", function, out, err)
		}
		if _, err := renderText(`{{ if false }}{{ "x" | `+function+` }}{{ end }}`, nil); err == nil {
			t.Errorf("%s: no error in a branch that is not taken", function)
		}
	}
	// A zone is a name in the table of zones, never a path.
	for _, zone := range []string{"/etc/passwd", "../../../etc/passwd", "..", "a/../b", "C:\\x", "a/b/c/d"} {
		if _, err := renderText(`{{ dateInZone "15" 0 "`+strings.ReplaceAll(zone, `\`, `\\`)+`" }}`, nil); err == nil || strings.Contains(err.Error(), zone) {
			t.Errorf("zone %s: %v", zone, err)
		}
	}
}

func TestTemplateErrorsSayWhereAndWhy(t *testing.T) {
	data := map[string]string{"user": "u", "password": "hunter2"}
	const parse, run = "could not parse template: ", "could not execute template: "
	for text, want := range map[string]string{
		`{{ .usr }}`:                          run + `line 1, column 4: map has no entry for key "usr"; did you mean "user"?`,
		"\n a {{ .nothing }}":                 run + `line 2, column 7: map has no entry for key "nothing"; the keys are: "password", "user"`,
		`{{ .user`:                            parse + `line 1: unclosed action`,
		`{{ end }}`:                           parse + `line 1: unexpected {{end}}`,
		`{{ nope .user }}`:                    parse + `line 1: function "nope" not defined: there is no such function`,
		`{{ env "HOME" }}`:                    parse + `line 1: function "env" not defined: templates read neither the environment nor the network`,
		`{{ $x }}`:                            parse + `line 1: undefined variable "$x"`,
		`{{ .user.name }}`:                    run + `line 1, column 9: a field is read of a value that has none`,
		`{{ upper }}`:                         run + `line 1, column 4: a function has the wrong number of arguments`,
		`{{ upper 1 }}`:                       run + `line 1, column 10: a function has an argument of the wrong type`,
		`{{ upper (len .user) }}`:             run + `line 1, column 15: a function has an argument of the wrong type`,
		`{{ range .password }}{{ end }}`:      run + `line 1, column 10: range can't iterate over this value; it is no list or map`,
		`{{ fail .password }}`:                run + `line 1, column 4: fail: the template failed; its message is withheld, as it may hold data: write it as a literal to see it`,
		`{{ fail "set user" }}`:               run + `line 1, column 4: the template failed: "set user"`,
		`{{ "x" | fail }}`:                    run + `line 1, column 10: fail: the template failed; its message is withheld, as it may hold data: write it as a literal to see it`,
		`{{ mustFromJson .password }}`:        run + `line 1, column 4: mustFromJson failed on its arguments`,
		`{{ pkcs12key .password }}`:           run + `line 1, column 4: pkcs12key: it is no PKCS#12 file, or the password is wrong`,
		`{{ pemToPkcs12 .password .user }}`:   run + `line 1, column 4: pemToPkcs12: there is no certificate in PEM form`,
		`{{ template "x" }}`:                  run + `line 1, column 13: a template that it calls is not defined`,
		`{{ index (list 1) 5 }}`:              run + `line 1, column 4: index failed on its arguments`,
		`{{ substr 5 1 .password }}`:          run + `line 1, column 4: substr failed on its arguments`,
		`{{ repeat -1 .password }}`:           run + `line 1, column 4: repeat: the count is negative or too large`,
		`{{ mustRegexFind "(" .password }}`:   run + `line 1, column 4: mustRegexFind: the regular expression does not compile`,
		`{{ rsaDecrypt .password "" "" "" }}`: run + `line 1, column 4: rsaDecrypt: the scheme is not supported; use RSA-OAEP or None`,
	} {
		out, err := renderText(text, data)
		if err == nil {
			t.Errorf("%s: no error but %q", text, out)
		} else if diff := cmp.Diff(want, err.Error()); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestTheTextOfASecretIsNotQuoted(t *testing.T) {
	for _, text := range []string{`{{ canary }}`, `{{ .canary }}`, `{{ canary`, `{{ fail "canary" }}`, "{{ `canary }}", `{{ "canary" | nope }}`} {
		program, err := newEngine(Limits{}.withDefaults()).compile(text, "{{", "}}", false)
		if err == nil {
			_, err = program.render(map[string]string{"user": "u"})
		}
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Each of these would take the process down, or run for hours.
func TestNeverDoesATemplateRunAway(t *testing.T) {
	data := map[string]string{"big": strings.Repeat("x", 1<<20), "user": "u"}
	for _, text := range []string{
		`{{ range 1000000000000 }}{{ end }}`,
		`{{ range until 1000000000 }}{{ end }}`,
		`{{ range untilStep 0 9223372036854775807 1 }}{{ end }}`,
		`{{ untilStep 9223372036854775806 9223372036854775807 10 }}`,
		`{{ seq 1 1000000000 }}`, `{{ seq 0 1 1000000000 }}`, `{{ seq -9223372036854775808 9223372036854775807 }}`,
		`{{ range until 100000 }}{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}{{ end }}`,
		`{{ range 100000 }}{{ range 100000 }}{{ continue }}{{ end }}{{ end }}`,
		`{{ repeat 1000000000 "x" }}`, `{{ repeat 9223372036854775807 .big }}`, `{{ .big | repeat 9 }}`,
		`{{ indent 1000000000 "x" }}`, `{{ nindent 100000 (repeat 100000 "\n") }}`,
		`{{ printf "%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d" 1 1 1 1 1 1 1 1 1 1 }}`,
		`{{ printf "%*d" 99999999 1 }}`, `{{ printf (repeat 100000 "%[1]s") .big }}`, `{{ printf "%.99999999f" 1.5 }}`,
		`{{ randAlphaNum 1000000000 }}`, `{{ randBytes 1000000000 }}`, `{{ randAscii 9223372036854775807 }}`,
		`{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}`,
		`{{ define "a" }}{{ template "b" . }}{{ template "b" . }}{{ end }}{{ define "b" }}{{ template "a" . }}{{ template "a" . }}{{ end }}{{ template "a" . }}`,
		`{{ $s := "xxxxxxxxxx" }}{{ range until 100 }}{{ $s = print $s $s }}{{ end }}`,
		`{{ $s := "xxxxxxxxxx" }}{{ range until 100 }}{{ $s = cat $s $s }}{{ end }}`,
		`{{ $s := .big }}{{ range until 100 }}{{ $s = replace "x" "xx" $s }}{{ end }}`,
		`{{ $s := .big }}{{ range until 100 }}{{ $s = regexReplaceAll "(.*)" $s "$1$1" }}{{ end }}`,
		`{{ $s := .big }}{{ range until 100 }}{{ $s = quote $s | toJson }}{{ end }}`,
		`{{ $l := list 1 }}{{ range until 100 }}{{ $l = concat $l $l }}{{ end }}`,
		`{{ $l := list 1 }}{{ range until 100 }}{{ $l = list $l $l }}{{ end }}{{ toJson $l }}`,
		`{{ $l := list 1 }}{{ range until 60 }}{{ $l = list $l $l }}{{ end }}{{ $l }}`,
		`{{ $l := list 1 }}{{ range until 3000 }}{{ $l = list $l }}{{ end }}{{ $l }}`,
		`{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ $d }}`,
		`{{ $d := dict }}{{ $_ := set $d "d" (list $d) }}{{ print $d }}`,
		`{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ toYaml $d }}`,
		`{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ $e := merge (dict) $d }}{{ toJson $e }}`,
		`{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ deepCopy $d }}`,
		`{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ eq $d $d }}`,
		`{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ $d | toJson | len }}`,
		`{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ (toDate "2006" "2020").Format (printf "%v" $d) }}`,
		`{{ range 1000000 }}{{ $x := (toDate "2006" "2020").Format $.big }}{{ end }}`,
		`{{ range 1000000 }}{{ if eq $.big $.big }}{{ end }}{{ end }}`,
		`{{ range 1000000 }}{{ $x := sha512sum $.big }}{{ end }}`,
		`{{ range 1000000 }}{{ $.big }}{{ end }}`,
		`{{ range 1000000 }}{{ with upper $.big }}{{ end }}{{ end }}`,
		`{{ regexMatch (repeat 1000 "(x{900})*") .big }}`, `{{ regexFindAll "" (repeat 8 .big) -1 }}`,
		`{{ split "" (repeat 8 .big) }}`, `{{ splitn "" 99999999 .big }}`, `{{ fromJson (repeat 3 .big) }}`, `{{ splitList "" (repeat 8 .big) }}`, `{{ join .big (splitList "" .big) }}`,
		`{{ wrapWith 1 .big .big }}`, `{{ trimAll .big (repeat 8 .big) }}`, `{{ range 100 }}{{ $x := uniq (splitList "" (trunc 20000 $.big)) }}{{ end }}`,
		`{{ without (splitList "" (trunc 100000 .big)) (splitList "" (trunc 100000 .big)) | uniq }}`,
		`{{ range 1000 }}{{ $x := genPrivateKey "rsa" }}{{ end }}`, `{{ range 1000 }}{{ $x := bcrypt "x" }}{{ end }}`,
		`{{ range 1000 }}{{ $x := derivePassword 1 "long" "p" "u" "s" }}{{ end }}`, `{{ range 1000 }}{{ $x := genCA "x" 1 }}{{ end }}`,
	} {
		name := text[:min(len(text), 60)]
		t.Run(name, func(t *testing.T) {
			// Less work than is allowed shows the same in less time.
			out, err := renderWithin(Limits{MaxWork: 12_000_000}, text, data)
			if err == nil {
				t.Fatalf("no error, %d bytes", len(out))
			}
			if asFault(err) == nil || len(err.Error()) > 300 {
				t.Errorf("error: %.300s", err)
			}
		})
	}
}

// A text that nests without end must not exhaust the stack, which no recover catches.
func TestNeverDoesATemplateNestTooDeeply(t *testing.T) {
	const most = largestTemplate
	for _, text := range []string{
		strings.Repeat("{{if 1}}", most/8), strings.Repeat("{{if 1}}", mostActions), strings.Repeat("{{if 1}}", 9000) + strings.Repeat("{{end}}", 9000),
		strings.Repeat("{{range 1}}", 9000) + strings.Repeat("{{end}}", 9000), strings.Repeat("{{with 1}}{{else}}", 2000) + strings.Repeat("{{end}}", 2000),
		"{{" + strings.Repeat("(", most-2), "{{" + strings.Repeat("(", most/3) + "1" + strings.Repeat(")", most/3) + "}}",
		"{{" + strings.Repeat("not (", 2000) + "1" + strings.Repeat(")", 2000) + "}}" + strings.Repeat("{{if 1}}", 1), "{{ " + strings.Repeat("x", most),
		"{{ 1" + strings.Repeat("|not", most/5) + "}}{{ fail (print 1) }}", "{{$x" + strings.Repeat(".a", most/3) + "}}",
		"{{ print" + strings.Repeat(" .a", most/4) + " }}",
	} {
		_, err := renderText(text, nil)
		if err == nil || asFault(err) == nil || len(err.Error()) > 400 {
			t.Errorf("%.20s…: %.400v", text, err)
		}
	}
}

func TestOrdinaryWorkIsWithinTheBudget(t *testing.T) {
	data := map[string]string{}
	for i := range 500 {
		data["key-"+strings.Repeat("a", i%7)+string(rune('a'+i%26))+string(rune('a'+i/26))] = strings.Repeat("v", 2000)
	}
	for _, text := range []string{
		`{{ range $k, $v := . }}{{ $k }}: {{ $v | b64enc | quote }}{{ "\n" }}{{ end }}`,
		`{{ range until 500 }}{{ index $ "key-aa" }}{{ end }}`,
		`{{ range until 20 }}{{ htpasswd "u" "p" | len }}{{ end }}`,
		`{{ $l := list }}{{ range $k, $v := . }}{{ $l = append $l $k }}{{ end }}{{ $l | sortAlpha | join "," }}`,
		`{{ toPrettyJson . }}`, `{{ toYaml . }}`, `{{ $ca := genCA "ca" 365 }}{{ $c := genSignedCert "x" nil (list "x") 365 $ca }}{{ $c.Cert }}{{ $c.Key }}`,
	} {
		if _, err := renderText(text, data); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestDelimiters(t *testing.T) {
	program, err := newEngine(Limits{}.withDefaults()).compile(`{{ kept }} [[ .user | upper ]]`, "[[", "]]", true)
	if err != nil {
		t.Fatal(err)
	}
	got, err := program.render(corpusData)
	if err != nil || string(got) != "{{ kept }} ROOT" {
		t.Errorf("%q, %v", got, err)
	}
}
