package plugin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// hiddenInput is a terminal whose echo is off, from before the first question is
// printed until show. What is typed or pasted between two questions stays hidden too.
type hiddenInput struct {
	in     *os.File
	errOut io.Writer
	show   func() // puts the terminal back; may be called more than once
}

// hide turns the terminal's echo off. It comes back with show, and at once when the
// context ends, whatever goes on at that time.
func (o *Options) hide(ctx context.Context) (*hiddenInput, error) {
	in, ok := o.In.(*os.File)
	if !ok {
		return nil, errors.New("a hidden question needs a terminal")
	}
	fd := int(in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, fmt.Errorf("reading the terminal's mode: %w", err)
	}
	restore := func() { _ = term.Restore(fd, before) } // a terminal that is gone needs none
	if err := echoOff(in); err != nil {
		restore()
		return nil, fmt.Errorf("turning the terminal's echo off: %w", err)
	}
	stop := context.AfterFunc(ctx, restore)
	return &hiddenInput{in: in, errOut: o.ErrOut, show: func() { stop(); restore() }}, nil
}

// ask prints the question and reads one line, which loses surrounding white space. The
// end of input is an empty line.
func (h *hiddenInput) ask(ctx context.Context, question string) (redact.Bytes, error) {
	fmt.Fprint(h.errOut, question)
	// The reader does not touch the terminal's mode: it may outlive the asking.
	line, err := awaitLine(ctx, func() ([]byte, error) { return readLine(h.in) })
	fmt.Fprintln(h.errOut)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return bytes.TrimSpace(line), err
}

// askHidden asks one question without showing the answer. The caller has made sure of a
// terminal: see interactive.
func (o *Options) askHidden(ctx context.Context, question string) (redact.Bytes, error) {
	h, err := o.hide(ctx)
	if err != nil {
		return nil, err
	}
	defer h.show()
	return h.ask(ctx, question)
}

// confirm asks a question that only yes answers. Where nobody can be asked it fails
// and names --yes.
func (o *Options) confirm(ctx context.Context, question string) error {
	if !o.interactive() {
		return fail(errors.New("this changes something and nobody can be asked: no terminal, or --non-interactive"), "say yes beforehand with --yes")
	}
	fmt.Fprintf(o.ErrOut, "%s [y/N] ", question)
	line, err := awaitLine(ctx, func() ([]byte, error) { return readLine(o.In) })
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(string(line))) {
	case "y", "yes":
		return nil
	}
	return fail(errors.New("not confirmed; nothing was changed"), "")
}

// readLine takes bytes one by one, so that nothing after the line is lost.
func readLine(in io.Reader) ([]byte, error) {
	var line []byte
	one := make([]byte, 1)
	for {
		n, err := in.Read(one)
		if n == 1 && one[0] == '\n' {
			return line, nil
		}
		line = append(line, one[:n]...)
		if err != nil {
			return line, err
		}
	}
}

// awaitLine waits for a line or for the end of ctx.
func awaitLine(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
	type line struct {
		text []byte
		err  error
	}
	got := make(chan line, 1)
	go func() {
		text, err := read()
		got <- line{text, err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case l := <-got:
		return l.text, l.err
	}
}
