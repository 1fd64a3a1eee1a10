package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// part is one of the three maps that a template fills.
type part string

const (
	partData        part = "data"
	partLabels      part = "labels"
	partAnnotations part = "annotations"
)

// targetOf reads templateFrom.target: Data when absent, upper and lower case alike.
// An explicit empty one passes ESO's checks and then fails there when rendering; here
// it fails at once.
func targetOf(from eso.TemplateFrom) (part, error) {
	if from.Target == nil {
		return partData, nil
	}
	switch p := part(strings.ToLower(*from.Target)); p {
	case partData, partLabels, partAnnotations:
		return p, nil
	}
	return "", faultf("target", `templateFrom target=%s is not allowed when targeting a Secret, must be one of "Data", "Annotations" or "Labels"`, name(*from.Target))
}

// rendering collects what the templates of one Secret give.
type rendering struct {
	c *computation
	// context is what templates see: the provider's keys.
	context map[string]string
	parts   map[part]values
	// unnamed holds rendered keys that errors must not quote: they may come from
	// a value.
	unnamed map[string]bool
}

// applyTemplate renders spec.target.template. Precedence, low to high: the provider's
// keys (with mergePolicy Merge, or when the template has no data of its own),
// templateFrom in order, template.data; for metadata templateFrom, then
// template.metadata.
func (c *computation) applyTemplate(provided values) error {
	t := c.es.Spec.Target.Template
	r := &rendering{
		c:       c,
		context: make(map[string]string, len(provided)),
		parts:   map[part]values{partData: {}, partLabels: {}, partAnnotations: {}},
		unnamed: map[string]bool{},
	}
	for key, value := range provided {
		r.context[key] = string(value)
	}
	if t.MergePolicy == eso.TemplateMerge || len(t.Data) == 0 && len(t.TemplateFrom) == 0 {
		maps.Copy(r.parts[partData], provided)
	}
	for i, from := range t.TemplateFrom {
		if err := r.from(from); err != nil {
			return templateError(below(fmt.Sprintf("templateFrom[%d]", i), err))
		}
	}
	for _, own := range []struct {
		at   string
		part part
		text map[string]string
	}{
		{"data", partData, t.Data},
		{"metadata.labels", partLabels, t.Metadata.Labels},
		{"metadata.annotations", partAnnotations, t.Metadata.Annotations},
	} {
		for _, key := range sorted(own.text) {
			rendered, err := r.render(own.text[key], true)
			if err != nil {
				return templateError(below(own.at+"["+key+"]", err))
			}
			r.parts[own.part][key] = rendered
			delete(r.unnamed, key)
		}
	}
	c.desired.Finalizers = slices.Clone(t.Metadata.Finalizers)
	c.desired.Labels, c.desired.Annotations = text(r.parts[partLabels]), text(r.parts[partAnnotations])
	if err := r.checkMetadata(); err != nil {
		return templateError(err)
	}
	return c.settle(r.parts[partData], r.shown)
}

func (r *rendering) render(text string, public bool) ([]byte, error) {
	program, err := r.c.engine.compile(text, r.c.limits.LeftDelim, r.c.limits.RightDelim, public)
	if err != nil {
		return nil, err
	}
	return program.render(r.context)
}

// shown is what an error may say of a key.
func (r *rendering) shown(key string) string {
	if r.unnamed[key] {
		return "a key that a template rendered"
	}
	return name(key)
}

// checkMetadata refuses labels and annotations that the API server would refuse: its
// error would quote them, and they may have been rendered from values.
func (r *rendering) checkMetadata() error {
	labels, annotations := r.c.desired.Labels, r.c.desired.Annotations
	for _, key := range sorted(labels) {
		if len(validation.IsQualifiedName(key)) > 0 {
			return faultf("metadata.labels", "%s is no valid label name", r.shown(key))
		}
		if len(validation.IsValidLabelValue(labels[key])) > 0 {
			return faultf("metadata.labels", "the value of label %s is not valid: at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends", r.shown(key))
		}
	}
	for _, key := range sorted(annotations) {
		if len(validation.IsQualifiedName(strings.ToLower(key))) > 0 {
			return faultf("metadata.annotations", "%s is no valid annotation name", r.shown(key))
		}
	}
	if len(apivalidation.ValidateAnnotations(annotations, field.NewPath("annotations"))) > 0 {
		return faultf("metadata.annotations", "the annotations are larger than 256 KiB together")
	}
	return nil
}

func text(in values) map[string]string {
	out := make(map[string]string, len(in))
	for key, value := range in {
		out[key] = string(value)
	}
	return out
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
