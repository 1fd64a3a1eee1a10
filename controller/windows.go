package controller

import (
	"time"

	"github.com/robfig/cron/v3"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// open reports whether syncWindows let a refresh that is due by time run now. allow:
// only inside a window; deny: only outside. A window is active from each firing of
// its schedule, in UTC, for its duration, both ends included; one that cannot be
// parsed is never active, as in ESO.
func open(windows *eso.SyncWindows, now time.Time) bool {
	if windows == nil {
		return true
	}
	active := false
	for _, w := range windows.Windows {
		active = active || isActive(w, now.UTC())
	}
	return active == (windows.Kind == "allow")
}

func isActive(w eso.SyncWindow, now time.Time) bool {
	schedule, err := cron.ParseStandard(w.Schedule)
	if err != nil {
		return false
	}
	duration, err := w.Duration.Parse()
	if err != nil || duration < 0 {
		return false
	}
	fired := schedule.Next(now.Add(-duration - time.Second))
	return !fired.IsZero() && !fired.After(now) && !now.After(fired.Add(duration))
}
