package plugin

import (
	"cmp"
	"errors"
	"fmt"

	"vaultsecret.io/kubectl-vaultsecret/internal/bootstrap"
)

// stopped adds to the error of a plan that could not be carried out what state was left,
// and what comes next.
func (s *setupOptions) stopped(err error) error {
	var at *bootstrap.StoppedError
	if !errors.As(err, &at) {
		at = &bootstrap.StoppedError{}
	}
	hint := ""
	var e *exitError
	if explained := s.explain(err); errors.As(explained, &e) {
		err, hint = e.err, e.hint
	}
	return fail(fmt.Errorf("%w; %s", err, s.state(at.Step.Part, at.Left)), cmp.Or(hint, "mend this and run the same command again, which goes on from here"))
}

func (s *setupOptions) hasDone(part bootstrap.Part) bool {
	_, done := s.done[part]
	return done
}

// state says what the steps that are done left, and what may be left of the one that
// failed.
func (s *setupOptions) state(at bootstrap.Part, left string) string {
	changed := len(s.done)
	if s.hasDone(bootstrap.PartVerify) {
		changed--
	}
	switched := s.hasDone(bootstrap.PartStore)
	state := "the steps above stay done, and the store still logs in as before"
	switch {
	case s.dryRun != "none", changed == 0 && left == "":
		return "nothing was changed"
	case changed == 0:
		return left + "; nothing else was changed"
	case at == bootstrap.PartStore && left != "" && !s.remove:
		return "whether the store has its new login is not known; the steps above stay done, and both logins serve"
	case s.remove:
		state = "what was removed above is gone, and the rest stays"
	case switched:
		state = "the steps above stay done, and the store has its new login"
	case s.hasDone(bootstrap.PartCredential):
		state = "the steps above stay done, and the store logs in as before, with what its Secret holds now"
	}
	if left != "" {
		state = left + "; " + state
	}
	return state
}
