package diagnose

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

func storeChecks() []Check {
	usable := []string{"VS301", "VS306", "VS307"}
	return []Check{
		{Code: "VS301", Group: GroupStore, Title: "store exists", Requires: []string{"VS201"}, store: storeExists},
		{Code: "VS307", Quiet: true, Group: GroupStore, Title: "provider is vault", Requires: []string{"VS301"}, store: providerVault},
		{Code: "VS308", Group: GroupStore, Title: "store fields are valid", Requires: []string{"VS301", "VS307"}, store: storeValid},
		{Code: "VS306", Quiet: true, Group: GroupStore, Title: "a controller serves the store's class", Requires: []string{"VS301"}, store: classServed},
		{Code: "VS302", Group: GroupStore, Title: "store is Ready", Requires: usable, Symptom: true, store: storeReady},
		{Code: "VS303", Quiet: true, Group: GroupStore, Title: "validity is proven", Requires: usable, store: storeProven},
		{Code: "VS304", Quiet: true, Group: GroupStore, Title: "conditions admit the namespace", Requires: []string{"VS301", "VS308"}, store: namespaceAdmitted},
		{Code: "VS305", Quiet: true, Group: GroupStore, Title: "namespace regexes are anchored", Requires: []string{"VS301", "VS308"}, store: regexesAnchored},
	}
}

func storeExists(f *Facts, s *Store) Verdict {
	object, u := have(s.Object)
	if u != nil {
		return *u
	}
	if object != nil {
		if object.Meta.DeletionTimestamp != nil {
			return warn("kubectl describe "+s.kubectl(f), "%s is being deleted", s.name(f))
		}
		return ok("%s exists", s.Ref)
	}
	if s.OtherKind {
		other := eso.KindClusterSecretStore
		if s.Ref.Kind == other {
			other = eso.KindSecretStore
		}
		return fail(f.patch(fmt.Sprintf(`{"spec":{"secretStoreRef":{"kind":%q}}}`, other)),
			"there is no %s, but there is a %s of that name; spec.secretStoreRef.kind is %s (SecretStore when empty)", s.name(f), other, s.Ref.Kind)
	}
	return fail("kubectl get secretstores,clustersecretstores -n "+Quote(f.Namespace)+"\n"+f.edit(),
		"there is no %s, which spec.secretStoreRef.name asks for%s", s.name(f), didYouMean(s.Ref.Name, s.Others))
}

func providerVault(f *Facts, s *Store) Verdict {
	object, u := have(s.Object)
	if u != nil {
		return *u
	}
	if object.Spec.Provider.Vault != nil {
		return Verdict{}
	}
	others := strings.Join(object.Spec.Provider.Others(), ", ")
	if others == "" {
		return fail("kubectl edit "+s.kubectl(f), "%s names no provider in spec.provider", s.name(f))
	}
	for _, c := range f.Cluster.Controllers.Value {
		if c.Kind == "external-secrets" {
			return skip("provider %s is served by External Secrets Operator; only provider vault is looked into", others)
		}
	}
	if es := f.Mapping.Value; es != nil && es.Status.Ready() != nil || !f.Cluster.Controllers.Known {
		return skip("provider %s is not vault; only provider vault is looked into", others)
	}
	return fail("kubectl edit "+s.kubectl(f),
		"%s has spec.provider.%s, and no External Secrets Operator is seen that would serve it", s.name(f), others)
}

// classServed fails when the class is somebody's who is not there. A mapping that
// was answered proves the contrary.
func classServed(f *Facts, s *Store) Verdict {
	object, u := have(s.Object)
	if u != nil {
		return *u
	}
	class := object.Spec.Controller
	if class == "" {
		return Verdict{}
	}
	var classes []string
	for _, c := range f.Cluster.Controllers.Value {
		if c.Class == class && c.Ready > 0 {
			return ok("class %q is served by %s", class, deployment(c))
		}
		classes = append(classes, c.Class)
	}
	answered := f.Mapping.Value != nil && f.Mapping.Value.Status.SyncedResourceVersion == eso.SyncedResourceVersion(&f.Mapping.Value.ObjectMeta)
	switch {
	case class == "default":
		return Verdict{}
	case answered:
		return ok("class %q is served: the mapping was answered", class)
	case !f.Cluster.Controllers.Known:
		return unknown("whether a controller of class %q runs: %s", class, f.Cluster.Controllers.Why)
	}
	return fail(fmt.Sprintf("kubectl patch %s --type merge -p '{\"spec\":{\"controller\":\"\"}}'   # or run a controller with --controller-class=%s", s.kubectl(f), Quote(class)),
		"%s is of class %q (spec.controller), which no running controller serves (running: %s); others pass it over in silence", s.name(f), class, list(classes, 5))
}

