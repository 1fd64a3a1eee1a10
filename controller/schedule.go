package controller

import (
	"hash/fnv"
	"strconv"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/engine"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// seen is a Secret as the watch last saw it.
type seen struct {
	version string
	absent  bool
}

// changedSince reports whether the watch shows more than what a sync left. A watch
// that lags behind our own write shows an older version, which is no change. A
// deletion that the watch missed comes with the version that was left.
func (s seen) changedSince(left seen) bool {
	if s.absent && left.absent {
		return false
	}
	return newer(s.version, left.version) || s.absent && s.version != "" && s.version == left.version
}

// newer compares resourceVersions, which Kubernetes orders as numbers.
func newer(a, b string) bool {
	x, errX := strconv.ParseUint(a, 10, 64)
	y, errY := strconv.ParseUint(b, 10, 64)
	switch {
	case errX != nil:
		return a != "" && a != b
	case errY != nil:
		return true
	}
	return x > y
}

// attempt is the last sync of a mapping. Its zero value: never tried.
type attempt struct {
	// at is when it started.
	at time.Time
	// version is the mapping as it was: eso.SyncedResourceVersion.
	version string
	// left is the Secret as it was left.
	left seen
	// writes counts the syncs in a row that wrote the Secret.
	writes int
	// failures counts the failures in a row, 0 after a success.
	failures int
	class    engine.Class
	// skipped: the mapping is another controller's.
	skipped bool
}

// never is the time of what only a change makes due.
func never() time.Time { return time.Time{} }

// next says when a mapping is due: at once (a time that is not after now), at a
// time, or never by itself. version is the mapping as it is now.
//
//	                        CreatedOnce   OnChange   Periodic, 0   Periodic
//	never tried             now           now        now           now
//	Secret changed          now           now        now           now
//	mapping changed *       -             now        now           now
//	failed                  backoff       backoff    backoff       backoff
//	interval elapsed        -             -          -             in a window
//
// * spec, labels or annotations, force-sync among them. ESO ignores them under
// interval 0; here somebody who asks is answered. A failed mapping that changed is
// due at once under every policy.
func next(es *eso.ExternalSecret, phase uint32, version string, last attempt, view seen, now time.Time) time.Time {
	changed := version != last.version
	switch {
	case last.at.IsZero(), es.DeletionTimestamp != nil && changed:
		return now
	case last.skipped:
		if changed {
			return now
		}
		return never()
	case es.CreationPolicy() != eso.CreateOrphan && view.changedSince(last.left):
		if pause := repairPause(last.writes); pause > 0 && !changed {
			return last.at.Add(pause)
		}
		return now
	case last.failures > 0:
		if changed {
			return now
		}
		return last.at.Add(backoff(es, last))
	case es.RefreshPolicy() == eso.RefreshCreatedOnce:
		return never()
	case changed:
		return now
	case es.RefreshPolicy() == eso.RefreshOnChange:
		return never()
	}
	interval, err := es.RefreshInterval()
	if err != nil || interval <= 0 {
		return never()
	}
	interval = max(interval, tick)
	if last.at.After(now) {
		return now
	}
	due := last.at.Add(interval - early(phase, interval))
	if !due.After(now) && !open(es.Spec.SyncWindows, now) {
		return now.Add(windowCheck)
	}
	return due
}

// A repair undoes what somebody else did to the Secret. Who undoes that in turn, such
// as a second mapping with the same target, must not keep both busy: past a few
// writes in a row each waits longer, up to a minute.
const (
	promptRepairs = 5
	rowOfWrites   = 2 * time.Minute // writes further apart are no row
)

func repairPause(writes int) time.Duration {
	if writes <= promptRepairs {
		return 0
	}
	return min(time.Second<<min(writes-promptRepairs-1, 6), time.Minute)
}

// windowCheck is how often a refresh that waits for a window looks again.
const windowCheck = 15 * time.Second

// early is how much before the interval's end a refresh runs: a share of up to a
// twentieth, by a hash, so that what was made together drifts apart.
func early(hash uint32, interval time.Duration) time.Duration {
	return interval / 20 * time.Duration(hash%1000) / 1000
}

func hashed(key string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return h.Sum32()
}

// phase is a hash of a mapping's store and of the path that it begins with.
func phase(es *eso.ExternalSecret) uint32 {
	key := storesOf(es)
	switch {
	case len(es.Spec.Data) > 0:
		key += "\n" + es.Spec.Data[0].RemoteRef.Key
	case len(es.Spec.DataFrom) > 0 && es.Spec.DataFrom[0].Extract != nil:
		key += "\n" + es.Spec.DataFrom[0].Extract.Key
	case len(es.Spec.DataFrom) > 0 && es.Spec.DataFrom[0].Find != nil:
		key += "\n" + es.Spec.DataFrom[0].Find.Path
	}
	return hashed(key)
}

// Backoff after failures in a row: one second, doubled each time.
const (
	longestPause = 7 * time.Minute
	storePause   = 10 * time.Second
)

// backoff is the pause before a failed mapping is tried again. What only a change
// can mend waits up to the interval, at most seven minutes; the rest, a store that
// is down among it, is tried sooner. At least one second.
func backoff(es *eso.ExternalSecret, last attempt) time.Duration {
	longest := longestPause
	if interval, err := es.RefreshInterval(); err == nil && interval > 0 {
		longest = min(longest, interval)
	}
	if last.class != engine.NeedsChange {
		longest = min(longest, time.Minute)
	}
	return doubled(last.failures, max(longest, time.Second))
}

// doubled is 1 s, 2 s, 4 s … for the first, second, third … failure.
func doubled(failures int, longest time.Duration) time.Duration {
	pause := time.Second
	for range failures - 1 {
		if pause *= 2; pause >= longest {
			return longest
		}
	}
	return min(pause, longest)
}

// adopted is the attempt that a mapping's status tells of: what this or another
// controller did before this process started. It is trusted when the status says
// synced and the Secret carries our marks; otherwise the mapping counts as never
// tried. What is in the Secret is verified by the next refresh.
func adopted(es *eso.ExternalSecret, view seen, marked bool) attempt {
	ready := es.Status.Ready()
	if ready == nil || ready.Status != "True" || es.Status.SyncedResourceVersion == "" || es.Status.RefreshTime.IsZero() {
		return attempt{}
	}
	switch policy := es.CreationPolicy(); {
	case policy == eso.CreateOrphan, policy == eso.CreateNone:
	case view.absent:
		kept := ready.Reason == eso.ReasonMissing || ready.Reason == eso.ReasonDeleted || ready.Message == eso.MessageRetained
		if !kept {
			return attempt{}
		}
	case !marked, ready.Reason == eso.ReasonMissing, ready.Reason == eso.ReasonDeleted:
		return attempt{}
	}
	return attempt{at: es.Status.RefreshTime.Time, version: es.Status.SyncedResourceVersion, left: view, class: engine.OK}
}

// wanted reports whether a change of what a mapping's Secret is made of (its store,
// a template source) makes it due: always after a failure, else under the policies
// that refresh at all.
func wanted(es *eso.ExternalSecret, last attempt) bool {
	if last.failures > 0 || last.skipped || last.at.IsZero() {
		return true
	}
	interval, err := es.RefreshInterval()
	return es.RefreshPolicy() == eso.RefreshPeriodic && err == nil && interval > 0
}
