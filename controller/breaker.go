package controller

import (
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// breaker holds back the mappings of stores that are down. While it is open one
// mapping is tried at a time, as the probe, and the rest wait; the first answer that
// is not "down" closes it, and all that waited are due at once.
type breaker struct {
	failures int
	kind     kv.Kind
	since    time.Time // of the last failure, or of the answer after the last
	probing  bool
}

// refusedLogin is the pause after which a login that was refused is repeated: auth
// methods lock users out that fail too often.
const refusedLogin = 5 * time.Minute

// isOpen reports whether mappings wait.
func (b *breaker) isOpen() bool { return b.failures > 0 }

// probe is when the next probe may run.
func (b *breaker) probe() time.Time {
	longest := storePause
	if b.kind == kv.BadCredential {
		longest = refusedLogin
	}
	return b.since.Add(doubled(b.failures, longest))
}

// down records a failure of the store as a whole. The failures of one pass count
// once: they all tell of the same moment. What started before an answer tells nothing.
func (b *breaker) down(kind kv.Kind, started, now time.Time) {
	b.probing = false
	if started.Before(b.since) {
		return
	}
	b.failures++
	b.kind, b.since = kind, now
}

// up closes the breaker and reports whether it was open.
func (b *breaker) up(now time.Time) bool {
	was := b.isOpen()
	if was {
		*b = breaker{since: now}
	}
	return was
}

// outdated reports whether a task that was picked at a time is to be picked anew: its pass
// knows its stores as down, and they are up again; or as up, it waits for nobody, and they
// are down.
func (b *breaker) outdated(picked time.Time, urgent bool) bool {
	return picked.Before(b.since) && !(b.isOpen() && urgent)
}