func storeReady(f *Facts, s *Store) Verdict {
	object, u := have(s.Object)
	if u != nil {
		return *u
	}
	ready := object.Status.Ready()
	switch {
	case ready == nil:
		return warn("kubectl describe "+s.kubectl(f), "%s has no Ready condition yet", s.Ref)
	case ready.Status == metav1.ConditionTrue:
		return ok("%s is Ready", s.Ref)
	}
	return fail("kubectl describe "+s.kubectl(f), "%s is not Ready since %s: %s: %s%s", s.Ref, f.ago(ready.LastTransitionTime.Time), ready.Reason, clip(ready.Message), s.lastWarning(*ready))
}

// lastWarning is what the newest warning event adds to a condition that is False: ESO's
// condition does not tell the cause, its event does. An event of before the condition
// turned, or one that a later good event has overtaken, is of another failure.
func (s *Store) lastWarning(ready eso.StoreStatusCondition) string {
	var newest *Event
	for i, e := range s.Events.Value {
		if newest == nil || !e.Last.Before(newest.Last) {
			newest = &s.Events.Value[i]
		}
	}
	// Times of events and conditions are to the second.
	if newest == nil || !newest.Warning || newest.Last.Before(ready.LastTransitionTime.Truncate(time.Second)) || strings.Contains(ready.Message, newest.Message) {
		return ""
	}
	return ": " + clip(newest.Message)
}

func storeProven(f *Facts, s *Store) Verdict {
	object, u := have(s.Object)
	if u != nil {
		return *u
	}
	if !object.Referent() {
		return Verdict{}
	}
	return warn("kubectl -n "+Quote(f.Namespace)+" get secrets,serviceaccounts   # what the store names is looked up in the mapping's namespace",
		"%s leaves a namespace open (referent): its Ready condition does not prove that the login works in %s", s.name(f), f.Namespace)
}

func namespaceAdmitted(f *Facts, s *Store) Verdict {
	object, u := have(s.Object)
	if u != nil {
		return *u
	}
	if !object.Cluster() || len(object.Spec.Conditions) == 0 {
		return Verdict{}
	}
	labels := s.NamespaceLabels.Value
	if !s.NamespaceLabels.Known {
		labels = nil
	}
	admitted, err := admits(object.Spec.Conditions, f.Namespace, labels)
	switch {
	case err != nil:
		return fail("kubectl edit "+s.kubectl(f), "%s: %s", s.name(f), err)
	case admitted:
		return ok("%s admits namespace %s", s.Ref, f.Namespace)
	case !s.NamespaceLabels.Known && selects(object.Spec.Conditions):
		return unknown("whether spec.conditions of %s admit namespace %s, whose labels are not known: %s", s.name(f), f.Namespace, s.NamespaceLabels.Why)
	}
	return fail(fmt.Sprintf("kubectl patch %s --type json -p '[{\"op\":\"add\",\"path\":\"/spec/conditions/-\",\"value\":{\"namespaces\":[%q]}}]'", s.kubectl(f), f.Namespace),
		"spec.conditions of %s do not admit namespace %s", s.name(f), f.Namespace)
}

func regexesAnchored(f *Facts, s *Store) Verdict {
	object, u := have(s.Object)
	if u != nil {
		return *u
	}
	var open []string
	if object.Cluster() {
		for i, c := range object.Spec.Conditions {
			for j, expr := range c.NamespaceRegexes {
				if !strings.HasPrefix(expr, "^") || !strings.HasSuffix(expr, "$") {
					open = append(open, fmt.Sprintf("spec.conditions[%d].namespaceRegexes[%d] %q", i, j, expr))
				}
			}
		}
	}
	if len(open) == 0 {
		return Verdict{}
	}
	return warn("kubectl edit "+s.kubectl(f)+"   # write ^…$", "%s: %s matches every namespace that contains it, not only the whole name", s.name(f), list(open, 3))
}

func storeValid(f *Facts, s *Store) Verdict {
	object, u := have(s.Object)
	if u != nil {
		return *u
	}
	var texts []string
	for _, err := range eso.ValidateStore(*object) {
		texts = append(texts, err.Error())
	}
	for _, name := range eso.UnknownFields(object.Meta, object.Kind) {
		texts = append(texts, name+": no such field, the API server dropped it")
	}
	if len(texts) > 0 {
		return fail("kubectl edit "+s.kubectl(f)+"   # or the manifest in Git", "%s: %s", s.name(f), strings.Join(texts, "; "))
	}
	return ok("fields of %s are valid", s.Ref)
}

// kubectl names the store as an argument of kubectl.
func (s *Store) kubectl(f *Facts) string {
	if s.Ref.Kind == eso.KindClusterSecretStore {
		return "clustersecretstore " + Quote(s.Ref.Name)
	}
	return "secretstore " + Quote(s.Ref.Name) + " -n " + Quote(f.Namespace)
}
