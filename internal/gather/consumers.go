package gather

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// workload is one that uses Secrets, and when the oldest of its Pods started.
type workload struct {
	kube.Workload
	started time.Time
}

// consumers finds the workloads that use the mapping's Secret.
func (o *one) consumers(ctx context.Context, es *eso.ExternalSecret) {
	found, err := o.Consumers(ctx, es.Namespace, es.TargetName())
	o.f.Consumers = fact(&o.denials, "list workloads in "+es.Namespace, found, err)
}

// Consumers finds the workloads of a namespace that use a Secret, by kind and name.
func (g *Gatherer) Consumers(ctx context.Context, namespace, secret string) ([]diagnose.Workload, error) {
	all, err := g.started(ctx, namespace)
	if err != nil {
		return nil, err
	}
	found := []diagnose.Workload{}
	for _, w := range all {
		if use, uses := w.Uses[secret]; uses {
			found = append(found, diagnose.Workload{Kind: w.Kind, Name: w.Name, Env: use.Env, Started: w.started})
		}
	}
	return found, nil
}

// started lists the workloads of a namespace that use any Secret, and looks at their
// Pods.
func (g *Gatherer) started(ctx context.Context, namespace string) ([]workload, error) {
	return g.workloads.get(namespace, func() ([]workload, error) {
		ctx, cancel := g.limited(ctx)
		defer cancel()
		found, err := g.Clients.Workloads(ctx, namespace)
		found = slices.DeleteFunc(found, func(w kube.Workload) bool { return len(w.Uses) == 0 })
		if err != nil || len(found) == 0 {
			return nil, err
		}
		pods, err := g.Clients.Pods(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		all := make([]workload, len(found))
		for i, w := range found {
			all[i] = workload{w, oldestStart(pods.Items, w.Selector)}
		}
		return all, nil
	})
}

func oldestStart(pods []corev1.Pod, selector *metav1.LabelSelector) time.Time {
	var oldest time.Time
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return oldest
	}
	for i := range pods {
		start := pods[i].Status.StartTime
		if start == nil || !s.Matches(labels.Set(pods[i].Labels)) {
			continue
		}
		if oldest.IsZero() || start.Time.Before(oldest) {
			oldest = start.Time
		}
	}
	return oldest
}
