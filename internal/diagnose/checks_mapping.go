package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

func mappingChecks() []Check {
	exists := []string{"VS201"}
	return []Check{
		{Code: "VS201", Group: GroupMapping, Title: "ExternalSecret exists", Requires: []string{"VS102"}, mapping: mappingExists},
		{Code: "VS202", Group: GroupMapping, Title: "ExternalSecret is Ready", Requires: exists, Symptom: true, mapping: mappingReady},
		{Code: "VS203", Group: GroupMapping, Title: "no warning events", Requires: exists, Symptom: true, mapping: warningEvents},
		{Code: "VS204", Group: GroupMapping, Title: "fields are valid", Requires: exists, mapping: fieldsValid},
		{Code: "VS205", Group: GroupMapping, Title: "no field was dropped", Requires: exists, mapping: fieldsKept},
		{Code: "VS206", Quiet: true, Group: GroupMapping, Title: "it refreshes", Requires: exists, mapping: refreshes},
		{Code: "VS207", Group: GroupMapping, Title: "the target Secret is free", Requires: exists, mapping: targetFree},
		{Code: "VS208", Quiet: true, Group: GroupMapping, Title: "the target Secret can change", Requires: []string{"VS201", "VS207"}, mapping: targetMutable},
		{Code: "VS209", Quiet: true, Group: GroupMapping, Title: "the Secret to merge into exists", Requires: exists, mapping: mergeTarget},
		{Code: "VS210", Quiet: true, Group: GroupMapping, Title: "the Secret's type is allowed", Requires: exists, mapping: typeAllowed},
		{Code: "VS211", Quiet: true, Group: GroupMapping, Title: "absence in Vault removes nothing", Requires: exists, mapping: absenceHarmless},
	}
}

func mappingExists(f *Facts) Verdict {
	es, u := have(f.Mapping)
	if u != nil {
		return *u
	}
	if es == nil {
		if f.NamespaceExists.Known && !f.NamespaceExists.Value {
			return fail("kubectl get namespaces", "there is no namespace %s, so no ExternalSecret %s in it", f.Namespace, f.Name)
		}
		return fail("kubectl -n "+Quote(f.Namespace)+" get externalsecrets",
			"there is no ExternalSecret %s in namespace %s%s", f.Name, f.Namespace, didYouMean(f.Name, f.OtherMappings))
	}
	if es.DeletionTimestamp != nil {
		return warn(fmt.Sprintf("kubectl -n %s get externalsecret %s -o jsonpath='{.metadata.finalizers}'", es.Namespace, es.Name),
			"ExternalSecret is being deleted since %s, held by finalizers %s", f.ago(es.DeletionTimestamp.Time), list(es.Finalizers, 3))
	}
	interval := "1h"
	if es.Spec.RefreshInterval != nil {
		interval = es.Spec.RefreshInterval.String()
	}
	return ok("ExternalSecret exists; %s, every %s", es.RefreshPolicy(), interval)
}

func mappingReady(f *Facts) Verdict {
	es, u := have(f.Mapping)
	if u != nil {
		return *u
	}
	ready := es.Status.Ready()
	next := "kubectl vaultsecret sync-now -n " + es.Namespace + " " + es.Name
	switch {
	case ready == nil && f.Now.Sub(es.CreationTimestamp.Time) < time.Minute:
		return warn(next, "no controller has answered yet; it was created %s", f.ago(es.CreationTimestamp.Time))
	case ready == nil:
		return fail(next, "no Ready condition: no controller has answered since it was created %s", f.ago(es.CreationTimestamp.Time))
	case ready.Status == metav1.ConditionTrue && es.DeletionTimestamp == nil && es.Status.SyncedResourceVersion != eso.SyncedResourceVersion(&es.ObjectMeta):
		return warn(next, "Ready (%s), but the last change of the ExternalSecret is not synced yet", ready.Reason)
	case ready.Status == metav1.ConditionTrue:
		if late := overdue(f.Now, es); late > 0 {
			return warn(next, "Ready (%s), but the refresh is overdue by %s", ready.Reason, duration.HumanDuration(late))
		}
		return ok("Ready: %s, last sync %s", ready.Reason, f.ago(es.Status.RefreshTime.Time))
	}
	return fail(next, "Ready is %s since %s: %s: %s", ready.Status, f.ago(ready.LastTransitionTime.Time), ready.Reason, clip(ready.Message))
}

// overdue is how long ago a periodic refresh should have been made; backoff and
// jitter get ten minutes.
func overdue(now time.Time, es *eso.ExternalSecret) time.Duration {
	interval, err := es.RefreshInterval()
	if err != nil || interval <= 0 || es.RefreshPolicy() != eso.RefreshPeriodic || es.Status.RefreshTime.IsZero() || es.Spec.SyncWindows != nil {
		return 0
	}
	return now.Sub(es.Status.RefreshTime.Add(interval)) - 10*time.Minute
}

