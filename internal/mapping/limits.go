package mapping

import "fmt"

// Limits bounds one call of Compute. A zero field takes its default.
type Limits struct {
	// MaxKeys is the number of keys that one dataFrom entry may give. Default
	// 10 000.
	MaxKeys int
	// MaxSecretBytes bounds the sum of all keys and values of the Secret.
	// Default 1 MiB, the API server's own limit.
	MaxSecretBytes int
	// MaxTemplateBytes bounds what one template renders. Default 4 MiB.
	MaxTemplateBytes int
	// MaxWork bounds the work of all templates of the mapping together, in units
	// of about a byte touched (a loop step counts as a hundred, costly
	// cryptography as millions). Default 250 million: a few seconds.
	MaxWork int
	// LeftDelim and RightDelim enclose template actions. Default "{{" and "}}".
	LeftDelim, RightDelim string
}

// Selected is an error when a find selects more secrets than one entry may give.
func (l Limits) Selected(n int) error {
	if limit := l.withDefaults().MaxKeys; n > limit {
		return fmt.Errorf("%d secrets are selected, more than the limit of %d; narrow find.path, find.name.regexp or find.tags", n, limit)
	}
	return nil
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		field *int
		value int
	}{
		{&l.MaxKeys, 10_000},
		{&l.MaxSecretBytes, 1 << 20},
		{&l.MaxTemplateBytes, 4 << 20},
		{&l.MaxWork, 250_000_000},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if l.LeftDelim == "" {
		l.LeftDelim = "{{"
	}
	if l.RightDelim == "" {
		l.RightDelim = "}}"
	}
	return l
}
