package mapping

import (
	"cmp"
	"slices"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// Inputs is what was collected for one ExternalSecret, index for index with its
// spec. What could not be read is not in here: an unknown entry is the
// collector's error, and Compute is then not called.
type Inputs struct {
	// Data has one element per spec.data.
	Data []Fetched
	// DataFrom has one element per spec.dataFrom.
	DataFrom []FetchedSet
	// Sources holds the templateFrom Secrets and ConfigMaps of the mapping's own
	// namespace that SourceKeys lists.
	Sources map[SourceKey]map[string]redact.Bytes
}

// Fetched is one read: a payload, or the proof that there is none (kv.Absent).
type Fetched struct {
	Payload kv.Payload
	Absent  bool
	// Proof says which path is absent and how that is known, in words for people.
	Proof string
}

// FetchedSet is what one dataFrom entry read.
type FetchedSet struct {
	// One is the read of an extract.
	One Fetched
	// Hits are the payloads that a find selected, by their full name relative to
	// the mount. A hit that turned out absent is left out.
	Hits map[string]kv.Payload
	// Absent says that the folder of a find is proven not to exist (a LIST that
	// ended in kv.Absent). A LIST that worked and selected nothing leaves it
	// false, with no Hits.
	Absent bool
	// Proof is as in Fetched.
	Proof string
}

// SourceKey names a Secret or ConfigMap of the mapping's namespace.
type SourceKey struct {
	// Kind is "Secret" or "ConfigMap".
	Kind, Name string
}

// The kinds of a SourceKey.
const (
	KindSecret    = "Secret"
	KindConfigMap = "ConfigMap"
)

// SourceKeys lists what spec.target.template.templateFrom refers to, sorted,
// each once.
func SourceKeys(es *eso.ExternalSecret) []SourceKey {
	if es.Spec.Target.Template == nil {
		return nil
	}
	var keys []SourceKey
	for _, from := range es.Spec.Target.Template.TemplateFrom {
		if from.ConfigMap != nil {
			keys = append(keys, SourceKey{KindConfigMap, from.ConfigMap.Name})
		}
		if from.Secret != nil {
			keys = append(keys, SourceKey{KindSecret, from.Secret.Name})
		}
	}
	slices.SortFunc(keys, func(a, b SourceKey) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return slices.Compact(keys)
}
