package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

func clusterChecks() []Check {
	return []Check{
		{Code: "VS101", Group: GroupCluster, Title: "Kubernetes API server answers", mapping: apiAnswers},
		{Code: "VS102", Group: GroupCluster, Title: "CRDs are served", Requires: []string{"VS101"}, mapping: crdsServed},
		{
			Code: "VS103", Group: GroupCluster, Title: "one controller acts on the mapping",
			Requires: []string{"VS102"}, Symptom: true, mapping: controllerActs,
		},
		{Code: "VS104", Group: GroupCluster, Title: "you may see what is looked at", Requires: []string{"VS101"}, mapping: callerMay},
	}
}

func apiAnswers(f *Facts) Verdict {
	if why := f.Cluster.Unreachable; why != "" {
		return fail("kubectl cluster-info\nkubectl config get-contexts", "the API server %s does not answer: %s", f.Cluster.Server, why)
	}
	return ok("API server answers, %s", f.Cluster.Version)
}

func crdsServed(f *Facts) Verdict {
	served, u := have(f.Cluster.Served)
	if u != nil {
		return *u
	}
	var missing []string
	for _, plural := range []string{eso.ExternalSecrets, eso.SecretStores, eso.ClusterSecretStores} {
		if len(served[plural]) == 0 {
			missing = append(missing, plural+"."+eso.Group)
		}
	}
	if len(missing) > 0 {
		return fail("kubectl apply -k manifests/crds", "the CRDs %s are not installed", strings.Join(missing, ", "))
	}
	versions := served[eso.ExternalSecrets]
	if !slices.Contains(versions, eso.Version) {
		return fail("kubectl apply -k manifests/crds", "%s.%s is served only as %s, not as %s: the CRDs are older than External Secrets Operator 0.16",
			eso.ExternalSecrets, eso.Group, strings.Join(versions, ", "), eso.Version)
	}
	return ok("CRDs of %s served as %s", eso.Group, strings.Join(versions, ", "))
}

// controllerActs judges the class of the mapping's first store that is vault's.
func controllerActs(f *Facts) Verdict {
	all, u := have(f.Cluster.Controllers)
	if u != nil {
		return *u
	}
	class, foreign := wantedClass(f)
	var acting, idle []Controller
	for _, c := range all {
		switch {
		case foreign && c.Kind != "external-secrets", class != "" && c.Class != class, c.Only != "" && c.Only != f.Namespace:
		case c.Ready == 0:
			idle = append(idle, c)
		default:
			acting = append(acting, c)
		}
	}
	switch {
	case len(acting) == 1:
		return ok("%s acts (class %s)", deployment(acting[0]), acting[0].Class)
	case len(acting) > 1:
		return warn(fmt.Sprintf("kubectl -n %s scale deployment %s --replicas=0   # or give each its own spec.controller on its stores", acting[1].Namespace, acting[1].Name),
			"%d controllers would act on the same mapping: %s and %s", len(acting), deployment(acting[0]), deployment(acting[1]))
	case len(idle) > 0:
		c := idle[0]
		fix := fmt.Sprintf("kubectl -n %s rollout status deployment %s\nkubectl -n %s describe deployment %s", c.Namespace, c.Name, c.Namespace, c.Name)
		if c.Wanted == 0 {
			fix = fmt.Sprintf("kubectl -n %s scale deployment %s --replicas=1", c.Namespace, c.Name)
		}
		return idleVerdict(f, fix, "%s has no ready Pod (%d wanted)", deployment(c), c.Wanted)
	}
	return idleVerdict(f, "kubectl apply -k manifests   # installs vaultsecret-controller", "no controller is seen that serves this mapping")
}

// idleVerdict fails only when the mapping shows that nobody acts: an answered
// mapping may be served by a controller that cannot be seen from here.
func idleVerdict(f *Facts, fix, format string, args ...any) Verdict {
	if at, manager := answered(f.Mapping.Value); !at.IsZero() && f.Now.Sub(at) < 10*time.Minute {
		return ok("%s answered the mapping %s", manager, f.ago(at))
	}
	if es := f.Mapping.Value; es != nil && es.Status.Ready() == nil {
		return fail(fix, format+", and nobody has answered the mapping yet", args...)
	}
	return warn(fix, format, args...)
}

// answered is when the mapping's status was written last, and by which field manager.
func answered(es *eso.ExternalSecret) (at time.Time, manager string) {
	if es == nil {
		return at, ""
	}
	for _, e := range es.ManagedFields {
		if e.Subresource == "status" && e.Time != nil && e.Time.After(at) {
			at, manager = e.Time.Time, clip(e.Manager)
		}
	}
	return at, manager
}

// wantedClass is the controller class of the first store, and whether the store's
// provider is another than Vault.
func wantedClass(f *Facts) (class string, foreign bool) {
	for _, s := range f.Stores {
		if s.Object.Known && s.Object.Value != nil {
			return s.Object.Value.Spec.Controller, s.Object.Value.Spec.Provider.Vault == nil
		}
	}
	return "", false
}

func deployment(c Controller) string {
	return fmt.Sprintf("%s (deployment %s/%s)", c.Kind, c.Namespace, c.Name)
}

func callerMay(f *Facts) Verdict {
	if denied := f.Cluster.Denied; len(denied) > 0 {
		return skip("you may not %s; what depends on it is unknown", list(denied, 5))
	}
	return ok("you may see all that was looked at")
}
