package controller

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/engine"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// errRestartsOff is said of a mapping that asks for restarts in vain.
var errRestartsOff = errors.New("metadata.annotations[" + eso.AnnotationRestart + "]: this controller restarts no workloads; start it with --restart-workloads and give it the rights of manifests/restart, or remove the annotation")

// restarted tells of a workload that was restarted: on it, and on the mappings of the
// Secrets it was restarted for.
func (r *reporter) restarted(w kube.Workload, causes []*changedSecret) {
	r.metrics.restarted(w, causes, nil)
	var names []string
	for _, c := range causes {
		names = append(names, c.secret.name)
	}
	waits := ""
	if w.Waits != "" {
		waits = "; no Pod is started by itself: " + w.Waits
	}
	secrets := "Secret " + names[0]
	if len(names) > 1 {
		secrets = "Secrets " + strings.Join(names, ", ")
	}
	r.events.Emit(workloadReference(w), corev1.EventTypeNormal, eso.EventRestarted, "restarted for the new content of "+secrets+waits)
	for _, c := range causes {
		r.eachUser(c.users, corev1.EventTypeNormal, eso.EventRestarted, fmt.Sprintf("restarted %s for the new content of %s%s", w, secrets, waits))
	}
	r.log.Info("workload restarted", "namespace", w.Namespace, "workload", w.String(), "secrets", names)
}

func (r *reporter) restartFailed(users []*eso.ExternalSecret, secret string, err error) {
	if apierrors.IsForbidden(err) {
		err = fmt.Errorf("%w; give the controller the rights of manifests/restart", err)
	}
	text := engine.Printable(err.Error())
	for _, es := range r.untold(users, text) {
		r.eachUser([]*eso.ExternalSecret{es}, corev1.EventTypeWarning, eso.EventRestartFailed, text)
		r.log.Warn("workloads could not be restarted", "namespace", es.Namespace, "name", es.Name, "secret", secret, "err", text)
	}
}

func (r *reporter) restartHeld(users []*eso.ExternalSecret, w kube.Workload, row row) {
	text := fmt.Sprintf(
		"%s was restarted %d times in a row, so the next restart waits until %s. Something keeps changing the Secret: its events tell when, and two ExternalSecrets may have the same target",
		w, row.count, row.rest().UTC().Format(time.RFC3339))
	r.eachUser(r.untold(users, text), corev1.EventTypeWarning, eso.EventRestartHeld, text)
}

// untold picks those of whom a text was not said lately: what is owed is looked at again
// and again until it is done.
func (r *reporter) untold(users []*eso.ExternalSecret, text string) []*eso.ExternalSecret {
	return slices.DeleteFunc(slices.Clone(users), func(es *eso.ExternalSecret) bool {
		return !r.toldRestarts.again(es.UID, text, time.Now())
	})
}

// restartRefused tells of an annotation that has no effect. It fails nothing: the
// Secret is synced.
func (r *reporter) restartRefused(t task, now time.Time) {
	restart, err := t.es.Restart()
	if restart.Wanted() && !r.restarts {
		err = errRestartsOff
	}
	if err == nil || !t.entry.toldRestart.again(err.Error(), false, now) {
		return
	}
	text := engine.Printable(err.Error())
	r.eachUser([]*eso.ExternalSecret{t.es}, corev1.EventTypeWarning, eso.EventRestartRefused, text)
	r.log.Warn("no workload will be restarted", "namespace", t.es.Namespace, "name", t.es.Name, "err", text)
}

func (r *reporter) eachUser(users []*eso.ExternalSecret, kind, reason, message string) {
	for _, es := range users {
		r.events.Emit(reference(eso.KindExternalSecret, &es.ObjectMeta), kind, reason, message)
	}
}

func workloadReference(w kube.Workload) corev1.ObjectReference {
	kind := map[string]string{kube.Deployment: "Deployment", kube.StatefulSet: "StatefulSet", kube.DaemonSet: "DaemonSet"}[w.Kind]
	return corev1.ObjectReference{APIVersion: "apps/v1", Kind: kind, Namespace: w.Namespace, Name: w.Name, UID: w.UID}
}

// restarted counts a restart, or one that failed.
func (m *metrics) restarted(w kube.Workload, causes []*changedSecret, err error) {
	result := "success"
	if err != nil {
		result = "error"
	}
	for _, c := range causes {
		for _, es := range c.users {
			m.restartsOf.add(restartLabels{w.Namespace, w.String()}, types.NamespacedName{Namespace: es.Namespace, Name: es.Name})
		}
	}
	m.restarts.WithLabelValues(w.Namespace, w.String(), result).Inc()
}
