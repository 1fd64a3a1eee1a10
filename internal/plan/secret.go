package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/mapping"
)

// desired builds the Secret as it should be, from the one that is there.
func desired(es *eso.ExternalSecret, want mapping.Desired, current *corev1.Secret) *corev1.Secret {
	next := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: es.TargetName(), Namespace: es.Namespace}}
	var mine owned
	if current != nil {
		next = current.DeepCopy()
		mine = ownFields(next, eso.FieldManager(es.Name))
		drop(next, mine)
	}
	if next.Data == nil {
		next.Data = map[string][]byte{}
	}
	switch es.CreationPolicy() {
	case eso.CreateOwner, eso.CreateOrphan:
		clear(next.Data)
	}
	for key, value := range want.Data {
		next.Data[key] = value.Reveal()
	}
	next.Labels, next.Annotations = with(next.Labels, want.Labels), with(next.Annotations, want.Annotations)
	if current != nil && sharesTarget(es) && !want.HasTemplate {
		// What is copied from the ExternalSecret, and not asked for, gives way to what
		// others set: they would set it again, and so on.
		keep(next.Labels, current.Labels, mine.labels)
		keep(next.Annotations, current.Annotations, mine.annotations)
	}
	for _, finalizer := range want.Finalizers {
		if !slices.Contains(next.Finalizers, finalizer) {
			next.Finalizers = append(next.Finalizers, finalizer)
		}
	}
	if want.Type != "" {
		next.Type = want.Type
	}
	if next.Type == "" {
		next.Type = corev1.SecretTypeOpaque
	}
	if want.Immutable {
		next.Immutable = &want.Immutable
	}
	own(es, next)
	next.Labels[eso.LabelManaged] = "true"
	setHash(next)
	if current == nil {
		setSource(next, want.Sources)
	}
	return next
}

// sharesTarget reports whether others have a share in the Secret by design.
func sharesTarget(es *eso.ExternalSecret) bool {
	policy := es.CreationPolicy()
	return policy == eso.CreateMerge || policy == eso.CreateOrMerge
}

// keep puts back what current holds and is not ours.
func keep(next, current map[string]string, ours []string) {
	for name, value := range current {
		if _, set := next[name]; set && !slices.Contains(ours, name) {
			next[name] = value
		}
	}
}

// own makes the ExternalSecret the controller under Owner, and gives up what an
// earlier Owner policy left otherwise.
func own(es *eso.ExternalSecret, secret *corev1.Secret) {
	secret.OwnerReferences = slices.DeleteFunc(secret.OwnerReferences, func(o metav1.OwnerReference) bool {
		return isExternalSecret(o) && o.Name == es.Name
	})
	delete(secret.Labels, eso.LabelCreatedBy)
	if es.CreationPolicy() != eso.CreateOwner {
		if len(secret.OwnerReferences) == 0 {
			secret.OwnerReferences = nil
		}
		return
	}
	yes := true
	secret.OwnerReferences = append(secret.OwnerReferences, metav1.OwnerReference{
		APIVersion: eso.GroupVersion().String(), Kind: eso.KindExternalSecret, Name: es.Name, UID: es.UID,
		Controller: &yes, BlockOwnerDeletion: &yes,
	})
	secret.Labels[eso.LabelCreatedBy] = eso.CreatedBy(es.Namespace, es.Name)
}

func setHash(secret *corev1.Secret) {
	secret.Annotations[eso.AnnotationDataHash] = eso.DataHash(secret.Data)
}

// maxSource bounds the provenance, in bytes: a find can read thousands of paths, and
// the API server takes 256 KiB of annotations.
const maxSource = 4096

// setSource tells which paths and versions the data was made of.
func setSource(secret *corev1.Secret, sources []mapping.Provenance) {
	var text strings.Builder
	for i, s := range sources {
		entry := s.Path
		if s.Version > 0 {
			entry += "@" + strconv.Itoa(s.Version)
		}
		if text.Len()+len(entry) > maxSource {
			fmt.Fprintf(&text, ",and %d more", len(sources)-i)
			break
		}
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString(entry)
	}
	delete(secret.Annotations, eso.AnnotationSource)
	if text.Len() > 0 {
		secret.Annotations[eso.AnnotationSource] = text.String()
	}
}

