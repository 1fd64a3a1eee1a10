package mapping

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// longestKey bounds a key while it is being rewritten; what lands in a Secret has
// 253 bytes at most.
const longestKey = 4096

// rewrite applies the operations in order. Keys that become equal are an error: which
// value would win is nowhere defined.
func (c *computation) rewrite(operations []eso.Rewrite, in values) (values, error) {
	for i, operation := range operations {
		out, err := c.rewriteOnce(operation, in)
		if err != nil {
			err = within(fmt.Sprintf("error applying rewrite to keys: failed rewrite operation[%d]: ", i), err)
			return nil, &fault{at: fmt.Sprintf("rewrite[%d]", i), detail: err.Error()}
		}
		in = out
	}
	return in, nil
}

func (c *computation) rewriteOnce(operation eso.Rewrite, in values) (values, error) {
	switch {
	case operation.Merge != nil:
		out, err := merge(*operation.Merge, in)
		if len(out) > c.limits.MaxKeys {
			return nil, faultf("", "merge gives %d keys, more than the limit of %d", len(out), c.limits.MaxKeys)
		}
		return out, err
	case operation.RegExp != nil:
		source, err := regexp.Compile(operation.RegExp.Source)
		if err != nil {
			return nil, faultf("", "regexp: %s", err)
		}
		return rename(in, func(key string) (string, error) {
			if err := c.engine.budget.spend(regexpWork(operation.RegExp.Source, len(key))); err != nil {
				return "", err
			}
			if replacedSize(source, key, operation.RegExp.Target) > longestKey {
				return "", errLongKey(key)
			}
			return source.ReplaceAllString(key, operation.RegExp.Target), nil
		})
	case operation.Transform != nil:
		program, err := c.engine.compile(operation.Transform.Template, "{{", "}}", true)
		if err != nil {
			return nil, within("transform: ", err)
		}
		return rename(in, func(key string) (string, error) {
			renamed, err := program.render(map[string]string{"value": key})
			if err != nil {
				return "", within("transform of key "+name(key)+": ", err)
			}
			if len(renamed) > longestKey {
				return "", errLongKey(key)
			}
			return string(renamed), nil
		})
	}
	return in, nil
}

func errLongKey(key string) error {
	return faultf("", "key %s would become longer than %d bytes", name(key), longestKey)
}

func rename(in values, change func(string) (string, error)) (values, error) {
	out := make(values, len(in))
	from := make(map[string]string, len(in))
	for _, key := range slices.Sorted(maps.Keys(in)) {
		renamed, err := change(key)
		if err != nil {
			return nil, err
		}
		if other, taken := from[renamed]; taken {
			return nil, faultf("", "keys %s and %s both become %s; make the result differ", name(other), name(key), name(renamed))
		}
		out[renamed], from[renamed] = in[key], key
	}
	return out, nil
}

// replacedSize is the most that replacing all matches can give: every reference in
// the target repeats at most the text that was matched.
func replacedSize(source *regexp.Regexp, text, target string) int {
	matches := len(source.FindAllStringIndex(text, -1))
	return len(text) + matches*len(target) + strings.Count(target, "$")*len(text)
}
