package kube

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Kinds of workloads, written as kubectl takes them.
const (
	Deployment  = "deployment"
	StatefulSet = "statefulset"
	DaemonSet   = "daemonset"
)

// Workload is a Deployment, StatefulSet or DaemonSet, as far as Secrets go.
type Workload struct {
	Namespace string
	// Kind is Deployment, StatefulSet or DaemonSet as above.
	Kind, Name string
	UID        types.UID
	Created    time.Time
	// Selector finds its Pods.
	Selector *metav1.LabelSelector
	// Uses maps a Secret's name to how its Pods use it.
	Uses map[string]Use
	// Waits says why a changed template starts no Pod by itself, "" when it does.
	Waits string
	// restarted maps a Secret's name to the content it was last restarted for.
	restarted map[string]string
}

// String is "deployment/web".
func (w Workload) String() string { return w.Kind + "/" + w.Name }

// Workloads lists the workloads of a namespace, those that use no Secret too, by kind
// and as the API server orders them.
func (c *Clients) Workloads(ctx context.Context, namespace string) ([]Workload, error) {
	var all []Workload
	add := func(kind string, meta *metav1.ObjectMeta, selector *metav1.LabelSelector, template *corev1.PodTemplateSpec, waits string) {
		all = append(all, Workload{
			Namespace: namespace, Kind: kind, Name: meta.Name, UID: meta.UID, Created: meta.CreationTimestamp.Time,
			Selector: selector, Uses: UsesOf(&template.Spec), Waits: waits, restarted: parseRestarted(template.Annotations[AnnotationRestarted]),
		})
	}
	onDelete := func(strategy string) string {
		if strategy == "OnDelete" {
			return "its updateStrategy is OnDelete: delete its Pods"
		}
		return ""
	}
	deployments, err := c.Deployments(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, told("listing the Deployments of "+namespace, err, nil)
	}
	for i := range deployments.Items {
		d := &deployments.Items[i]
		waits := ""
		if d.Spec.Paused {
			waits = "it is paused: kubectl rollout resume"
		}
		add(Deployment, &d.ObjectMeta, d.Spec.Selector, &d.Spec.Template, waits)
	}
	statefulSets, err := c.StatefulSets(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, told("listing the StatefulSets of "+namespace, err, nil)
	}
	for i := range statefulSets.Items {
		s := &statefulSets.Items[i]
		add(StatefulSet, &s.ObjectMeta, s.Spec.Selector, &s.Spec.Template, onDelete(string(s.Spec.UpdateStrategy.Type)))
	}
	daemonSets, err := c.DaemonSets(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, told("listing the DaemonSets of "+namespace, err, nil)
	}
	for i := range daemonSets.Items {
		d := &daemonSets.Items[i]
		add(DaemonSet, &d.ObjectMeta, d.Spec.Selector, &d.Spec.Template, onDelete(string(d.Spec.UpdateStrategy.Type)))
	}
	return all, nil
}

// Consumers picks the workloads that use a Secret.
func Consumers(all []Workload, secret string) []Workload {
	var found []Workload
	for _, w := range all {
		if _, uses := w.Uses[secret]; uses {
			found = append(found, w)
		}
	}
	return found
}
