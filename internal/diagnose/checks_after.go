package diagnose

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

func afterChecks() []Check {
	return []Check{
		{Code: "VS701", Group: GroupAfter, Title: "Secret is what Vault holds", Requires: []string{"VS207", "VS208", "VS209", "VS608"}, mapping: noDrift},
		{Code: "VS702", Quiet: true, Group: GroupAfter, Title: "workloads have the newest value", Requires: []string{"VS201"}, mapping: workloadsFresh},
	}
}

func noDrift(f *Facts) Verdict {
	es, u := have(f.Mapping)
	if u != nil {
		return *u
	}
	next := "kubectl vaultsecret sync-now -n " + f.Namespace + " " + f.Name
	if t := f.Target; t.Known && t.Value == nil && es.CreationPolicy() != eso.CreateNone {
		if ready := es.Status.Ready(); ready != nil && ready.Status == metav1.ConditionTrue && ready.Reason == eso.ReasonSynced {
			return warn(next, "the mapping says synced, but Secret %s/%s is not there", f.Namespace, es.TargetName())
		}
	}
	d, u := have(f.Drift)
	if u != nil {
		return *u
	}
	if d.Refused != "" {
		return fail(f.edit(), "Secret %s/%s cannot be written: %s", f.Namespace, es.TargetName(), clip(d.Refused))
	}
	if n := len(d.Added) + len(d.Changed) + len(d.Removed); n > 0 {
		return warn(next, "Secret %s/%s differs from Vault in %d keys: %d to add (%s), %d to change (%s), %d to remove (%s)", f.Namespace, es.TargetName(), n,
			len(d.Added), list(d.Added, 4), len(d.Changed), list(d.Changed, 4), len(d.Removed), list(d.Removed, 4))
	}
	return ok("Secret %s/%s is what Vault holds", f.Namespace, es.TargetName())
}

func workloadsFresh(f *Facts) Verdict {
	consumers, u := have(f.Consumers)
	if u != nil {
		return *u
	}
	t := f.Target.Value
	if t == nil || t.Changed.IsZero() {
		return Verdict{}
	}
	for _, w := range consumers {
		if w.Env && !w.Started.IsZero() && w.Started.Before(t.Changed) {
			return warn(fmt.Sprintf("kubectl -n %s rollout restart %s %s", Quote(f.Namespace), w.Kind, Quote(w.Name)),
				"%s %s reads the Secret by environment variables and started %s, before its last change %s", w.Kind, w.Name, f.ago(w.Started), f.ago(t.Changed))
		}
	}
	return Verdict{}
}
