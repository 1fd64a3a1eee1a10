package mapping

import (
	"cmp"
	"fmt"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

var errGenerator = &fault{
	at:     "sourceRef.generatorRef",
	detail: "generators are not supported; leave this ExternalSecret to External Secrets Operator, or read a path of Vault",
}

// dataFrom gives the keys of one entry: read, rewritten or else converted, checked,
// decoded. member is the entry's field, for errors.
func (c *computation) dataFrom(i int, from eso.DataFrom) (out values, member, key string, err error) {
	switch {
	case from.SourceRef != nil && from.SourceRef.GeneratorRef != nil:
		return nil, "sourceRef.generatorRef", "", errGenerator
	case from.Extract != nil && from.Find != nil:
		return nil, "extract", from.Extract.Key, faultf("", "extract, find, or generatorRef cannot be set at the same time")
	case from.Extract != nil:
		out, err = c.extract(i, from)
		return out, "extract", from.Extract.Key, err
	case from.Find != nil:
		out, err = c.find(i, from)
		return out, "find", from.Find.Path, err
	}
	return nil, "extract", "", faultf("", "either extract, find, or sourceRef must be set to dataFrom")
}

// extract is every key of one secret, or of the JSON object that its property is.
func (c *computation) extract(i int, from eso.DataFrom) (values, error) {
	ref, read := from.Extract, c.in.DataFrom[i].One
	if read.Absent || c.in.DataFrom[i].Absent {
		return nil, c.absent(fmt.Sprintf("spec.dataFrom[%d]", i), ref.Key, ref.MetadataPolicy, cmp.Or(read.Proof, c.in.DataFrom[i].Proof))
	}
	c.use(read.Payload)
	object, err := c.docs.object(read.Payload, ref.Key, ref.Property)
	if err != nil {
		return nil, below("extract", err)
	}
	if len(object) > c.limits.MaxKeys {
		return nil, faultf("extract.key", "%s has %d keys, more than the limit of %d", name(ref.Key), len(object), c.limits.MaxKeys)
	}
	entry := make(values, len(object))
	for key, value := range object {
		entry[key] = extractedBytes(value)
	}
	return c.shape(entry, from.Rewrite, "extract", ref.Strategies)
}

// find is one key for each secret that was selected: its full name relative to the
// mount, find.path included; the value is the whole secret as JSON.
func (c *computation) find(i int, from eso.DataFrom) (values, error) {
	set := c.in.DataFrom[i]
	if set.Absent {
		return nil, c.absent(fmt.Sprintf("spec.dataFrom[%d]", i), from.Find.Path, "", set.Proof)
	}
	if err := c.limits.Selected(len(set.Hits)); err != nil {
		return nil, faultf("find", "%s", err)
	}
	if len(set.Hits) == 0 {
		c.unproven = true
	}
	entry := make(values, len(set.Hits))
	for key, payload := range set.Hits {
		c.use(payload)
		entry[key] = []byte(c.docs.of(payload))
	}
	return c.shape(entry, from.Rewrite, "find", from.Find.Strategies)
}

// shape is what follows for both: conversion of keys happens only without a rewrite,
// decoding comes last.
func (c *computation) shape(entry values, operations []eso.Rewrite, member string, s eso.Strategies) (values, error) {
	var err error
	if len(operations) > 0 {
		entry, err = c.rewrite(operations, entry)
	} else {
		entry, err = convertKeys(s.ConversionStrategy, entry)
		err = below(member, err)
	}
	if err != nil {
		return nil, err
	}
	if err := checkKeys(entry); err != nil {
		return nil, err
	}
	for _, key := range sorted(entry) {
		if entry[key], err = finish(s, entry[key]); err != nil {
			return nil, below(member, within("failure decoding key "+name(key)+": ", err))
		}
	}
	return entry, nil
}
