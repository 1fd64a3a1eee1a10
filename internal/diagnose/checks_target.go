package diagnose

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

func targetFree(f *Facts) Verdict {
	es, u := have(f.Mapping)
	if u != nil {
		return *u
	}
	t, u := have(f.Target)
	if u != nil {
		return *u
	}
	name := f.Namespace + "/" + es.TargetName()
	switch {
	case t == nil:
		return ok("Secret %s does not exist yet", name)
	case t.Deleting:
		return warn(fmt.Sprintf("kubectl -n %s get secret %s -o jsonpath='{.metadata.finalizers}'", f.Namespace, es.TargetName()), "Secret %s is being deleted", name)
	case t.OwnerKind == eso.KindExternalSecret && t.OwnerGroup == eso.Group && t.OwnerName != es.Name:
		return fail(f.patch(fmt.Sprintf(`{"spec":{"target":{"name":%q}}}`, es.Name)),
			"Secret %s is owned by another ExternalSecret, %s; give spec.target.name another name, or delete one of the two", name, t.OwnerName)
	case t.OwnerKind != "" && t.OwnerKind != eso.KindExternalSecret && es.CreationPolicy() == eso.CreateOwner:
		return fail(f.patch(`{"spec":{"target":{"creationPolicy":"Merge"}}}`),
			"Secret %s is owned by %s %s; with spec.target.creationPolicy Owner it cannot be taken over", name, t.OwnerKind, t.OwnerName)
	}
	owner := "without an owner"
	if t.OwnerKind != "" {
		owner = "owned by " + t.OwnerKind + " " + t.OwnerName
	}
	return ok("Secret %s, %s, %d keys; creationPolicy %s", name, owner, len(t.Keys), es.CreationPolicy())
}

func targetMutable(f *Facts) Verdict {
	es, u := have(f.Mapping)
	if u != nil {
		return *u
	}
	t, u := have(f.Target)
	if u != nil {
		return *u
	}
	if t == nil || !t.Immutable {
		return Verdict{}
	}
	fix := fmt.Sprintf("kubectl -n %s delete secret %s   # the controller makes it anew", f.Namespace, es.TargetName())
	if es.CreationPolicy() == eso.CreateMerge {
		fix = fmt.Sprintf("kubectl -n %s get secret %s -o yaml > secret.yaml   # then delete it and create it again without immutable", f.Namespace, es.TargetName())
	}
	ready := es.Status.Ready()
	broken := ready != nil && ready.Status == metav1.ConditionFalse && strings.Contains(ready.Message, "immutable")
	d := f.Drift.Value
	drifted := f.Drift.Known && (len(d.Added)+len(d.Changed)+len(d.Removed) > 0 || d.Refused != "")
	switch {
	case es.Spec.Target.Immutable:
		return warn(fix, "spec.target.immutable is true: the Secret %s never follows Vault", es.TargetName())
	case broken || drifted:
		return fail(fix, "Secret %s/%s is immutable (.immutable: true), so its data cannot be changed", f.Namespace, es.TargetName())
	}
	return warn(fix, "Secret %s/%s is immutable: the next change in Vault cannot be written", f.Namespace, es.TargetName())
}

func mergeTarget(f *Facts) Verdict {
	es, u := have(f.Mapping)
	if u != nil {
		return *u
	}
	if es.CreationPolicy() != eso.CreateMerge {
		return Verdict{}
	}
	t, u := have(f.Target)
	if u != nil {
		return *u
	}
	if t == nil {
		return fail(fmt.Sprintf("kubectl -n %s create secret generic %s\n# or: %s", f.Namespace, es.TargetName(), f.patch(`{"spec":{"target":{"creationPolicy":"CreateOrMerge"}}}`)),
			"Secret %s/%s does not exist, and spec.target.creationPolicy Merge does not create it", f.Namespace, es.TargetName())
	}
	return ok("Secret %s/%s exists to merge into", f.Namespace, es.TargetName())
}

// fieldNames are the fields of an ExternalSecret's spec, for near misses.
func fieldNames() []string {
	return []string{
		"secretStoreRef", "target", "refreshPolicy", "refreshInterval", "syncWindows", "data", "dataFrom", "name", "kind",
		"creationPolicy", "deletionPolicy", "template", "immutable", "secretKey", "remoteRef", "sourceRef", "key", "property",
		"version", "metadataPolicy", "conversionStrategy", "decodingStrategy", "nullBytePolicy", "extract", "find", "rewrite",
		"path", "regexp", "tags", "type", "engineVersion", "metadata", "mergePolicy", "templateFrom", "labels", "annotations",
		"storeRef", "generatorRef", "configMap", "secret", "literal", "items", "templateAs", "source", "transform", "merge",
	}
}
