package kube

import (
	"maps"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// Slimming drops, of what the watches hold, what nobody here reads, so that a cluster's
// objects weigh little. The informers call it on what they were sent, before it is
// shared; what it leaves is never changed.

// slimming holds what many slimmed objects share.
type slimming struct {
	// labels and annotations are those of every Secret that a mapping wrote.
	labels, annotations map[string]string
	words               words
	packing             packing
}

func newSlimming() *slimming {
	return &slimming{
		labels:      map[string]string{eso.LabelManaged: "true"},
		annotations: map[string]string{eso.AnnotationDataHash: "there is one"},
	}
}

// secret keeps whether a mapping wrote it, a restart that is pending, and the
// controller.
func (s *slimming) secret(object any) (any, error) {
	m, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return object, nil
	}
	s.metadata(m)
	ours := m.Labels[eso.LabelManaged] == "true" && m.Annotations[eso.AnnotationDataHash] != ""
	pending, restarts := m.Annotations[eso.AnnotationRestartPending]
	if m.Labels, m.Annotations = nil, nil; ours {
		m.Labels, m.Annotations = s.labels, s.annotations
	}
	if restarts {
		m.Annotations = with(m.Annotations, eso.AnnotationRestartPending, pending)
	}
	return m, nil
}

// with is a map with one more pair.
func with(pairs map[string]string, name, text string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, pairs)
	all[name] = text
	return all
}

// configMap keeps identity and version.
func (s *slimming) configMap(object any) (any, error) {
	if m, ok := object.(*metav1.PartialObjectMetadata); ok {
		s.metadata(m)
		m.Labels, m.Annotations = nil, nil
	}
	return object, nil
}

// namespace keeps labels.
func (s *slimming) namespace(object any) (any, error) {
	if m, ok := object.(*metav1.PartialObjectMetadata); ok {
		s.metadata(m)
		m.Annotations = nil
	}
	return object, nil
}

func (s *slimming) metadata(m *metav1.PartialObjectMetadata) {
	m.TypeMeta = metav1.TypeMeta{}
	m.ManagedFields, m.Finalizers, m.GenerateName = nil, nil, ""
	m.Namespace = s.words.shared(m.Namespace)
	owner := metav1.GetControllerOfNoCopy(m)
	if owner == nil {
		m.OwnerReferences = nil
		return
	}
	kept := *owner
	kept.APIVersion, kept.Kind = s.words.shared(kept.APIVersion), s.words.shared(kept.Kind)
	m.OwnerReferences = []metav1.OwnerReference{kept}
}

// mapping keeps all but most of the managed fields, in less room.
func (s *slimming) mapping(object any) (any, error) {
	es, ok := object.(*eso.ExternalSecret)
	if !ok {
		return object, nil
	}
	es.ManagedFields = s.statusWriters(es.ManagedFields)
	share := func(texts ...*string) {
		for _, text := range texts {
			*text = s.words.shared(*text)
		}
	}
	share(&es.Kind, &es.APIVersion, &es.Namespace)
	if ref := es.Spec.SecretStoreRef; ref != nil {
		share(&ref.Kind, &ref.Name)
	}
	es.Status.Conditions = slices.Clone(es.Status.Conditions) // decoded slices have room for more
	for i := range es.Status.Conditions {
		c := &es.Status.Conditions[i]
		share(&c.Type, (*string)(&c.Status), &c.Reason, &c.Message)
	}
	return s.packing.pack(es)
}

// statusWriters keeps who wrote the status and when.
func (s *slimming) statusWriters(entries []metav1.ManagedFieldsEntry) []metav1.ManagedFieldsEntry {
	var kept []metav1.ManagedFieldsEntry
	for _, entry := range entries {
		if entry.Subresource == "status" {
			kept = append(kept, metav1.ManagedFieldsEntry{Manager: s.words.shared(entry.Manager), Subresource: s.words.shared(entry.Subresource), Time: entry.Time})
		}
	}
	return kept
}

// store drops managed fields.
func (s *slimming) store(object any) (any, error) {
	if m, ok := object.(metav1.Object); ok {
		m.SetManagedFields(nil)
	}
	return object, nil
}

// words hands out one copy of each short text. It remembers a bounded number and then
// begins anew, so it is never more than a way to save room.
type words struct {
	mu    sync.Mutex
	known map[string]string
}

const maxWords, longestWord = 4096, 128

func (w *words) shared(text string) string {
	if text == "" || len(text) > longestWord {
		return text
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if one, ok := w.known[text]; ok {
		return one
	}
	if w.known == nil || len(w.known) >= maxWords {
		w.known = make(map[string]string)
	}
	w.known[text] = text
	return text
}
