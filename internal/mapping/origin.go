package mapping

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// Origin is the one field of one Vault secret that a key of the Secret is made of, so
// that writing the field changes the key.
type Origin struct {
	// Field is the entry, e.g. "spec.data[0].remoteRef" or "spec.dataFrom[0].extract".
	Field string
	Store eso.StoreRef
	// Key is the path as the mapping writes it.
	Key string
	// Payload is what was read there.
	Payload kv.Payload
	// Steps are the names from the secret's own object down to the field.
	Steps []string
	// Decoding is what the entry does to the field's value.
	Decoding eso.DecodingStrategy
}

// Property is the field as remoteRef.property names it.
func (o Origin) Property() string { return strings.Join(o.Steps, ".") }

// OriginOf finds what a key of the Secret is made of. A key that is not one field of one
// path, as it is, has no origin: its error says what it is made of and what to do. what
// was read is in in, as for Compute.
func OriginOf(es *eso.ExternalSecret, in Inputs, key string) (Origin, error) {
	want, err := Compute(es, in, Limits{})
	if err != nil {
		return Origin{}, err
	}
	if _, there := want.Data[key]; !there {
		return Origin{}, &Error{Field: "spec", Detail: fmt.Sprintf("no key %s is made by this mapping%s", name(key), hint(key, sorted(want.Data)))}
	}
	input, err := beforeTemplate(es, key)
	if err != nil {
		return Origin{}, err
	}
	for i := len(es.Spec.Data) - 1; i >= 0; i-- {
		if es.Spec.Data[i].SecretKey == input && !in.Data[i].Absent {
			return ofData(es, in, i)
		}
	}
	for i := len(es.Spec.DataFrom) - 1; i >= 0; i-- {
		if o, found, err := ofDataFrom(es, in, i, input); found || err != nil {
			return o, err
		}
	}
	return Origin{}, &Error{Field: "spec.target.template", Detail: fmt.Sprintf("key %s is rendered by a template; %s", name(key), byPath)}
}

// byPath is what to do for a key without an origin.
const byPath = "name the field itself with --path and --property"

// plainUse is a template that gives one input key as it is.
var plainUse = regexp.MustCompile(`^\{\{-?\s*\.([A-Za-z0-9_]+)\s*-?\}\}$`)

// usedKey finds the input keys that a template names.
var usedKey = regexp.MustCompile(`\.([A-Za-z_][A-Za-z0-9_]*)|index\s+\.\s+"([^"]+)"`)

// beforeTemplate is the input key that a key of the Secret is, once templates are
// looked through.
func beforeTemplate(es *eso.ExternalSecret, key string) (string, error) {
	t := es.Spec.Target.Template
	if t == nil {
		return key, nil
	}
	text, rendered := t.Data[key]
	if !rendered {
		return key, nil
	}
	if m := plainUse.FindStringSubmatch(strings.TrimSpace(text)); m != nil {
		return m[1], nil
	}
	used := map[string]bool{}
	for _, m := range usedKey.FindAllStringSubmatch(text, -1) {
		used[m[1]+m[2]] = true
	}
	of := ""
	if len(used) > 0 {
		of = " of " + names(sorted(used))
	}
	return "", &Error{Field: "spec.target.template.data[" + key + "]", Detail: fmt.Sprintf("key %s is rendered by a template%s; %s", name(key), of, byPath)}
}

func ofData(es *eso.ExternalSecret, in Inputs, i int) (Origin, error) {
	d := es.Spec.Data[i]
	o := Origin{
		Field: fmt.Sprintf("spec.data[%d].remoteRef", i), Store: es.DataStore(i), Key: d.RemoteRef.Key,
		Payload: in.Data[i].Payload, Decoding: d.RemoteRef.DecodingStrategy,
	}
	if err := o.follows(&d.RemoteRef); err != nil {
		return Origin{}, err
	}
	if d.RemoteRef.Property == "" {
		return Origin{}, o.unfit("key %s is the whole of %s as JSON; %s", name(d.SecretKey), name(o.Key), byPath)
	}
	steps, ok := stepsTo(fieldsOf(o.Payload), d.RemoteRef.Property)
	if !ok {
		return Origin{}, o.unfit("the property %s is a path of more than plain names; %s", name(d.RemoteRef.Property), byPath)
	}
	o.Steps = steps
	return o, nil
}

