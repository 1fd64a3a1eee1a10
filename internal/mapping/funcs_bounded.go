package mapping

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// bounded is the functions whose result or work can outgrow their arguments, each
// checked before it runs, on one budget. It also has those whose result would
// otherwise depend on the order of a map, sorted here: same input, same bytes.
func bounded(b *budget) map[string]any {
	lib := library()
	functions := map[string]any{
		"fail": func(string) (string, error) {
			return "", faultf("", "the template failed; its message is withheld, as it may hold data: write it as a literal to see it")
		},
		"printf":  b.printf,
		"keys":    sortedKeys,
		"values":  sortedValues,
		"repeat":  b.repeat,
		"replace": b.replace,
		"join":    b.join,
		"indent":  b.indent(lib["indent"].(func(int, string) string)),
		"nindent": b.indent(lib["nindent"].(func(int, string) string)),
		"wrapWith": func(width int, separator, text string) (string, error) {
			if err := b.room(len(text) + (1+len(text)/max(width, 1))*len(separator)); err != nil {
				return "", err
			}
			return lib["wrapWith"].(func(int, string, string) string)(width, separator, text), nil
		},
		"trimAll":   b.trimAll,
		"trimall":   b.trimAll,
		"split":     before(lib["split"].(func(string, string) map[string]string), b.splitting),
		"splitList": before(lib["splitList"].(func(string, string) []string), b.splitting),
	}
	b.sequences(functions, lib)
	b.regexps(functions)
	b.costly(functions, lib)
	functions["splitn"] = func(separator string, most int, text string) (map[string]string, error) {
		if err := b.splitting(separator, text); err != nil {
			return nil, err
		}
		return lib["splitn"].(func(string, int, string) map[string]string)(separator, most, text), nil
	}
	for _, parser := range []string{"fromJson", "mustFromJson"} {
		functions[parser] = priced(lib[parser], func(args []reflect.Value) error { return b.room(4 * args[0].Len()) })
	}
	for _, list := range []string{"uniq", "mustUniq", "without", "mustWithout"} {
		functions[list] = quadratic(b, lib[list])
	}
	return functions
}

// before runs a check ahead of a function of two strings.
func before[R any](f func(x, y string) R, check func(x, y string) error) func(x, y string) (R, error) {
	return func(x, y string) (result R, err error) {
		if err := check(x, y); err != nil {
			return result, err
		}
		return f(x, y), nil
	}
}

func (b *budget) splitting(separator, text string) error {
	return b.room(64 * (1 + strings.Count(text, separator)))
}

func sortedKeys(dicts ...map[string]any) []string {
	var all []string
	for _, dict := range dicts {
		all = append(all, slices.Sorted(maps.Keys(dict))...)
	}
	return all
}

func sortedValues(dict map[string]any) []any {
	var all []any
	for _, key := range slices.Sorted(maps.Keys(dict)) {
		all = append(all, dict[key])
	}
	return all
}

func (b *budget) repeat(count int, text string) (string, error) {
	if count < 0 || count > largestValue {
		return "", errCount
	}
	if err := b.room(count * len(text)); err != nil {
		return "", err
	}
	return strings.Repeat(text, count), nil
}

func (b *budget) replace(old, replacement, text string) (string, error) {
	if err := b.room(len(text) + strings.Count(text, old)*len(replacement)); err != nil {
		return "", err
	}
	return strings.ReplaceAll(text, old, replacement), nil
}

func (b *budget) join(separator string, list any) (string, error) {
	elements := library()["toStrings"].(func(any) []string)(list)
	size := len(elements) * len(separator)
	for _, element := range elements {
		size += len(element)
	}
	if err := b.room(size); err != nil {
		return "", err
	}
	return strings.Join(elements, separator), nil
}

func (b *budget) indent(indent func(int, string) string) func(int, string) (string, error) {
	return func(spaces int, text string) (string, error) {
		if spaces < 0 || spaces > largestValue {
			return "", errCount
		}
		if err := b.room(len(text) + (1+strings.Count(text, "\n"))*(1+spaces)); err != nil {
			return "", err
		}
		return indent(spaces, text), nil
	}
}

func (b *budget) trimAll(cutset, text string) (string, error) {
	if err := b.spend(len(cutset) * (len(text)/8 + 1)); err != nil {
		return "", err
	}
	return strings.Trim(text, cutset), nil
}

// printf pays for widths and precisions, which a format can write in a few bytes,
// and for arguments that it repeats.
func (b *budget) printf(format string, args ...any) (string, error) {
	size, number := 0, 0
	for i := range len(format) {
		if c := format[i]; c >= '0' && c <= '9' && number <= largestValue {
			number = number*10 + int(c-'0')
			continue
		}
		size, number = size+number, 0
	}
	size += number
	m := measure{most: largestValue}
	for _, arg := range args {
		if err := m.add(reflect.ValueOf(&arg), 0); err != nil {
			return "", err
		}
		if width, ok := arg.(int); ok && strings.Contains(format, "*") {
			size += max(width, -width)
		}
	}
	verbs := strings.Count(format, "%")
	if size > largestValue || m.size > largestValue || verbs > largestValue/max(m.size, 1)+len(args) {
		return "", errValue
	}
	if err := b.room(len(format) + size*max(1, strings.Count(format, "*")) + verbs*m.size/max(1, len(args))); err != nil {
		return "", err
	}
	return fmt.Sprintf(format, args...), nil
}

// quadratic charges for functions that compare all elements of a list with each
// other.
func quadratic(b *budget, function any) any {
	f := reflect.ValueOf(function)
	return func(list any, others ...any) (any, error) {
		v := reflect.ValueOf(list)
		if k := v.Kind(); k != reflect.Slice && k != reflect.Array {
			return nil, faultf("", "the argument is no list")
		}
		if err := b.spend(elementWork * v.Len() * (1 + max(len(others), v.Len()))); err != nil {
			return nil, err
		}
		args := []reflect.Value{v}
		for _, other := range others {
			args = append(args, reflect.ValueOf(&other).Elem())
		}
		if f.Type().NumIn() < len(args) && !f.Type().IsVariadic() {
			return nil, faultf("", "there are too many arguments")
		}
		return f.Call(args)[0].Interface(), nil
	}
}
