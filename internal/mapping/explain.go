package mapping

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

// text/template puts what it saw into its errors: values, messages of functions, the
// template's own text. explainParse and explainRun keep of them the place, the
// function's name and the kind of mistake.

var (
	parseError  = regexp.MustCompile(`^template: t:(\d+)(?::\d+)?: (?s)(.*)$`)
	runPlace    = regexp.MustCompile(`^template: t:(\d+):(\d+): executing `)
	runFunction = regexp.MustCompile(`>: error calling ([\pL\pN_]+): `)
	missingKey  = regexp.MustCompile(`>: map has no entry for key "([^"]*)"$`)
)

// explainParse: a public template's syntax error may say what the parser stumbled
// over.
func (p *program) explainParse(err error) error {
	m := parseError.FindStringSubmatch(err.Error())
	switch {
	case m == nil:
		return faultf("", "could not parse template: it is no valid template")
	case !p.public:
		return faultf("", "could not parse template: line %s: syntax error", m[1])
	}
	return faultf("", "could not parse template: line %s: %s", m[1], shorten(m[2]))
}

// explainRun: errors of this package's own functions and limits are safe by
// construction; of all others only the kind is told.
func (p *program) explainRun(err error, data map[string]string) error {
	text := err.Error()
	place := ""
	if m := runPlace.FindStringSubmatch(text); m != nil {
		column, _ := strconv.Atoi(m[2])
		place = fmt.Sprintf("line %s, column %d: ", m[1], column+1)
	}
	const prefix = "could not execute template: "
	called := ""
	if m := runFunction.FindStringSubmatch(text); m != nil && isCall(err) {
		if _, known := p.engine.function(m[1]); known || builtin(m[1]) {
			called = m[1]
		}
	}
	if f := asFault(err); f != nil {
		if called != "" {
			called += ": "
		}
		return &fault{detail: prefix + place + called + f.detail}
	}
	if isCall(err) {
		if called == "" {
			called = "a function"
		}
		return &fault{detail: prefix + place + called + " failed on its arguments"}
	}
	return &fault{detail: prefix + place + p.kind(text, data)}
}

// isCall reports whether a function returned the error or panicked: only then does
// text/template wrap another error.
func isCall(err error) bool {
	var run template.ExecError
	return errors.As(err, &run) && errors.Unwrap(run.Err) != nil
}

// kind reads text/template's own messages. They may end in data where something of
// the wrong type was met, so no part of them is passed on but the name of a missing
// key, and that only when the template itself spells it.
func (p *program) kind(text string, data map[string]string) string {
	if strings.Contains(text, "range can't iterate over") {
		return "range can't iterate over this value; it is no list or map"
	}
	if m := missingKey.FindStringSubmatch(text); m != nil {
		if !p.public || !strings.Contains(p.text, m[1]) {
			return "a key that it names is not there"
		}
		return fmt.Sprintf("map has no entry for key %s%s", name(m[1]), hint(m[1], slices.Sorted(maps.Keys(data))))
	}
	for _, known := range []struct{ mark, says string }{
		{"wrong number of args", "a function has the wrong number of arguments"},
		{"wrong type for value", "a function has an argument of the wrong type"},
		{": expected ", "a function has an argument of the wrong type"},
		{"can't evaluate field", "a field is read of a value that has none"},
		{"can't give argument to non-function", "arguments are given to something that is no function"},
		{"can't print", "a value cannot be printed"},
		{"nil pointer evaluating", "a field is read of an empty value"},
		{"nil data; no entry for key", "a field is read of an empty value"},
		{"not defined", "a template that it calls is not defined"},
		{"exceeded maximum template depth", errCalls.detail},
	} {
		if strings.Contains(text, known.mark) {
			return known.says
		}
	}
	return "it cannot be evaluated"
}

// shorten bounds what an error quotes of a template, and escapes its control
// characters.
func shorten(text string) string {
	const most = 200
	quoted := strconv.Quote(text[:min(len(text), most)])
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

func leadingInt(s string) int {
	end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		s = s[:end]
	}
	n, _ := strconv.Atoi(s)
	return n
}