// ofDataFrom looks for the input key in what one entry gives.
func ofDataFrom(es *eso.ExternalSecret, in Inputs, i int, key string) (Origin, bool, error) {
	from := es.Spec.DataFrom[i]
	alone := &eso.ExternalSecret{ObjectMeta: es.ObjectMeta}
	alone.Spec.DataFrom = []eso.DataFrom{from}
	alone.Spec.Target.DeletionPolicy = es.Spec.Target.DeletionPolicy
	gives, err := Compute(alone, Inputs{DataFrom: []FetchedSet{in.DataFrom[i]}}, Limits{})
	if err != nil {
		return Origin{}, false, err
	}
	if _, there := gives.Data[key]; !there {
		return Origin{}, false, nil
	}
	if from.Find != nil {
		o := Origin{Field: fmt.Sprintf("spec.dataFrom[%d].find", i)}
		return Origin{}, false, o.unfit("key %s is the whole of a secret that find selects, as JSON; %s", name(key), byPath)
	}
	o := Origin{
		Field: fmt.Sprintf("spec.dataFrom[%d].extract", i), Store: es.DataFromStore(i), Key: from.Extract.Key,
		Payload: in.DataFrom[i].One.Payload, Decoding: from.Extract.DecodingStrategy,
	}
	if err := o.follows(from.Extract); err != nil {
		return Origin{}, false, err
	}
	if len(from.Rewrite) > 0 {
		return Origin{}, false, o.unfit("key %s has its name from a rewrite; %s", name(key), byPath)
	}
	object := fieldsOf(o.Payload)
	if from.Extract.Property != "" {
		steps, ok := stepsTo(object, from.Extract.Property)
		if ok {
			object, ok = walk(object, steps).(map[string]any)
		}
		if !ok {
			return Origin{}, false, o.unfit("the property %s holds JSON as text, or is a path of more than plain names; %s", name(from.Extract.Property), byPath)
		}
		o.Steps = steps
	}
	strategy := from.Extract.ConversionStrategy
	for _, field := range sorted(object) {
		if convertKey(strategy, field) == key {
			o.Steps = append(slices.Clone(o.Steps), field)
			return o, true, nil
		}
	}
	return Origin{}, false, nil
}

// OriginAt is the origin for those who name the path and the property themselves; the
// path is written as in the mapping, or with its mount.
func OriginAt(es *eso.ExternalSecret, in Inputs, path, property string) (Origin, error) {
	paths := map[string]bool{}
	try := func(field string, store eso.StoreRef, key, version, metadata string, decoding eso.DecodingStrategy, payload kv.Payload) *Origin {
		if payload.Path == "" || metadata == eso.MetadataFetch {
			return nil
		}
		paths[key] = true
		if path != key && path != payload.Path && path != strings.Replace(payload.Path, "/data/", "/", 1) {
			return nil
		}
		return &Origin{Field: field, Store: store, Key: key, Payload: payload, Decoding: decoding}
	}
	var found *Origin
	var pinned error
	consider := func(o *Origin, ref *eso.RemoteRef) {
		if o == nil || found != nil {
			return
		}
		if err := o.follows(ref); err != nil {
			pinned = err
			return
		}
		found = o
	}
	for i := range es.Spec.Data {
		r := &es.Spec.Data[i].RemoteRef
		consider(try(fmt.Sprintf("spec.data[%d].remoteRef", i), es.DataStore(i), r.Key, r.Version, r.MetadataPolicy, r.DecodingStrategy, in.Data[i].Payload), r)
	}
	for i, from := range es.Spec.DataFrom {
		if r := from.Extract; r != nil {
			consider(try(fmt.Sprintf("spec.dataFrom[%d].extract", i), es.DataFromStore(i), r.Key, r.Version, r.MetadataPolicy, r.DecodingStrategy, in.DataFrom[i].One.Payload), r)
			continue
		}
		for _, hit := range sorted(in.DataFrom[i].Hits) {
			consider(try(fmt.Sprintf("spec.dataFrom[%d].find", i), es.DataFromStore(i), "/"+hit, "", "", eso.DecodeNone, in.DataFrom[i].Hits[hit]), &eso.RemoteRef{})
		}
	}
	switch {
	case found == nil && pinned != nil:
		return Origin{}, pinned
	case found == nil:
		return Origin{}, &Error{Field: "spec", Detail: fmt.Sprintf("this mapping does not read %s; it reads %s", name(path), names(sorted(paths)))}
	}
	steps, ok := stepsTo(fieldsOf(found.Payload), property)
	if !ok {
		return Origin{}, found.unfit("there is no property %s in %s%s", name(property), name(found.Key), hint(property, found.Payload.Keys()))
	}
	found.Steps = steps
	return *found, nil
}

// follows refuses entries that a new version would not reach.
func (o Origin) follows(ref *eso.RemoteRef) error {
	switch {
	case ref.MetadataPolicy == eso.MetadataFetch:
		return o.unfit("it reads the metadata of %s, which is no value to write", name(o.Key))
	case ref.Version != "":
		return o.unfit("it is pinned to version %s of %s, so a new version would not reach the Secret; remove %s.version first", ref.Version, name(o.Key), o.Field)
	}
	return nil
}

func (o Origin) unfit(format string, args ...any) error {
	return &Error{Field: o.Field, Key: o.Key, Detail: fmt.Sprintf(format, args...)}
}

// stepsTo splits a property into names: the literal top-level key, else names joined by
// dots that lead through objects.
func stepsTo(object map[string]any, property string) ([]string, bool) {
	if _, literal := object[property]; literal {
		return []string{property}, true
	}
	steps := strings.Split(property, ".")
	if walk(object, steps[:len(steps)-1]) == nil {
		return nil, false
	}
	parent, _ := walk(object, steps[:len(steps)-1]).(map[string]any)
	_, there := parent[steps[len(steps)-1]]
	return steps, there
}

func walk(object map[string]any, steps []string) any {
	var at any = object
	for _, step := range steps {
		inner, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = inner[step]
	}
	return at
}
