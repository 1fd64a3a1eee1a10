package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// ErrChanged says that an object changed after it was looked at; nothing was written.
var ErrChanged = errors.New("it changed meanwhile")

// FieldConflict is a field that another manager set.
type FieldConflict struct{ Manager, Field string }

// ConflictError says whose fields an apply would have changed. Nothing was written.
type ConflictError struct {
	// Object is "ExternalSecret apps/api-db".
	Object    string
	Conflicts []FieldConflict
}

// Error names each manager once, with its fields.
func (e *ConflictError) Error() string {
	fields := map[string][]string{}
	for _, c := range e.Conflicts {
		fields[c.Manager] = append(fields[c.Manager], c.Field)
	}
	var parts []string
	for _, manager := range slices.Sorted(maps.Keys(fields)) {
		parts = append(parts, fmt.Sprintf("%s set %s", manager, strings.Join(fields[manager], ", ")))
	}
	return "applying " + e.Object + ": it has another owner: " + strings.Join(parts, "; ")
}

// MappingApply says how an ExternalSecret is applied.
type MappingApply struct {
	// Manager is the field manager. Fields that it applied before and leaves out now
	// are removed: one manager always applies the same set.
	Manager string
	DryRun  bool
	// TakeFrom says from which managers fields are taken over; nil is from none.
	TakeFrom func(manager string) bool
}

// ByHand reports whether a field manager is a person's tool, whose fields nobody puts
// back by itself, and not a controller.
func ByHand(manager string) bool { return strings.HasPrefix(manager, "kubectl") }

// ApplyMapping applies an ExternalSecret server-side and returns it as it is then, and
// the fields that were taken over. manifest has metadata and spec, and may have
// metadata.uid and resourceVersion as conditions. A conflict with a manager that nothing
// is taken from is a *ConflictError; what no longer is as it was looked at is ErrChanged.
func (c *Clients) ApplyMapping(ctx context.Context, namespace, name string, manifest map[string]any, how MappingApply) (*eso.ExternalSecret, []FieldConflict, error) {
	body, err := json.Marshal(manifest)
	if err != nil {
		return nil, nil, errors.New("encoding the ExternalSecret")
	}
	object := "ExternalSecret " + namespace + "/" + name
	options := metav1.PatchOptions{FieldManager: how.Manager}
	if how.DryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	client := c.ExternalSecrets(namespace)
	applied, err := client.Patch(ctx, name, types.ApplyPatchType, body, options)
	conflicts := conflictsOf(err)
	if len(conflicts) > 0 {
		foreign := slices.DeleteFunc(slices.Clone(conflicts), func(f FieldConflict) bool { return how.TakeFrom != nil && how.TakeFrom(f.Manager) })
		if len(foreign) > 0 {
			return nil, nil, &ConflictError{Object: object, Conflicts: foreign}
		}
		force := true
		options.Force = &force
		applied, err = client.Patch(ctx, name, types.ApplyPatchType, body, options)
	}
	if apierrors.IsConflict(err) || replacedUID(err) {
		return nil, nil, fmt.Errorf("applying %s: %w", object, ErrChanged)
	}
	if err != nil {
		return nil, nil, mappingError("applying "+object, err)
	}
	return applied, conflicts, nil
}

// replacedUID reports whether an object of that name is another one than was looked at.
func replacedUID(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	return slices.ContainsFunc(status.Status().Details.Causes, func(c metav1.StatusCause) bool { return c.Field == "metadata.uid" })
}

// mappingError keeps the API server's words about fields: an ExternalSecret holds no
// value that must not be shown.
func mappingError(act string, err error) error {
	var status apierrors.APIStatus
	if apierrors.IsInvalid(err) && errors.As(err, &status) {
		return fmt.Errorf("%s: %s", act, Printable(status.Status().Message, 2000))
	}
	return told(act, err, nil)
}

var conflictWith = regexp.MustCompile(`conflict with "([^"]+)"`)

// conflictsOf reads the API server's account of a failed apply.
func conflictsOf(err error) []FieldConflict {
	var status apierrors.APIStatus
	if !apierrors.IsConflict(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var conflicts []FieldConflict
	for _, cause := range status.Status().Details.Causes {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		manager := "another manager"
		if m := conflictWith.FindStringSubmatch(cause.Message); m != nil {
			manager = m[1]
		}
		conflicts = append(conflicts, FieldConflict{Manager: Printable(manager, 128), Field: Printable(strings.TrimPrefix(cause.Field, "."), 256)})
	}
	return conflicts
}

// MappingManifest is an ExternalSecret as it stands in Git: no status, of the metadata
// only what people write, and of the spec nothing that a CRD's defaults put there.
func MappingManifest(es *eso.ExternalSecret) map[string]any {
	metadata := map[string]any{"name": es.Name}
	if es.Namespace != "" {
		metadata["namespace"] = es.Namespace
	}
	if labels := notOf(es.Labels, "kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/", "argocd.argoproj.io/"); len(labels) > 0 {
		metadata["labels"] = labels
	}
	if annotations := notOf(es.Annotations, eso.AnnotationLastApplied, eso.AnnotationForceSync, "argocd.argoproj.io/tracking-id", "kustomize.toolkit.fluxcd.io/checksum"); len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	return map[string]any{
		"apiVersion": eso.GroupVersion().String(), "kind": eso.KindExternalSecret, "metadata": metadata, "spec": withoutDefaults(es.Spec.DeepCopy()),
	}
}

func notOf(all map[string]string, beginnings ...string) map[string]string {
	out := maps.Clone(all)
	maps.DeleteFunc(out, func(name, _ string) bool {
		return slices.ContainsFunc(beginnings, func(b string) bool { return strings.HasPrefix(name, b) })
	})
	return out
}

// withoutDefaults empties what ESO's and our CRDs fill in when it is absent.
func withoutDefaults(spec *eso.ExternalSecretSpec) *eso.ExternalSecretSpec {
	plain := func(s *eso.Strategies) {
		if s.ConversionStrategy == "Default" {
			s.ConversionStrategy = ""
		}
		if s.DecodingStrategy == eso.DecodeNone {
			s.DecodingStrategy = ""
		}
		if s.NullBytePolicy == "Ignore" {
			s.NullBytePolicy = ""
		}
	}
	ref := func(r *eso.RemoteRef) {
		if r.MetadataPolicy == "None" {
			r.MetadataPolicy = ""
		}
		plain(&r.Strategies)
	}
	for i := range spec.Data {
		ref(&spec.Data[i].RemoteRef)
	}
	for i := range spec.DataFrom {
		if extract := spec.DataFrom[i].Extract; extract != nil {
			ref(extract)
		}
		if find := spec.DataFrom[i].Find; find != nil {
			plain(&find.Strategies)
		}
	}
	if t := spec.Target.Template; t != nil {
		if t.EngineVersion == "v2" {
			t.EngineVersion = ""
		}
		if t.MergePolicy == "Replace" {
			t.MergePolicy = ""
		}
	}
	return spec
}

// SpecManagers are the field managers that set fields of an object's spec, sorted.
func SpecManagers(m *metav1.ObjectMeta) []string {
	var managers []string
	for _, e := range m.ManagedFields {
		if e.Subresource == "" && e.FieldsV1 != nil && strings.Contains(string(e.FieldsV1.GetRawBytes()), `"f:spec"`) {
			managers = append(managers, Printable(e.Manager, 128))
		}
	}
	slices.Sort(managers)
	return slices.Compact(managers)
}
