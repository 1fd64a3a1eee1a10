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
)

// workload is a Deployment, StatefulSet or DaemonSet and the Secrets that it uses.
type workload struct {
	kind, name string
	// uses maps a Secret to whether it is read by environment variables.
	uses    map[string]bool
	started time.Time
}

// consumers finds the workloads that use the mapping's Secret.
func (o *one) consumers(ctx context.Context, es *eso.ExternalSecret) {
	found, err := o.Consumers(ctx, es.Namespace, es.TargetName())
	o.f.Consumers = fact(&o.denials, "list workloads in "+es.Namespace, found, err)
}

// Consumers finds the workloads of a namespace that use a Secret, by kind and name.
func (g *Gatherer) Consumers(ctx context.Context, namespace, secret string) ([]diagnose.Workload, error) {
	all, err := g.workloads.get(namespace, func() ([]workload, error) {
		ctx, cancel := g.limited(ctx)
		defer cancel()
		return g.listWorkloads(ctx, namespace)
	})
	if err != nil {
		return nil, err
	}
	found := []diagnose.Workload{}
	for _, w := range all {
		if env, uses := w.uses[secret]; uses {
			found = append(found, diagnose.Workload{Kind: w.kind, Name: w.name, Env: env, Started: w.started})
		}
	}
	return found, nil
}

func (g *Gatherer) listWorkloads(ctx context.Context, namespace string) ([]workload, error) {
	var all []workload
	var selectors []*metav1.LabelSelector
	add := func(kind, name string, selector *metav1.LabelSelector, pod *corev1.PodSpec) {
		if uses := secretsOf(pod); len(uses) > 0 {
			all = append(all, workload{kind: kind, name: name, uses: uses})
			selectors = append(selectors, selector)
		}
	}
	apps := g.Clients.Core.AppsV1()
	deployments, err := apps.Deployments(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for i := range deployments.Items {
		d := &deployments.Items[i]
		add("deployment", d.Name, d.Spec.Selector, &d.Spec.Template.Spec)
	}
	statefulSets, err := apps.StatefulSets(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for i := range statefulSets.Items {
		s := &statefulSets.Items[i]
		add("statefulset", s.Name, s.Spec.Selector, &s.Spec.Template.Spec)
	}
	daemonSets, err := apps.DaemonSets(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for i := range daemonSets.Items {
		d := &daemonSets.Items[i]
		add("daemonset", d.Name, d.Spec.Selector, &d.Spec.Template.Spec)
	}
	if len(all) == 0 {
		return nil, nil
	}
	pods, err := g.Clients.Core.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i].started = oldestStart(pods.Items, selectors[i])
	}
	return all, nil
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

// secretsOf maps the Secrets that a Pod uses to whether that is by environment.
func secretsOf(pod *corev1.PodSpec) map[string]bool {
	uses := map[string]bool{}
	use := func(name string, env bool) { uses[name] = uses[name] || env }
	for _, v := range pod.Volumes {
		if v.Secret != nil {
			use(v.Secret.SecretName, false)
		}
		if v.Projected != nil {
			for _, s := range v.Projected.Sources {
				if s.Secret != nil {
					use(s.Secret.Name, false)
				}
			}
		}
	}
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		for _, from := range c.EnvFrom {
			if from.SecretRef != nil {
				use(from.SecretRef.Name, true)
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				use(e.ValueFrom.SecretKeyRef.Name, true)
			}
		}
	}
	for _, pull := range pod.ImagePullSecrets {
		use(pull.Name, false)
	}
	return uses
}
