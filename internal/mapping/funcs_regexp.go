package mapping

import "regexp"

// regexps pays for each expression by the size of its program and of the text, and
// bounds what a replacement or a list of matches can grow to. A bad expression
// fails; only regexMatch, as in sprig, matches nothing then.
func (b *budget) regexps(functions map[string]any) {
	for _, prefix := range []string{"regex", "mustRegex"} {
		functions[prefix+"Match"] = func(expression, text string) (bool, error) {
			compiled, err := b.expression(expression, text)
			if err == error(errExpression) && prefix == "regex" {
				return false, nil
			}
			return err == nil && compiled.MatchString(text), err
		}
		functions[prefix+"Find"] = func(expression, text string) (string, error) {
			compiled, err := b.expression(expression, text)
			if err != nil {
				return "", err
			}
			return compiled.FindString(text), nil
		}
		functions[prefix+"FindAll"] = b.matches((*regexp.Regexp).FindAllString)
		functions[prefix+"Split"] = b.matches((*regexp.Regexp).Split)
		functions[prefix+"ReplaceAll"] = b.replacing(replacedSize, (*regexp.Regexp).ReplaceAllString)
		functions[prefix+"ReplaceAllLiteral"] = b.replacing(literalSize, (*regexp.Regexp).ReplaceAllLiteralString)
	}
}

// expression compiles a regular expression and pays for running it on the text,
// twice: once to see how large the result will be.
func (b *budget) expression(expression, text string) (*regexp.Regexp, error) {
	if err := b.spend(2 * regexpWork(expression, len(text))); err != nil {
		return nil, err
	}
	compiled, err := regexp.Compile(expression)
	if err != nil {
		return nil, errExpression
	}
	return compiled, nil
}

func (b *budget) matches(f func(r *regexp.Regexp, text string, count int) []string) any {
	return func(expression, text string, count int) ([]string, error) {
		compiled, err := b.expression(expression, text)
		if err != nil {
			return nil, err
		}
		if err := b.room(elementWork * (1 + len(compiled.FindAllStringIndex(text, -1)))); err != nil {
			return nil, err
		}
		return f(compiled, text, count), nil
	}
}

func (b *budget) replacing(size func(r *regexp.Regexp, text, replacement string) int,
	replace func(r *regexp.Regexp, text, replacement string) string,
) any {
	return func(expression, text, replacement string) (string, error) {
		compiled, err := b.expression(expression, text)
		if err != nil {
			return "", err
		}
		if err := b.room(size(compiled, text, replacement)); err != nil {
			return "", err
		}
		return replace(compiled, text, replacement), nil
	}
}

func literalSize(source *regexp.Regexp, text, replacement string) int {
	return len(text) + len(source.FindAllStringIndex(text, -1))*len(replacement)
}
