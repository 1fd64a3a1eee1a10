package controller

import (
	"context"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// Workloads are restarted for a new content of their Secrets: once for each, all the
// Secrets of a workload together, after what else it uses was refreshed too.
//
// What is owed stands on the Secret itself (eso.AnnotationRestartPending), written with
// the new content and taken away when it is done. So a controller that starts finds
// what the one before did not do, and nothing else; and a note that is gone brings no
// workload back, whatever becomes of the annotation on its template (Argo CD may undo
// that).
type restarts struct {
	workloads workloads
	// owed are the Secrets with a note.
	owed map[object]*owed
	// busy are the namespaces that are worked on.
	busy map[string]bool
	rows map[types.UID]row
}

// workloads finds and restarts them.
type workloads interface {
	Workloads(ctx context.Context, namespace string) ([]kube.Workload, error)
	Restart(ctx context.Context, w kube.Workload, contents map[string]string, fieldManager string) (bool, error)
}

// owed is a Secret with a note.
type owed struct {
	secret object
	note   string
	// since is when it was first seen, changed when the note last changed.
	since, changed time.Time
	// look is when to try next.
	look     time.Time
	failures int
	// asked: what else its workloads use was asked for.
	asked bool
}

const (
	// quiet is how long a note must stand unchanged.
	quiet = 2 * time.Second
	// longestWait is how long a workload waits for what else it uses.
	longestWait = 2 * time.Minute
	lookAgain   = time.Second
)

func newRestarts(w workloads) *restarts {
	return &restarts{workloads: w, owed: map[object]*owed{}, busy: map[string]bool{}, rows: map[types.UID]row{}}
}

// owe takes note of what stands on a Secret, "" when nothing does.
func (r *restarts) owe(secret object, note string, now time.Time) {
	switch known := r.owed[secret]; {
	case note == "":
		delete(r.owed, secret)
	case known == nil:
		r.owed[secret] = &owed{secret: secret, note: note, since: now, changed: now}
	case known.note != note:
		known.note, known.changed = note, now
	}
}

// due picks the namespaces to work on now, and marks them as busy.
func (r *restarts) due(now time.Time) []string {
	var namespaces []string
	for secret, o := range r.owed {
		if !r.busy[secret.namespace] && !o.look.After(now) && now.Sub(o.changed) >= quiet {
			r.busy[secret.namespace] = true
			namespaces = append(namespaces, secret.namespace)
		}
	}
	slices.Sort(namespaces)
	return namespaces
}

// of returns what is owed in a namespace, without what failed and waits to be tried again.
func (r *restarts) of(namespace string, now time.Time) []owed {
	var all []owed
	for secret, o := range r.owed {
		resting := o.failures > 0 && o.look.After(now)
		if secret.namespace == namespace && !resting {
			all = append(all, *o)
		}
	}
	slices.SortFunc(all, func(a, b owed) int { return strings.Compare(a.secret.name, b.secret.name) })
	return all
}

// standing names the Secrets of a namespace with a note, by name.
func (r *restarts) standing(namespace string) []string {
	var names []string
	for secret := range r.owed {
		if secret.namespace == namespace {
			names = append(names, secret.name)
		}
	}
	slices.Sort(names)
	return names
}

// row is how often a workload was restarted in a row, and when last.
type row struct {
	count int
	at    time.Time
}

// Two mappings that undo each other change a Secret again and again, each time for
// real. Past a few restarts in a row each waits longer, up to an hour.
const (
	promptRestarts = 3
	longestRest    = time.Hour
	rowOfRestarts  = 2 * time.Hour // restarts further apart are no row
)

// rest is when a workload may be restarted again.
func (r row) rest() time.Time {
	if r.count < promptRestarts {
		return time.Time{}
	}
	return r.at.Add(min(time.Minute<<min(r.count-promptRestarts, 6), longestRest))
}

// restarted counts a restart.
func (r *restarts) restarted(workload types.UID, now time.Time) {
	for uid, row := range r.rows {
		if now.Sub(row.at) > rowOfRestarts {
			delete(r.rows, uid)
		}
	}
	r.rows[workload] = row{r.rows[workload].count + 1, now}
}

// owes reports whether a workload that uses a Secret is to be restarted for the content
// that it has now.
//
//	restarted before for  the note                 restarted
//	this content          -                        no
//	another content       touches a key it uses    yes
//	another content       made anew                yes
//	none that is known    touches a key it uses    yes, unless the workload is newer
//	none that is known    made anew                no: its Pods waited for it
//	-                     touches no key it uses   no
func owes(w kube.Workload, use kube.Use, note eso.Pending, content, before string, changed time.Time) bool {
	switch {
	case before == content:
		return false
	case note.Anew():
		return before != ""
	case !note.Touches(use.All, use.Keys):
		return false
	}
	return before != "" || w.Created.Before(changed)
}
