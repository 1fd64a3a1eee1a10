package plugin

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// Bounds of a value, in characters and bytes. Vault's own limit of a request is 32 MiB, a
// Secret's 1 MiB.
const (
	shortestValue = 8
	longestValue  = 4096
	largestValue  = 1 << 20
)

// charsets are what a generated value may be made of.
func charsets() map[string]string {
	const lower, upper, digits = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
	return map[string]string{
		"alphanumeric": lower + upper + digits,
		"symbols":      lower + upper + digits + "!#%+,-./:=?@^_~", // none that a shell or URL template trips over at once
		"lowercase":    lower + digits,
		"hex":          digits + "abcdef",
		"digits":       digits,
	}
}

// newValue is where the new value comes from: chance, a file, or a hidden prompt.
type newValue struct {
	generate int
	charset  string
	file     string

	generateGiven bool
}

func (v *newValue) addFlags(c *cobra.Command) {
	names := slices.Sorted(maps.Keys(charsets()))
	c.Flags().IntVar(&v.generate, "generate", 0, fmt.Sprintf("generate a random value of that many characters (%d to %d)", shortestValue, longestValue))
	c.Flags().StringVar(&v.charset, "charset", "alphanumeric", "what a generated value is made of: "+strings.Join(names, ", "))
	c.Flags().StringVar(&v.file, "value-file", "", "read the value from a file, - for standard input; never from an argument")
	_ = c.RegisterFlagCompletionFunc("charset", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
	_ = c.MarkFlagFilename("value-file")
	c.MarkFlagsMutuallyExclusive("generate", "value-file")
	c.PreRun = func(c *cobra.Command, _ []string) { v.generateGiven = c.Flags().Changed("generate") }
}

func (v *newValue) validate() error {
	if _, known := charsets()[v.charset]; !known {
		return usage("--charset=%s: want one of %s", v.charset, strings.Join(slices.Sorted(maps.Keys(charsets())), ", "))
	}
	if v.generateGiven && (v.generate < shortestValue || v.generate > longestValue) {
		return usage("--generate=%d: want %d to %d characters", v.generate, shortestValue, longestValue)
	}
	return nil
}

// read gives the new value. It is never empty.
func (v *newValue) read(ctx context.Context, o *Options) (redact.Bytes, error) {
	switch {
	case v.generateGiven:
		return generate(rand.Reader, charsets()[v.charset], v.generate)
	case v.file != "":
		return v.fromFile(o)
	case !o.interactive():
		return nil, fail(errors.New("the new value is asked for on a terminal, and this is none"), "give it with --value-file FILE (- for standard input), or --generate LENGTH")
	}
	first, err := o.askHidden(ctx, "New value (hidden): ")
	if err != nil {
		return nil, err
	}
	if len(first) == 0 {
		return nil, fail(errors.New("no value was given; nothing was changed"), "")
	}
	again, err := o.askHidden(ctx, "The same again: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, again) {
		return nil, fail(errors.New("the two values differ; nothing was changed"), "")
	}
	return first, nil
}

func (v *newValue) fromFile(o *Options) (redact.Bytes, error) {
	in, what := o.In, "standard input"
	if v.file != "-" {
		f, err := os.Open(v.file)
		if err != nil {
			return nil, fmt.Errorf("reading the new value: %w", err)
		}
		defer f.Close()
		in, what = f, v.file
	}
	raw, err := io.ReadAll(io.LimitReader(in, largestValue+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the new value from %s: %w", what, err)
	case len(raw) > largestValue:
		return nil, fmt.Errorf("reading the new value from %s: it is larger than %d bytes, which no Secret holds", what, largestValue)
	}
	if raw = oneLine(raw); len(raw) == 0 {
		return nil, fail(fmt.Errorf("reading the new value from %s: it is empty; nothing was changed", what), "")
	}
	return raw, nil
}

// oneLine drops the line end of a text of one line, which echo and editors add; a text
// of several lines, such as a certificate, stays as it is.
func oneLine(raw []byte) []byte {
	line, ended := bytes.CutSuffix(raw, []byte("\n"))
	if !ended || bytes.IndexByte(line, '\n') >= 0 {
		return raw
	}
	return bytes.TrimSuffix(line, []byte("\r"))
}

// generate draws each character alike.
func generate(random io.Reader, from string, length int) (redact.Bytes, error) {
	value := make(redact.Bytes, length)
	for i := range value {
		n, err := rand.Int(random, big.NewInt(int64(len(from))))
		if err != nil {
			return nil, fmt.Errorf("generating a value: %w", err)
		}
		value[i] = from[n.Int64()]
	}
	return value, nil
}
