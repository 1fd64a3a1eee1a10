package mapping

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// Compute turns what was read into the wanted Secret:
//
//	dataFrom in order, then data in order, later keys overwrite → target.template → checks
//
// The same inputs give the same Desired, byte for byte, unless it says Volatile. Its
// errors are *Error; the Secret is then to be left alone.
func Compute(es *eso.ExternalSecret, in Inputs, limits Limits) (Desired, error) {
	limits = limits.withDefaults()
	c := &computation{
		es: es, in: in, limits: limits,
		docs: documents{}, engine: newEngine(limits), sources: map[Provenance]bool{},
	}
	c.desired.Immutable = es.Spec.Target.Immutable
	c.desired.HasTemplate = es.Spec.Target.Template != nil
	if err := c.run(); err != nil {
		return Desired{}, err
	}
	c.desired.Volatile = c.engine.volatile
	if c.desired.Volatile {
		c.desired.inputs = c.inputsHash()
	}
	return c.desired, nil
}

// computation is one call of Compute.
type computation struct {
	es      *eso.ExternalSecret
	in      Inputs
	limits  Limits
	docs    documents
	engine  *engine
	sources map[Provenance]bool
	// unproven: a find listed secrets and selected none.
	unproven bool
	desired  Desired
}

func (c *computation) run() error {
	if err := c.check(); err != nil {
		return err
	}
	provided, err := c.collect()
	if err != nil {
		return err
	}
	c.desired.Sources = slices.SortedFunc(maps.Keys(c.sources), func(a, b Provenance) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Version, b.Version))
	})
	if len(provided) == 0 {
		c.desired.Absent, c.desired.Proven = true, !c.unproven
		if c.es.DeletionPolicy() != eso.DeleteMerge {
			return nil
		}
	}
	if c.es.Spec.Target.Template == nil {
		c.desired.Labels, c.desired.Annotations = maps.Clone(c.es.Labels), maps.Clone(c.es.Annotations)
		return c.settle(provided, name)
	}
	return c.applyTemplate(provided)
}

// check refuses what is wrong with the spec whatever was read.
func (c *computation) check() error {
	if len(c.in.Data) != len(c.es.Spec.Data) || len(c.in.DataFrom) != len(c.es.Spec.DataFrom) {
		return &Error{Field: "spec", Detail: "what was read belongs to another version of this ExternalSecret"}
	}
	t := c.es.Spec.Target.Template
	if t == nil {
		return nil
	}
	if eso.ForbiddenType(t.Type) {
		return templateError(faultf("type", "template.type=%s is not allowed: such a Secret is a credential of the cluster itself; use Opaque or another type", t.Type))
	}
	if t.EngineVersion != "" && t.EngineVersion != "v2" {
		return templateError(faultf("engineVersion", "engine %s is not supported; write the template for v2 and set engineVersion: v2", name(t.EngineVersion)))
	}
	for i, from := range t.TemplateFrom {
		if _, err := targetOf(from); err != nil {
			return templateError(below(fmt.Sprintf("templateFrom[%d]", i), err))
		}
	}
	c.desired.Type = corev1.SecretType(t.Type)
	return nil
}

// collect gives the provider's keys: the input of the template, or the Secret's data.
func (c *computation) collect() (values, error) {
	provided := values{}
	for i, from := range c.es.Spec.DataFrom {
		entry, member, key, err := c.dataFrom(i, from)
		if err != nil {
			return nil, dataFromError(i, member, key, err)
		}
		maps.Copy(provided, entry)
	}
	for i, data := range c.es.Spec.Data {
		value, found, err := c.data(i, data)
		if err != nil {
			return nil, dataError(i, data.RemoteRef.Key, err)
		}
		if found {
			provided[data.SecretKey] = value
		}
	}
	return provided, nil
}

func (c *computation) data(i int, data eso.Data) (value []byte, found bool, err error) {
	if data.SourceRef != nil && data.SourceRef.GeneratorRef != nil {
		return nil, false, errGenerator
	}
	ref, read := data.RemoteRef, c.in.Data[i]
	if read.Absent {
		return nil, false, c.absent(fmt.Sprintf("spec.data[%d]", i), ref.Key, ref.MetadataPolicy, read.Proof)
	}
	c.use(read.Payload)
	value, err = c.docs.read(read.Payload, ref.Key, ref.Property)
	if err == nil {
		value, err = finish(ref.Strategies, value)
	}
	if err != nil {
		return nil, false, below("remoteRef", err)
	}
	return value, true, nil
}

// absent is what a proven absence means: an error under deletionPolicy Retain and for
// metadata, else the entry is passed over.
func (c *computation) absent(field, key, metadataPolicy, proof string) error {
	if metadataPolicy == eso.MetadataFetch {
		return faultf("", "secret not found")
	}
	if c.es.DeletionPolicy() == eso.DeleteRetain {
		if proof == "" {
			proof = "Secret does not exist"
		}
		return faultf("", "%s; write it to Vault, or correct the key in %s", proof, field)
	}
	c.desired.Skipped = append(c.desired.Skipped, Skip{Field: field, Key: key})
	return nil
}

func (c *computation) use(payload kv.Payload) {
	c.sources[Provenance{Path: payload.Path, Version: payload.Version}] = true
}

// settle checks the final data against what the API server takes. shown turns a key
// into what an error may say of it.
func (c *computation) settle(data values, shown func(string) string) error {
	if err := checkSecretKeys(data, shown); err != nil {
		return locate("spec", "", "", err)
	}
	if err := c.checkSize(data, shown); err != nil {
		return err
	}
	c.desired.Data = make(map[string]redact.Bytes, len(data))
	for key, value := range data {
		c.desired.Data[key] = value
	}
	return nil
}

// checkSize adds up keys and values, as the API server's limit on Secrets does with
// values.
func (c *computation) checkSize(data values, shown func(string) string) error {
	total := 0
	for key, value := range data {
		total += len(key) + len(value)
	}
	if total <= c.limits.MaxSecretBytes {
		return nil
	}
	size := func(key string) int { return len(key) + len(data[key]) }
	keys := slices.SortedFunc(maps.Keys(data), func(a, b string) int {
		return cmp.Or(cmp.Compare(size(b), size(a)), cmp.Compare(a, b))
	})
	var biggest []string
	for _, key := range keys[:min(len(keys), 5)] {
		biggest = append(biggest, fmt.Sprintf("%s (%d bytes)", shown(key), size(key)))
	}
	return &Error{Field: "spec", Detail: fmt.Sprintf(
		"the Secret would hold %d bytes, and at most %d fit; take fewer keys, or split it over several ExternalSecrets; the biggest are %s",
		total, c.limits.MaxSecretBytes, strings.Join(biggest, ", "))}
}