func warningEvents(f *Facts) Verdict {
	events, u := have(f.Events)
	if u != nil {
		return *u
	}
	var count int32
	var last Event
	for _, e := range events {
		if e.Warning {
			count += max(1, e.Count)
			if e.Last.After(last.Last) || last.Reason == "" {
				last = e
			}
		}
	}
	if count == 0 {
		return ok("no warning events")
	}
	es := f.Mapping.Value
	if es != nil {
		if ready := es.Status.Ready(); ready != nil && ready.Status == metav1.ConditionTrue && !last.Last.After(es.Status.RefreshTime.Time) {
			return ok("no warning events since the last sync")
		}
	}
	noun := "warnings"
	if count == 1 {
		noun = "warning"
	}
	return fail(explain(f, last.Message), "%d %s %s, last %s: %s", count, noun, last.Reason, f.ago(last.Last), clip(last.Message))
}

// partition splits the errors of eso.Validate by the check that reports them.
func partition(es *eso.ExternalSecret) (invalid, dropped, forbiddenType field.ErrorList) {
	unknownFields := eso.UnknownFields(&es.ObjectMeta, eso.KindExternalSecret)
	for _, err := range eso.Validate(es) {
		switch {
		case slices.Contains(unknownFields, err.Field):
			dropped = append(dropped, err)
		case err.Field == "spec.target.template.type":
			forbiddenType = append(forbiddenType, err)
		default:
			invalid = append(invalid, err)
		}
	}
	return invalid, dropped, forbiddenType
}

func fieldVerdict(f *Facts, errs field.ErrorList, good string) Verdict {
	if len(errs) == 0 {
		return ok("%s", good)
	}
	var texts []string
	for _, err := range errs {
		texts = append(texts, err.Error())
	}
	return fail(f.edit(), "ExternalSecret %s/%s: %s", f.Namespace, f.Name, strings.Join(texts, "; "))
}

func fieldsValid(f *Facts) Verdict {
	es, u := have(f.Mapping)
	if u != nil {
		return *u
	}
	invalid, _, _ := partition(es)
	return fieldVerdict(f, invalid, "fields are valid")
}

func fieldsKept(f *Facts) Verdict {
	es, u := have(f.Mapping)
	if u != nil {
		return *u
	}
	_, dropped, _ := partition(es)
	if len(dropped) == 0 {
		return ok("no field was dropped")
	}
	hint := ""
	for _, err := range dropped {
		at := strings.LastIndex(err.Field, ".")
		hint += didYouMean(err.Field[at+1:], fieldNames())
	}
	v := fieldVerdict(f, dropped, "")
	v.Message += hint
	return v
}

func typeAllowed(f *Facts) Verdict {
	es, u := have(f.Mapping)
	if u != nil {
		return *u
	}
	_, _, forbidden := partition(es)
	if len(forbidden) > 0 {
		return fieldVerdict(f, forbidden, "")
	}
	if t := f.Target.Value; f.Target.Known && t != nil && eso.ForbiddenType(t.Type) {
		return fail(f.edit(), "Secret %s/%s is of type %s, which a mapping never writes; name another Secret in spec.target.name", f.Namespace, es.TargetName(), t.Type)
	}
	if es.Spec.Target.Template == nil || es.Spec.Target.Template.Type == "" {
		return Verdict{}
	}
	return ok("type %s is allowed", es.Spec.Target.Template.Type)
}

func refreshes(f *Facts) Verdict {
	es, u := have(f.Mapping)
	if u != nil {
		return *u
	}
	if es.RefreshPolicy() == eso.RefreshCreatedOnce {
		return warn(f.patch(`{"spec":{"refreshPolicy":"Periodic"}}`),
			"spec.refreshPolicy is CreatedOnce: a rotation in Vault never reaches the Secret")
	}
	interval, err := es.RefreshInterval()
	if err == nil && interval <= 0 && es.RefreshPolicy() == eso.RefreshPeriodic {
		return warn(f.patch(`{"spec":{"refreshInterval":"1h"}}`),
			"spec.refreshInterval is 0: it is read once; External Secrets Operator then ignores later changes and force-sync too")
	}
	return Verdict{}
}

func absenceHarmless(f *Facts) Verdict {
	es, u := have(f.Mapping)
	if u != nil {
		return *u
	}
	if es.DeletionPolicy() == eso.DeleteRetain {
		return Verdict{}
	}
	for _, p := range f.Paths {
		if p.Read.Known && p.Read.Value.Kind == kv.Absent {
			return warn(f.patch(`{"spec":{"target":{"deletionPolicy":"Retain"}}}`),
				"spec.target.deletionPolicy is %s and %s is not in Vault: the Secret %s loses its keys or goes", es.DeletionPolicy(), p.Data, es.TargetName())
		}
	}
	return Verdict{}
}

// edit is the command that opens the mapping.
func (f *Facts) edit() string {
	return fmt.Sprintf("kubectl -n %s edit externalsecret %s   # or the manifest in Git", Quote(f.Namespace), Quote(f.Name))
}

func (f *Facts) patch(doc string) string {
	return fmt.Sprintf("kubectl -n %s patch externalsecret %s --type merge -p '%s'", Quote(f.Namespace), Quote(f.Name), doc)
}

// ago is "40s ago".
func (f *Facts) ago(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return duration.HumanDuration(max(0, f.Now.Sub(t))) + " ago"
}

// clip shortens a foreign text to what fits a line or two.
func clip(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > 300 {
		return string(r[:299]) + "…"
	}
	return text
}
