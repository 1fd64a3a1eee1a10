package gather

import (
	"context"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/plan"
)

// Difference is how a mapping's Secret differs from what Vault holds now. It names
// keys, and holds no value.
type Difference struct {
	// Action is what a controller would do; "" when that is not known.
	Action plan.Action
	// Exists says whether the Secret is there; it means nothing without an Action.
	Exists bool
	// Added, Changed, Removed and Same are names of keys, sorted.
	Added, Changed, Removed, Same []string
	// Metadata names what else would change, e.g. "labels.team" or "type", sorted.
	Metadata []string
	// Refused is why the Secret cannot become what Vault holds: what is wanted cannot be
	// written (Action Conflict or Blocked), the Secret to merge into is missing, or Vault
	// has nothing any more and the Secret is kept (both Action None).
	Refused string
	// Unknown is why it is not known what is wanted, "" when it is.
	Unknown string
	// Sources are the paths and versions that Vault was read at.
	Sources []Source
}

// Differs reports whether a sync would change the Secret.
func (d Difference) Differs() bool {
	return d.Action == plan.Create || d.Action == plan.Update || d.Action == plan.Delete
}

// Diff runs the engine that the controller runs, without writing.
func (g *Gatherer) Diff(ctx context.Context, es *eso.ExternalSecret) Difference {
	ctx, cancel := g.limited(ctx)
	defer cancel()
	outcome := g.Local().Preview(ctx, es)
	c := outcome.Change
	switch {
	case outcome.Err != nil && c.Action == "":
		var d denials
		return Difference{Unknown: d.reason("look at what the mapping needs in "+es.Namespace, outcome.Err)}
	case outcome.Skipped:
		return Difference{Unknown: "a store of the mapping is no Vault, so another controller's"}
	}
	d := Difference{Action: c.Action, Exists: c.Current != nil, Added: c.Added, Changed: c.Changed, Removed: c.Removed, Same: same(c)}
	switch {
	case c.Err != nil:
		d.Refused = Clean(c.Err.Error())
	case c.Action == plan.None && c.Reason == eso.ReasonMissing:
		d.Refused = "Secret " + es.TargetName() + " does not exist, and its creationPolicy does not create it"
	case c.Action == plan.None && c.Message == eso.MessageRetained:
		d.Refused, d.Same = "Vault has nothing that the mapping selects; deletionPolicy Retain keeps the Secret as it is", nil
	}
	if c.Action == plan.Update {
		d.Metadata = metadataChanges(c.Current, c.Secret)
	}
	for _, s := range outcome.Sources {
		d.Sources = append(d.Sources, Source{Path: Clean(s.Path), Version: s.Version})
	}
	return d
}

// same are the names of the keys that stay as they are.
func same(c plan.Change) []string {
	if c.Current == nil || c.Action == plan.Delete || c.Action == plan.Conflict || c.Action == plan.Blocked {
		return nil
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(c.Current.Data)), func(key string) bool {
		return slices.Contains(c.Changed, key) || slices.Contains(c.Removed, key)
	})
}

// metadataChanges names what differs between two Secrets besides their data. What
// follows from the data (its hash, its source) is not told.
func metadataChanges(before, after *corev1.Secret) []string {
	var names []string
	compare := func(prefix string, old, new map[string]string) {
		for key := range new {
			if value, ok := old[key]; !ok || value != new[key] {
				names = append(names, prefix+key)
			}
		}
		for key := range old {
			if _, ok := new[key]; !ok {
				names = append(names, prefix+key)
			}
		}
	}
	compare("labels.", before.Labels, after.Labels)
	compare("annotations.", before.Annotations, after.Annotations)
	names = slices.DeleteFunc(names, func(name string) bool {
		return name == "annotations."+eso.AnnotationDataHash || name == "annotations."+eso.AnnotationSource
	})
	if before.Type != after.Type {
		names = append(names, "type")
	}
	if !equality.Semantic.DeepEqual(before.OwnerReferences, after.OwnerReferences) {
		names = append(names, "ownerReferences")
	}
	if !equality.Semantic.DeepEqual(before.Finalizers, after.Finalizers) {
		names = append(names, "finalizers")
	}
	if !equality.Semantic.DeepEqual(before.Immutable, after.Immutable) {
		names = append(names, "immutable")
	}
	for i, name := range names {
		names[i] = Clean(name)
	}
	slices.Sort(names)
	return names
}
