package eso

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Annotations of the opt-in rollout restart; ESO has nothing like it.
const (
	// AnnotationRestart is on an ExternalSecret: "auto", or a list of workloads.
	AnnotationRestart = "vaultsecret.io/restart"
	// AnnotationRestartPending is on a Secret from the write that changed its content
	// until the workloads were restarted for it. It holds a Pending.
	AnnotationRestartPending = "vaultsecret.io/restart-pending"
)

// Restart says which workloads a mapping restarts when its Secret's content changes.
// Its zero value restarts none.
type Restart struct {
	// Auto: all that use the Secret.
	Auto bool
	// Targets are workloads by "deployment/web", sorted.
	Targets []string
}

// Wanted reports whether any workload is to be restarted.
func (r Restart) Wanted() bool { return r.Auto || len(r.Targets) > 0 }

// Includes reports whether a workload ("deployment/web"), which does or does not use
// the Secret, is to be restarted.
func (r Restart) Includes(workload string, uses bool) bool {
	return r.Auto && uses || slices.Contains(r.Targets, workload)
}

// Restart reads AnnotationRestart. The error names the annotation, the part of it that
// is wrong, and what is right.
func (es *ExternalSecret) Restart() (Restart, error) {
	text := strings.TrimSpace(es.Annotations[AnnotationRestart])
	switch text {
	case "":
		return Restart{}, nil
	case "auto":
		return Restart{Auto: true}, nil
	}
	var r Restart
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		kind, name, _ := strings.Cut(part, "/")
		full := workloadKind(kind)
		if full == "" || len(validation.IsDNS1123Subdomain(name)) > 0 {
			return Restart{}, fmt.Errorf("metadata.annotations[%s]: %q is not understood: want auto, or workloads of this namespace such as deployment/web,statefulset/db,daemonset/agent", AnnotationRestart, part)
		}
		r.Targets = append(r.Targets, full+"/"+name)
	}
	slices.Sort(r.Targets)
	r.Targets = slices.Compact(r.Targets)
	return r, nil
}

// workloadKind takes what kubectl takes.
func workloadKind(text string) string {
	switch strings.ToLower(text) {
	case "deployment", "deployments", "deploy", "deployment.apps", "deployments.apps":
		return "deployment"
	case "statefulset", "statefulsets", "sts", "statefulset.apps", "statefulsets.apps":
		return "statefulset"
	case "daemonset", "daemonsets", "ds", "daemonset.apps", "daemonsets.apps":
		return "daemonset"
	}
	return ""
}

// Pending tells which keys of a Secret changed since the workloads that use it were
// last restarted.
type Pending struct {
	// All: any key may have changed.
	All bool
	// Keys are those that changed, sorted. None at all: the Secret was made anew, and
	// may hold what it held before.
	Keys []string
}

// maxPendingKeys bounds the annotation; past it all keys count as changed.
const maxPendingKeys = 256

// ParsePending reads AnnotationRestartPending.
func ParsePending(text string) Pending {
	switch text {
	case "*":
		return Pending{All: true}
	case "", "+":
		return Pending{}
	}
	return Pending{Keys: strings.Split(text, ",")}
}

// Anew reports whether the Secret was made anew.
func (p Pending) Anew() bool { return !p.All && len(p.Keys) == 0 }

// With adds keys.
func (p Pending) With(keys ...string) Pending {
	all := slices.Concat(p.Keys, keys)
	slices.Sort(all)
	all = slices.Compact(all)
	if p.All || len(all) > maxPendingKeys {
		return Pending{All: true}
	}
	return Pending{Keys: all}
}

// Touches reports whether one of the keys in use changed; all says that every key is
// in use.
func (p Pending) Touches(all bool, keys []string) bool {
	if p.All || all {
		return p.All || len(p.Keys) > 0
	}
	return slices.ContainsFunc(keys, func(key string) bool { return slices.Contains(p.Keys, key) })
}

// String is the annotation's value.
func (p Pending) String() string {
	switch {
	case p.All:
		return "*"
	case len(p.Keys) == 0:
		return "+"
	}
	return strings.Join(p.Keys, ",")
}
