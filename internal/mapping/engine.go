package mapping

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/template"
	"text/template/parse"
)

// engine compiles and runs the templates of one mapping. Every template is a set of
// its own, as in ESO; they share one budget.
//
// What keeps a template in bounds: its parse tree is instrumented before it runs
// (see instrument), so that each turn of a loop, each nested template, each argument
// and each output is paid for from the budget; functions that can build more than
// they are given are replaced by ones that check the size first (see bounded).
type engine struct {
	budget *budget
	limits Limits
	// volatile is set once a compiled template uses a function whose result
	// differs from call to call.
	volatile bool

	replaced map[string]any
}

func newEngine(limits Limits) *engine {
	return &engine{budget: &budget{left: limits.MaxWork}, limits: limits}
}

// program is a compiled template.
type program struct {
	tmpl   *template.Template
	engine *engine
	text   string
	// public: the text is part of the ExternalSecret or a ConfigMap, so errors may
	// quote from it. The text of a Secret is never quoted.
	public bool
	// plain: there is no action in it, the text is the result.
	plain bool
}

// compile parses and instruments a template. A function that is not on the list is
// an error here.
func (e *engine) compile(text, left, right string, public bool) (*program, error) {
	p := &program{engine: e, text: text, public: public}
	if !strings.Contains(text, left) {
		p.plain = true
		return p, nil
	}
	if len(text) > largestTemplate {
		return nil, faultf("", "could not parse template: it is larger than 1 MiB")
	}
	if strings.Count(text, left) > mostActions {
		return nil, faultf("", "could not parse template: it has more than %d actions", mostActions)
	}
	if err := e.budget.spend(len(text)); err != nil {
		return nil, err
	}
	trees := map[string]*parse.Tree{}
	tree := parse.New(templateName)
	tree.Mode = parse.SkipFuncCheck
	if _, err := tree.Parse(text, left, right, trees); err != nil {
		return nil, p.explainParse(err)
	}
	functions := template.FuncMap{}
	p.tmpl = template.New(templateName).Option("missingkey=error")
	for name, tree := range trees {
		i := instrument{engine: e, public: public, tree: tree, functions: functions}
		if err := i.template(); err != nil {
			return nil, err
		}
		if _, err := p.tmpl.AddParseTree(name, tree); err != nil {
			return nil, p.explainParse(err)
		}
	}
	p.tmpl.Funcs(functions)
	return p, nil
}

// The size and the number of actions of one template are bounded, and by them how
// deep the parser can get.
const (
	largestTemplate = 1 << 20
	mostActions     = 20_000
)

// templateName stands for every template in text/template's own messages, which
// explain takes apart.
const templateName = "t"

// render runs the template on the data.
func (p *program) render(data map[string]string) (out []byte, err error) {
	if p.plain {
		return []byte(p.text), nil
	}
	if p.tmpl.Tree == nil {
		return nil, nil
	}
	// A function's panic is text/template's to catch; any other would crash the
	// process with the data in its trace.
	defer func() {
		if recover() != nil {
			out, err = nil, faultf("", "could not execute template: it cannot be evaluated")
		}
	}()
	p.engine.budget.calls = 0
	w := &limitedWriter{budget: p.engine.budget, left: p.engine.limits.MaxTemplateBytes}
	if err := p.tmpl.Execute(w, data); err != nil {
		return nil, p.explainRun(err, data)
	}
	return w.out, nil
}

// limitedWriter ends a template that writes too much.
type limitedWriter struct {
	budget *budget
	left   int
	out    []byte
}

func (w *limitedWriter) Write(b []byte) (int, error) {
	if len(b) > w.left {
		return 0, errOutput
	}
	if err := w.budget.spend(len(b)); err != nil {
		return 0, err
	}
	w.left -= len(b)
	w.out = append(w.out, b...)
	return len(b), nil
}

var _ io.Writer = (*limitedWriter)(nil)

// function finds a function by name, bounded where it needs to be.
func (e *engine) function(name string) (any, bool) {
	if e.replaced == nil {
		e.replaced = bounded(e.budget)
	}
	if f, ok := e.replaced[name]; ok {
		return f, true
	}
	f, ok := library()[name]
	return f, ok
}

// errUnknown is the error of a function that templates do not have.
func errUnknown(function string, line int, public bool) error {
	if !public {
		return faultf("", "could not parse template: line %d: it calls a function that does not exist", line)
	}
	why := "there is no such function"
	switch function {
	case "env", "expandenv", "getHostByName":
		why = "templates read neither the environment nor the network"
	}
	return &fault{detail: fmt.Sprintf("could not parse template: line %d: function %q not defined: %s", line, function, why)}
}

// asFault is the fault in an error's chain, nil if there is none.
func asFault(err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	return nil
}
