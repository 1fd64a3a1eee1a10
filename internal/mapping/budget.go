package mapping

import (
	"reflect"
	"regexp/syntax"
	"time"
)

// budget is the work that the templates and rewrites of one mapping may still do.
// There is no clock in it: the same template on the same data always ends alike.
type budget struct {
	left int
	// calls is how deep templates are nested at the moment.
	calls int
}

const (
	// stepWork is what one turn of a loop costs.
	stepWork = 100
	// callWork is what one nested template costs.
	callWork = 1000
	// deepestCall bounds templates that call templates.
	deepestCall = 500
	// deepestValue bounds the nesting of a value, which also finds values that
	// contain themselves: printing one would never end.
	deepestValue = 100
	// largestValue bounds every value that a template builds, in bytes.
	largestValue = 8 << 20
)

var (
	errWork       = &fault{detail: "the templates of this ExternalSecret do too much work; loop less, or over less"}
	errCalls      = &fault{detail: "templates call each other too deeply"}
	errValue      = &fault{detail: "a value grows larger than 8 MiB"}
	errNesting    = &fault{detail: "a value is nested too deeply, or contains itself"}
	errOutput     = &fault{detail: "the template renders more than it may"}
	errCount      = &fault{detail: "the count is negative or too large"}
	errExpression = &fault{detail: "the regular expression does not compile"}
)

// spend takes work off the budget. Its error ends the template.
func (b *budget) spend(work int) error {
	if work < 0 || work > b.left {
		b.left = 0
		return errWork
	}
	b.left -= work
	return nil
}

// room spends the work of building a value of so many bytes, and refuses it before
// it is built when it is too large.
func (b *budget) room(size int) error {
	if size < 0 || size > largestValue {
		return errValue
	}
	return b.spend(size)
}

// deep charges for a value by its whole size.
func (b *budget) deep(v reflect.Value) (reflect.Value, error) {
	m := measure{most: min(b.left, largestValue)}
	if err := m.add(v, 0); err != nil {
		return v, err
	}
	if m.size > largestValue {
		return v, errValue
	}
	return v, b.spend(m.size)
}

// shallow charges for a value by the length of its outermost list or map: for
// functions that look no deeper.
func (b *budget) shallow(v reflect.Value) (reflect.Value, error) {
	for v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	size := elementWork
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.Array:
		size += elementWork * v.Len()
	}
	return v, b.room(size)
}

const elementWork = 16

// measure adds up the size of a value as printing it would visit it.
type measure struct{ size, most int }

func (m *measure) add(v reflect.Value, depth int) error {
	m.size += elementWork
	if m.size > m.most {
		return nil
	}
	if depth > deepestValue {
		return errNesting
	}
	switch v.Kind() {
	case reflect.String:
		m.size += v.Len()
	case reflect.Interface, reflect.Pointer:
		if !v.IsNil() {
			return m.add(v.Elem(), depth+1)
		}
	case reflect.Slice, reflect.Array:
		if k := v.Type().Elem().Kind(); k <= reflect.Complex128 {
			m.size += v.Len() * int(v.Type().Elem().Size())
			return nil
		}
		for i := 0; i < v.Len() && m.size <= m.most; i++ {
			if err := m.add(v.Index(i), depth+1); err != nil {
				return err
			}
		}
	case reflect.Map:
		for i := v.MapRange(); m.size <= m.most && i.Next(); {
			if err := m.add(i.Key(), depth+1); err != nil {
				return err
			}
			if err := m.add(i.Value(), depth+1); err != nil {
				return err
			}
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return nil
		}
		for i := range v.NumField() {
			if err := m.add(v.Field(i), depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// regexpWork is what an expression may cost on a text: RE2 visits each instruction
// of the program at most once per byte.
func regexpWork(expression string, textLen int) int {
	parsed, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return len(expression)
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return len(expression)
	}
	return len(program.Inst) * (64 + textLen)
}
