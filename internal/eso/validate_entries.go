package eso

import (
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateEntries checks data and dataFrom, each entry by itself and all together.
func validateEntries(es *ExternalSecret, spec *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(es.Spec.Data) == 0 && len(es.Spec.DataFrom) == 0 {
		errs = append(errs, field.Required(spec, "either data or dataFrom should be specified"))
	}
	seen := make(map[string]bool, len(es.Spec.Data))
	for i, data := range es.Spec.Data {
		path := spec.Child("data").Index(i)
		if es.DeletionPolicy() == DeleteRetain && seen[data.SecretKey] {
			errs = append(errs, field.Invalid(path.Child("secretKey"), data.SecretKey,
				"duplicate secretKey found: "+data.SecretKey+"; remove one of the entries"))
		}
		seen[data.SecretKey] = true
		errs = append(errs, validateKey(data.RemoteRef.Key, path.Child("remoteRef", "key"))...)
		errs = append(errs, validateSource(data.SourceRef, path.Child("sourceRef"))...)
	}
	for i, from := range es.Spec.DataFrom {
		errs = append(errs, validateDataFrom(from, spec.Child("dataFrom").Index(i))...)
	}
	return append(errs, validateDefaultStore(es, spec.Child("secretStoreRef", "name"))...)
}

func validateDataFrom(from DataFrom, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	switch generator := from.SourceRef != nil && from.SourceRef.GeneratorRef != nil; count(from.Extract != nil, from.Find != nil, generator) {
	case 0:
		errs = append(errs, field.Required(path, "either extract, find, or sourceRef must be set to dataFrom; a store alone yields nothing, so add extract or find"))
	case 1:
	default:
		errs = append(errs, field.Forbidden(path, "extract, find, or generatorRef cannot be set at the same time; make each an entry of its own"))
	}
	if from.Extract != nil {
		errs = append(errs, validateKey(from.Extract.Key, path.Child("extract", "key"))...)
	}
	if from.Find != nil {
		errs = append(errs, validateKey(from.Find.Path, path.Child("find", "path"))...)
		if from.Find.Name != nil {
			errs = append(errs, validateRegexp(from.Find.Name.RegExp, path.Child("find", "name", "regexp"))...)
		}
	}
	for i, rewrite := range from.Rewrite {
		errs = append(errs, validateRewrite(rewrite, path.Child("rewrite").Index(i))...)
	}
	return append(errs, validateSource(from.SourceRef, path.Child("sourceRef"))...)
}

func validateRewrite(rewrite Rewrite, path *field.Path) field.ErrorList {
	switch {
	case rewrite.RegExp != nil:
		return validateRegexp(rewrite.RegExp.Source, path.Child("regexp", "source"))
	case rewrite.Merge != nil && rewrite.Merge.Strategy == MergeJSON && rewrite.Merge.Into == "":
		return field.ErrorList{field.Required(path.Child("merge", "into"), "strategy JSON needs the key that takes the merged object")}
	}
	return nil
}

// validateSource checks an entry's own source. A generator is refused: what runs it
// is External Secrets Operator.
func validateSource(source *SourceRef, path *field.Path) field.ErrorList {
	switch {
	case source == nil:
		return nil
	case source.GeneratorRef != nil:
		return field.ErrorList{field.Forbidden(path.Child("generatorRef"),
			"generators are not supported; leave this ExternalSecret to External Secrets Operator, or read a path of Vault")}
	case source.StoreRef == nil:
		return field.ErrorList{field.Required(path, "generatorRef or storeRef must be set when using sourceRef in dataFrom")}
	case source.StoreRef.Name == "":
		return field.ErrorList{field.Required(path.Child("storeRef", "name"), "name the store; secretStoreRef does not fill it in")}
	}
	return nil
}

// validateDefaultStore tells, once, of entries that name no store and find none in
// secretStoreRef.
func validateDefaultStore(es *ExternalSecret, path *field.Path) field.ErrorList {
	if es.Spec.SecretStoreRef != nil && es.Spec.SecretStoreRef.Name != "" {
		return nil
	}
	needed := false
	for _, data := range es.Spec.Data {
		needed = needed || data.SourceRef == nil
	}
	for _, from := range es.Spec.DataFrom {
		needed = needed || from.SourceRef == nil
	}
	if !needed {
		return nil
	}
	return field.ErrorList{field.Required(path, "no store is named, neither here nor by each entry's sourceRef.storeRef")}
}

func count(conditions ...bool) int {
	n := 0
	for _, is := range conditions {
		if is {
			n++
		}
	}
	return n
}
