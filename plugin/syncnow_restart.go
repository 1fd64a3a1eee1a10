package plugin

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// settled is a mapping whose Secret is in the cluster as Vault has it.
type settled struct {
	es      *eso.ExternalSecret
	secret  *corev1.Secret
	changed bool
}

// restarted is what became of one workload.
type restarted struct {
	namespace string
	workload  kube.Workload
	// waits is why its Pods stay as they are for now, "" when they do not.
	waits string
	err   error
}

// restartConsumers rolls the workloads that use the Secrets, after all of them have
// settled and each workload once, however many of its Secrets changed. Beside those
// whose Secret changed now there are those that an earlier run left behind: they were
// restarted for another content, or started before the last change of what they read
// by environment. So a second run completes a first one that broke off.
func restartConsumers(ctx context.Context, g *gather.Gatherer, all []settled) ([]restarted, error) {
	byNamespace := map[string][]settled{}
	for _, s := range all {
		if s.secret != nil {
			byNamespace[s.es.Namespace] = append(byNamespace[s.es.Namespace], s)
		}
	}
	var done []restarted
	for _, namespace := range slices.Sorted(maps.Keys(byNamespace)) {
		workloads, err := g.Clients.Workloads(ctx, namespace)
		if err != nil {
			return done, fmt.Errorf("the workloads that use the Secrets could not be found: %w", err)
		}
		for _, w := range workloads {
			contents, err := due(ctx, g, w, byNamespace[namespace])
			if err != nil {
				return done, err
			}
			if len(contents) == 0 {
				continue
			}
			did, err := g.Clients.Restart(ctx, w, contents, pluginManager)
			if did || err != nil {
				done = append(done, restarted{namespace: namespace, workload: w, waits: w.Waits, err: err})
			}
		}
	}
	return done, nil
}

// due maps the Secrets that a workload is to be restarted for to their contents.
func due(ctx context.Context, g *gather.Gatherer, w kube.Workload, all []settled) (map[string]string, error) {
	contents := map[string]string{}
	for _, s := range all {
		use, uses := w.Uses[s.secret.Name]
		if !uses || !use.Started {
			continue
		}
		content, err := kube.Content(s.secret, s.secret.Namespace, s.secret.Name, use)
		if err != nil {
			return nil, err
		}
		before := w.RestartedFor(s.secret.Name)
		behind := before != "" && before != content
		if before == "" && use.Env && !s.changed {
			if behind, err = startedBefore(ctx, g, w, s); err != nil {
				return nil, err
			}
		}
		if s.changed || behind {
			contents[s.secret.Name] = content
		}
	}
	return contents, nil
}

// startedBefore reports whether a Pod of the workload is older than the Secret's data.
func startedBefore(ctx context.Context, g *gather.Gatherer, w kube.Workload, s settled) (bool, error) {
	consumers, err := g.Consumers(ctx, w.Namespace, s.secret.Name)
	if err != nil {
		return false, fmt.Errorf("the Pods that use Secret %s/%s could not be found: %w", w.Namespace, s.secret.Name, err)
	}
	changed := gather.Changed(s.secret, s.es.Name)
	return slices.ContainsFunc(consumers, func(c diagnose.Workload) bool {
		return c.Kind == w.Kind && c.Name == w.Name && !c.Started.IsZero() && c.Started.Before(changed)
	}), nil
}

// sayRestarts prints what was restarted and reports whether all went well.
func (o *Options) sayRestarts(done []restarted, err error, namespaces bool) bool {
	ok := true
	for _, r := range done {
		name := r.workload.String()
		if namespaces {
			name += " in " + r.namespace
		}
		switch {
		case r.err != nil:
			ok = false
			fmt.Fprintf(o.ErrOut, "error: %s; by hand: kubectl -n %s rollout restart %s\n", gather.Clean(r.err.Error()), r.namespace, r.workload)
		case r.waits != "":
			fmt.Fprintf(o.text(o.Out), "  %s is to restart, but %s\n", name, r.waits)
		default:
			fmt.Fprintf(o.text(o.Out), "  restarted %s\n", name)
		}
	}
	if err != nil {
		ok = false
		fmt.Fprintf(o.ErrOut, "error: %s\n", gather.Clean(err.Error()))
	}
	return ok
}
