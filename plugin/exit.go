package plugin

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// Exit codes of every command.
const (
	ExitOK      = 0   // good
	ExitFailed  = 1   // it could not be done
	ExitBad     = 2   // it worked, and the answer is bad
	ExitWarning = 3   // warnings only, with --fail-on=warning
	ExitTimeout = 124 // nobody answered in time
)

// exitError ends a command with a code and, if not empty, an error and a hint.
type exitError struct {
	code int
	err  error
	hint string
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exit ends a command with a code; what there was to say has been printed.
func exit(code int) error { return &exitError{code: code} }

// fail ends a command with code 1, an error and the next step.
func fail(err error, hint string) error { return &exitError{code: ExitFailed, err: err, hint: hint} }

// usage says that the command line itself is wrong.
func usage(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

type usageError struct{ error }

// finish prints an error as `error: …` with its hint and returns the exit code.
// command is "kubectl vaultsecret X".
func finish(err error, command string, stderr io.Writer) int {
	if err == nil {
		return ExitOK
	}
	code, hint := ExitFailed, ""
	var e *exitError
	if errors.As(err, &e) {
		code, hint = e.code, e.hint
		if e.err == nil {
			return code
		}
	}
	fmt.Fprintf(stderr, "error: %s\n", strings.TrimSpace(gather.Clean(text(err))))
	var u *usageError
	switch {
	case errors.As(err, &u):
		hint = ""
		fmt.Fprintf(stderr, "See '%s --help'\n", command)
	case hint == "" && silent(err) != nil:
		hint = "is the API server well, and the way to it? --request-timeout=DURATION waits longer, --request-timeout=0 for ever"
	case hint == "" && apierrors.IsForbidden(err):
		hint = "your own rights do not reach; ask for the verb and resource named above"
	}
	if hint != "" {
		lines := strings.Split(hint, "\n")
		for i := range lines {
			lines[i] = gather.Clean(lines[i])
		}
		fmt.Fprintf(stderr, "hint: %s\n", strings.Join(lines, "\n"))
	}
	return code
}

// text is what an error says; of an API server that is silent it says which one, and not
// each time the path that was asked for.
func text(err error) string {
	var asked *url.Error
	if silence := silent(err); silence != nil && errors.As(err, &asked) {
		return strings.Replace(err.Error(), asked.Error(), silence.Error(), 1)
	}
	return err.Error()
}

func silent(err error) *kube.SilentError {
	var silence *kube.SilentError
	errors.As(err, &silence)
	return silence
}
