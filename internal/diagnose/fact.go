package diagnose

// Fact is something that is known, or that could not be known for a reason. The
// zero Fact is unknown.
type Fact[T any] struct {
	Value T
	// Known says whether Value means anything.
	Known bool
	// Why says why the fact is not known, in plain words without a full stop.
	Why string
}

// Known returns a known fact.
func Known[T any](value T) Fact[T] { return Fact[T]{Value: value, Known: true} }

// Unknown returns a fact that could not be had, and why.
func Unknown[T any](why string) Fact[T] { return Fact[T]{Why: why} }

// have returns the value, or the verdict "unknown" that a check without its fact
// must return.
func have[T any](f Fact[T]) (T, *Verdict) {
	if f.Known {
		return f.Value, nil
	}
	why := f.Why
	if why == "" {
		why = "not looked at"
	}
	v := Verdict{Status: StatusUnknown, Message: "unknown: " + why}
	if f.Why == NoLogin {
		v = Verdict{Status: StatusSkip, Message: "skipped: " + NoLogin}
	}
	return f.Value, &v
}

// NoLogin is the Why of every fact that would have needed a login to Vault which
// the caller ruled out; checks without it are skipped, not unknown.
const NoLogin = "--no-login"
