package gather

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// Cluster collects what is known of the cluster, once.
func (g *Gatherer) Cluster(ctx context.Context) diagnose.Cluster {
	c, _ := g.cluster.get("", func() (diagnose.Cluster, error) {
		ctx, cancel := g.limited(ctx)
		defer cancel()
		c := diagnose.Cluster{Server: g.Clients.Config.Host}
		gitVersion, err := g.version(ctx)
		if err != nil && !apierrors.IsForbidden(err) {
			c.Unreachable = g.clusterDeny.reason("ask for the version", err)
			if apierrors.IsUnauthorized(err) {
				c.Unreachable = "it does not accept your credentials (401)"
			}
			return c, nil
		}
		c.Version = gitVersion
		served, err := g.served(ctx)
		c.Served = fact(&g.clusterDeny, "ask for the API versions", served, err)
		c.Controllers = g.controllers(ctx)
		c.Denied = g.clusterDeny.sorted()
		return c, nil
	})
	return c
}

func (g *Gatherer) version(ctx context.Context) (string, error) {
	raw, err := g.Clients.Raw(ctx, "/version")
	if err != nil {
		return "", err
	}
	var info version.Info
	if err := json.Unmarshal(raw, &info); err != nil {
		return "", fmt.Errorf("it answers, but not as an API server does: %w", err)
	}
	return info.GitVersion, nil
}

// served maps the plurals of the group to their served versions.
func (g *Gatherer) served(ctx context.Context) (map[string][]string, error) {
	served := map[string][]string{}
	for _, v := range []string{eso.Version, "v1beta1", "v1alpha1"} {
		raw, err := g.Clients.Raw(ctx, "/apis", eso.Group, v)
		if apierrors.IsNotFound(err) {
			continue
		}
		var list metav1.APIResourceList
		if err == nil {
			err = json.Unmarshal(raw, &list)
		}
		if err != nil {
			return nil, err
		}
		for _, r := range list.APIResources {
			if !strings.Contains(r.Name, "/") {
				served[r.Name] = append(served[r.Name], v)
			}
		}
	}
	return served, nil
}

// controllers finds the Deployments that act on mappings, by the labels of their
// charts and manifests.
func (g *Gatherer) controllers(ctx context.Context) diagnose.Fact[[]diagnose.Controller] {
	list, err := g.Clients.Deployments("").List(ctx, metav1.ListOptions{
		LabelSelector: "app.kubernetes.io/name in (external-secrets,vaultsecret-controller,vaultsecret)", Limit: chunk,
	})
	if err != nil {
		return diagnose.Unknown[[]diagnose.Controller](g.clusterDeny.reason("list deployments in all namespaces", err))
	}
	controllers := []diagnose.Controller{}
	for i := range list.Items {
		d := &list.Items[i]
		c := diagnose.Controller{Kind: "vaultsecret", Namespace: d.Namespace, Name: d.Name, Class: "default", Ready: d.Status.ReadyReplicas, Wanted: 1}
		if d.Labels["app.kubernetes.io/name"] == "external-secrets" {
			c.Kind = "external-secrets"
		}
		if d.Spec.Replicas != nil {
			c.Wanted = *d.Spec.Replicas
		}
		flags := arguments(d)
		if class, ok := flags["controller-class"]; ok {
			c.Class = class
		}
		c.Only = flags["namespace"]
		if c.Ready == 0 && c.Kind == "vaultsecret" && g.leased(ctx, d.Namespace) {
			c.Ready = 1
		}
		controllers = append(controllers, c)
	}
	return diagnose.Known(controllers)
}

// arguments are the --name=value flags of a Deployment's first container.
func arguments(d *appsv1.Deployment) map[string]string {
	flags := map[string]string{}
	for _, c := range d.Spec.Template.Spec.Containers[:min(1, len(d.Spec.Template.Spec.Containers))] {
		words := slices.Concat(c.Command, c.Args)
		for i, word := range words {
			name, value, found := strings.Cut(strings.TrimLeft(word, "-"), "=")
			if !found && strings.HasPrefix(word, "-") && i+1 < len(words) && !strings.HasPrefix(words[i+1], "-") {
				value = words[i+1]
			}
			flags[name] = value
		}
	}
	return flags
}

// leased reports whether somebody holds a live lease of our controller: a process
// that runs outside of the Deployment.
func (g *Gatherer) leased(ctx context.Context, namespace string) bool {
	leases, err := g.Clients.Leases(namespace).List(ctx, metav1.ListOptions{Limit: chunk})
	if err != nil {
		return false
	}
	for _, l := range leases.Items {
		if strings.HasPrefix(l.Name, "vaultsecret") && l.Spec.RenewTime != nil && g.Now().Sub(l.Spec.RenewTime.Time) < time.Minute {
			return true
		}
	}
	return false
}

type namespace struct {
	exists bool
	labels map[string]string
}

// namespaceOf looks a namespace up, once.
func (g *Gatherer) namespaceOf(ctx context.Context, name string) (namespace, error) {
	return g.namespaces.get(name, func() (namespace, error) {
		ctx, cancel := g.limited(ctx)
		defer cancel()
		ns, err := g.Clients.Namespaces().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return namespace{}, nil
		}
		if err != nil {
			return namespace{}, err
		}
		return namespace{exists: true, labels: ns.Labels}, nil
	})
}

// eventsOf lists the events of one kind of object in a namespace, by object name,
// newest last, once.
func (g *Gatherer) eventsOf(ctx context.Context, namespace, kind string) (map[string][]diagnose.Event, error) {
	return g.events.get(namespace+"/"+kind, func() (map[string][]diagnose.Event, error) {
		var all []Happening
		err := g.listEvents(ctx, namespace, kind, func(e *corev1.Event) { all = append(all, HappeningOf(e)) })
		if err != nil {
			return nil, err
		}
		slices.SortStableFunc(all, earlier)
		byName := map[string][]diagnose.Event{}
		for _, h := range all {
			byName[h.Object.Name] = append(byName[h.Object.Name], h.Event)
		}
		return byName, nil
	})
}

func event(e *corev1.Event) diagnose.Event {
	last := e.LastTimestamp.Time
	if e.Series != nil && e.Series.LastObservedTime.After(last) {
		last = e.Series.LastObservedTime.Time
	}
	if last.IsZero() {
		last = e.EventTime.Time
	}
	if last.IsZero() {
		last = e.CreationTimestamp.Time
	}
	count := e.Count
	if e.Series != nil {
		count = max(count, e.Series.Count)
	}
	source := e.Source.Component
	if source == "" {
		source = e.ReportingController
	}
	return diagnose.Event{
		Warning: e.Type == corev1.EventTypeWarning, Reason: Clean(e.Reason), Message: Clean(e.Message),
		Count: max(1, count), Last: last, Source: Clean(source),
	}
}
