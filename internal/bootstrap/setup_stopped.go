package bootstrap

import (
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// StoppedError says at which step a plan stopped. The steps before it are done, and those
// after it are not.
type StoppedError struct {
	Step Step
	// Left is what is, or may be, left of the step itself; "" when nothing is.
	Left string
	Err  error
}

func (e *StoppedError) Error() string { return e.Step.Target + ": " + e.Err.Error() }

func (e *StoppedError) Unwrap() error { return e.Err }

// notKnown is what is left of a step whose answer was lost.
const notKnown = "whether this step was done is not known"

// leaving is what a step that takes several requests knows of what it leaves when it fails.
type leaving struct {
	known bool
	text  string
}

func (l *leaving) is(text string) { l.known, l.text = true, text }

// stopped is the error of a step that failed. Unless the step knows better, a refusal left
// nothing, and of a request without an answer nobody knows.
func stopped(step Step, err error, left leaving) error {
	switch {
	case left.known:
	case step.Action != Check && !refused(err):
		left.text = notKnown
	}
	return &StoppedError{Step: step, Left: left.text, Err: err}
}

// refused reports whether an error is the word of Vault or of the API server that a request
// was not carried out.
func refused(err error) bool {
	var conflict *ConflictError
	var status apierrors.APIStatus
	var refusal *kv.Error
	switch {
	case errors.As(err, &conflict), errors.Is(err, kube.ErrChanged):
		return true
	case errors.As(err, &status):
		return status.Status().Code >= 400 && status.Status().Code < 500
	case !errors.As(err, &refusal):
		return false
	}
	switch refusal.Kind {
	case kv.Unreachable, kv.BadAnswer:
		return refusal.Code >= 400 && refusal.Code < 500
	}
	return true
}
