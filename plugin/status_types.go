package plugin

import (
	"slices"
	"strings"
	"time"
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
)

// MappingStatusList is what status prints with -o json and yaml:
//
//	{"apiVersion":"vaultsecret.io/v1","kind":"MappingStatusList","items":[
//	  {"namespace","name","store":{"kind","name"},"ready":"True|False|Unknown",
//	   "reason","message","lastSync","nextSync","secret":{"name","exists","error"},
//	   "sources":[{"path","version","newest","newestError"}],"consumers","consumersError",
//	   "controller":"vaultsecret|external-secrets|unknown"}]}
//
// A member whose value is not known is absent: secret.exists without the right to
// see the Secret, newest without --drift. The error beside it says why, where it was
// asked for.
type MappingStatusList struct {
	metav1.TypeMeta `json:",inline"`
	Items           []MappingStatus `json:"items"`
}

// MappingStatus is one row of status.
type MappingStatus struct {
	Namespace  string          `json:"namespace"`
	Name       string          `json:"name"`
	Store      StoreName       `json:"store"`
	Ready      string          `json:"ready"`
	Reason     string          `json:"reason"`
	Message    string          `json:"message"`
	LastSync   *metav1.Time    `json:"lastSync,omitempty"`
	NextSync   *metav1.Time    `json:"nextSync,omitempty"`
	Secret     SecretStatus    `json:"secret"`
	Sources    []SourceVersion `json:"sources"`
	Controller string          `json:"controller"`
	Policy     string          `json:"policy"`
	Interval   string          `json:"interval"`
	// Consumers use the Secret. When they are not known, ConsumersError says why.
	Consumers      []string `json:"consumers,omitempty"`
	ConsumersError string   `json:"consumersError,omitempty"`

	keys *int
}

// StoreName names a store.
type StoreName struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// SecretStatus names the Secret; Exists is absent when it could not be seen, and Error
// says why.
type SecretStatus struct {
	Name   string `json:"name"`
	Exists *bool  `json:"exists,omitempty"`
	Error  string `json:"error,omitempty"`
}

// SourceVersion is one path in Vault: the version in the cluster, and the newest.
type SourceVersion struct {
	Path    string `json:"path"`
	Version int    `json:"version,omitempty"`
	Newest  int    `json:"newest,omitempty"`
	// NewestError is why the newest version is not known, though it was asked for.
	NewestError string `json:"newestError,omitempty"`
}

// DeepCopyObject makes the list printable by cli-runtime; printers only read.
func (l *MappingStatusList) DeepCopyObject() runtime.Object {
	c := *l
	return &c
}

func mappingStatus(o gather.Overview) MappingStatus {
	es := o.Mapping
	s := MappingStatus{
		Namespace: once(es.Namespace), Name: es.Name, Store: StoreName{once(o.Store.Kind), once(o.Store.Name)},
		Ready: once(o.Ready), Reason: once(o.Reason), Message: once(o.Message), LastSync: timeOf(o.LastSync), NextSync: timeOf(o.NextSync),
		Secret: SecretStatus{Name: es.TargetName()}, Sources: []SourceVersion{}, Controller: o.Controller,
		Policy: once(string(es.CreationPolicy())), Interval: once(interval(es)),
	}
	if o.Secret.Known {
		exists, keys := o.Secret.Value.Exists, o.Secret.Value.Keys
		s.Secret.Exists, s.keys = &exists, &keys
	} else {
		s.Secret.Error = o.Secret.Why
	}
	for _, source := range o.Sources {
		v := SourceVersion{Path: source.Path, Version: source.Version}
		if source.Newest.Known {
			v.Newest = source.Newest.Value
		}
		v.NewestError = source.Newest.Why
		s.Sources = append(s.Sources, v)
	}
	for _, w := range o.Consumers.Value {
		s.Consumers = append(s.Consumers, w.Kind+"/"+w.Name)
	}
	s.ConsumersError = o.Consumers.Why
	return s
}

// once holds a word that many rows have once: each row of a long list is kept until
// the last is known.
func once(word string) string { return unique.Make(word).Value() }

// interval is how often the mapping refreshes, in its author's words.
func interval(es *eso.ExternalSecret) string {
	switch {
	case es.RefreshPolicy() != eso.RefreshPeriodic:
		return string(es.RefreshPolicy())
	case es.Spec.RefreshInterval == nil:
		return "1h"
	}
	return gather.Clean(es.Spec.RefreshInterval.String())
}

func timeOf(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	wrapped := metav1.NewTime(t)
	return &wrapped
}

// failing reports whether the answer about a mapping is bad: not Ready, or Ready
// with its Secret proven missing.
func (s MappingStatus) failing() bool {
	return s.Ready != string(metav1.ConditionTrue) || s.missing()
}

func (s MappingStatus) missing() bool {
	return s.Secret.Exists != nil && !*s.Secret.Exists && s.Reason != eso.ReasonDeleted && s.Policy != string(eso.CreateNone)
}

// stale reports whether Vault holds a newer version than the cluster.
func (s MappingStatus) stale() bool {
	return slices.ContainsFunc(s.Sources, func(v SourceVersion) bool { return v.Newest > 0 && v.Version > 0 && v.Newest != v.Version })
}

// unseen reports whether Vault was to be asked for a newer version and did not tell.
func (s MappingStatus) unseen() bool {
	return slices.ContainsFunc(s.Sources, func(v SourceVersion) bool { return v.NewestError != "" })
}

// problem reports whether --problems shows the mapping.
func (s MappingStatus) problem(now time.Time) bool {
	return s.failing() || s.stale() || s.unseen() || s.overdue(now)
}

func (s MappingStatus) overdue(now time.Time) bool {
	return s.NextSync != nil && now.Sub(s.NextSync.Time) > 10*time.Minute
}

// rank is how bad it is; 0 is worst.
func (s MappingStatus) rank(now time.Time) int {
	switch {
	case s.Ready == string(metav1.ConditionFalse):
		return 0
	case s.failing():
		return 1
	case s.overdue(now):
		return 2
	case s.stale():
		return 3
	case s.unseen():
		return 4
	}
	return 5
}

// sortWorstFirst orders by how bad it is, then as the API server lists: by
// namespace/name.
func sortWorstFirst(items []MappingStatus, now time.Time) {
	slices.SortStableFunc(items, func(a, b MappingStatus) int {
		if by := a.rank(now) - b.rank(now); by != 0 {
			return by
		}
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
}
