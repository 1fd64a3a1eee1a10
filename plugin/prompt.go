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

// askHidden asks for one line without showing it; the line loses surrounding white
// space. The end of input is an empty line. Ctrl-C ends the asking; the terminal is
// put back in any case. The caller has made sure of a terminal: see interactive.
func (o *Options) askHidden(ctx context.Context, question string) (redact.Bytes, error) {
	fmt.Fprint(o.ErrOut, question)
	in := o.In.(*os.File)
	before, err := term.GetState(int(in.Fd()))
	if err != nil {
		return nil, err
	}
	line, err := awaitLine(ctx, func() ([]byte, error) { return term.ReadPassword(int(in.Fd())) })
	if ctx.Err() != nil {
		_ = term.Restore(int(in.Fd()), before)
	}
	fmt.Fprintln(o.ErrOut)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return bytes.TrimSpace(line), err
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