func with(base, more map[string]string) map[string]string {
	out := maps.Clone(base)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, more)
	return out
}

// follows reports whether an annotation follows a write and never causes one.
func follows(annotation string) bool {
	return annotation == eso.AnnotationSource || annotation == eso.AnnotationRestartPending
}

// equal compares all that we write, but for the annotations that follow a write.
func equal(a, b *corev1.Secret) bool {
	strip := func(s *corev1.Secret) map[string]string {
		annotations := maps.Clone(s.Annotations)
		maps.DeleteFunc(annotations, func(name, _ string) bool { return follows(name) })
		return annotations
	}
	return equality.Semantic.DeepEqual(a.Data, b.Data) &&
		equality.Semantic.DeepEqual(a.Labels, b.Labels) &&
		equality.Semantic.DeepEqual(strip(a), strip(b)) &&
		equality.Semantic.DeepEqual(sortedOwners(a), sortedOwners(b)) &&
		equality.Semantic.DeepEqual(a.Finalizers, b.Finalizers) &&
		a.Type == b.Type && isTrue(a.Immutable) == isTrue(b.Immutable)
}

func sortedOwners(s *corev1.Secret) []metav1.OwnerReference {
	owners := slices.Clone(s.OwnerReferences)
	slices.SortFunc(owners, func(a, b metav1.OwnerReference) int { return strings.Compare(string(a.UID), string(b.UID)) })
	return owners
}

// owned is what one field manager wrote on a Secret: the names of its data keys,
// labels and annotations.
type owned struct{ data, labels, annotations []string }

// ownFields reads managedFields. What a manager wrote earlier and does not write any
// more goes away, also under Merge; what others wrote stays.
func ownFields(secret *corev1.Secret, manager string) owned {
	var o owned
	for _, entry := range secret.ManagedFields {
		if entry.Manager != manager || entry.FieldsV1 == nil {
			continue
		}
		var fields struct {
			Data     map[string]json.RawMessage `json:"f:data"`
			Metadata struct {
				Labels      map[string]json.RawMessage `json:"f:labels"`
				Annotations map[string]json.RawMessage `json:"f:annotations"`
			} `json:"f:metadata"`
		}
		if json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		o.data = append(o.data, names(fields.Data)...)
		o.labels = append(o.labels, names(fields.Metadata.Labels)...)
		o.annotations = append(o.annotations, names(fields.Metadata.Annotations)...)
	}
	return o
}

func names(fields map[string]json.RawMessage) []string {
	var out []string
	for field := range fields {
		if name, ok := strings.CutPrefix(field, "f:"); ok {
			out = append(out, name)
		}
	}
	return out
}

func drop(secret *corev1.Secret, o owned) {
	for _, key := range o.data {
		delete(secret.Data, key)
	}
	for _, key := range o.labels {
		delete(secret.Labels, key)
	}
	for _, key := range o.annotations {
		if !follows(key) {
			delete(secret.Annotations, key)
		}
	}
}

// Orphans picks, of the Secrets of a namespace, those that an ExternalSecret with
// policy Owner left behind when its target was renamed. Who controls a Secret is read
// from its owner reference, never from a label, which anybody can set.
func Orphans(es *eso.ExternalSecret, secrets []metav1.ObjectMeta) []metav1.ObjectMeta {
	if es.CreationPolicy() != eso.CreateOwner {
		return nil
	}
	var orphans []metav1.ObjectMeta
	for _, s := range secrets {
		owner := metav1.GetControllerOf(&s)
		if owner != nil && owner.UID == es.UID && isExternalSecret(*owner) && s.Name != es.TargetName() && s.Namespace == es.Namespace {
			orphans = append(orphans, s)
		}
	}
	return orphans
}
