package eso

import (
	"regexp"
	"slices"
	"strings"

	"github.com/robfig/cron/v3"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Secret types that a mapping never writes: the first makes Kubernetes mint a
// credential, the second lets nodes join.
const (
	TypeServiceAccountToken = "kubernetes.io/service-account-token"
	TypeBootstrapToken      = "bootstrap.kubernetes.io/token"
)

// ForbiddenType reports whether a mapping may not write a Secret of the type.
func ForbiddenType(secretType string) bool {
	return secretType == TypeServiceAccountToken || secretType == TypeBootstrapToken
}

// Validate enforces on one object what ESO's admission webhook enforces, and what
// can be said of an ExternalSecret without reading anything else. Each error names
// its field and the fix; none holds a secret.
func Validate(es *ExternalSecret) field.ErrorList {
	spec := field.NewPath("spec")
	var errs field.ErrorList
	for _, name := range UnknownFields(&es.ObjectMeta, KindExternalSecret) {
		errs = append(errs, field.Forbidden(field.NewPath(name),
			"no such field, the API server dropped it; correct its name in the manifest and apply again"))
	}
	errs = append(errs, validateRefresh(es, spec)...)
	errs = append(errs, validateTarget(es, spec.Child("target"))...)
	errs = append(errs, validateEntries(es, spec)...)
	return errs
}

func validateRefresh(es *ExternalSecret, spec *field.Path) field.ErrorList {
	var errs field.ErrorList
	if _, err := es.RefreshInterval(); err != nil {
		errs = append(errs, field.Invalid(spec.Child("refreshInterval"), es.Spec.RefreshInterval.String(), err.Error()))
	}
	if es.Spec.SyncWindows == nil {
		return errs
	}
	for i, window := range es.Spec.SyncWindows.Windows {
		path := spec.Child("syncWindows", "windows").Index(i)
		if _, err := window.Duration.Parse(); err != nil {
			errs = append(errs, field.Invalid(path.Child("duration"), window.Duration.String(), err.Error()))
		}
		if _, err := cron.ParseStandard(window.Schedule); err != nil {
			errs = append(errs, field.Invalid(path.Child("schedule"), window.Schedule, err.Error()))
		}
	}
	return errs
}

func validateTarget(es *ExternalSecret, target *field.Path) field.ErrorList {
	var errs field.ErrorList
	creation, deletion := es.CreationPolicy(), es.DeletionPolicy()
	switch {
	case deletion == DeleteDelete && creation != CreateOwner:
		errs = append(errs, field.Invalid(target.Child("deletionPolicy"), deletion,
			"deletionPolicy=Delete must not be used when the controller doesn't own the secret. Please set creationPolicy=Owner"))
	case deletion == DeleteMerge && creation == CreateNone:
		errs = append(errs, field.Invalid(target.Child("deletionPolicy"), deletion,
			"deletionPolicy=Merge must not be used with creationPolicy=None. There is no Secret to merge with"))
	}
	if es.Spec.Target.Manifest != nil {
		errs = append(errs, field.Forbidden(target.Child("manifest"),
			"targets other than a Secret are not supported; remove the field"))
	}
	if t := es.Spec.Target.Template; t != nil {
		errs = append(errs, validateTemplate(t, target.Child("template"))...)
	}
	return errs
}

func validateTemplate(t *Template, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if ForbiddenType(t.Type) {
		errs = append(errs, field.Invalid(path.Child("type"), t.Type,
			"template.type="+t.Type+" is not allowed: such a Secret is a credential of the cluster itself; use Opaque or another type"))
	}
	if t.EngineVersion != "" && t.EngineVersion != "v2" {
		errs = append(errs, field.NotSupported(path.Child("engineVersion"), t.EngineVersion, []string{"v2"}))
	}
	for i, from := range t.TemplateFrom {
		switch target := strings.ToLower(deref(from.Target)); target {
		case "", "data", "annotations", "labels":
		default:
			errs = append(errs, field.NotSupported(path.Child("templateFrom").Index(i).Child("target"),
				*from.Target, []string{"Data", "Annotations", "Labels"}))
		}
	}
	return errs
}

func validateEntries(es *ExternalSecret, spec *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(es.Spec.Data) == 0 && len(es.Spec.DataFrom) == 0 {
		errs = append(errs, field.Required(spec, "either data or dataFrom should be specified"))
	}
	var seen []string
	for i, data := range es.Spec.Data {
		path := spec.Child("data").Index(i)
		if es.DeletionPolicy() == DeleteRetain && slices.Contains(seen, data.SecretKey) {
			errs = append(errs, field.Invalid(path.Child("secretKey"), data.SecretKey, "duplicate secretKey found: "+data.SecretKey))
		}
		seen = append(seen, data.SecretKey)
		errs = append(errs, validateKey(data.RemoteRef.Key, path.Child("remoteRef", "key"))...)
		errs = append(errs, validateSource(data.SourceRef, es.DataStore(i), path)...)
	}
	for i := range es.Spec.DataFrom {
		errs = append(errs, validateDataFrom(es, i, spec.Child("dataFrom").Index(i))...)
	}
	return errs
}

func validateDataFrom(es *ExternalSecret, i int, path *field.Path) field.ErrorList {
	from := es.Spec.DataFrom[i]
	var errs field.ErrorList
	switch {
	case from.Extract != nil && from.Find != nil:
		errs = append(errs, field.Invalid(path, "", "extract, find, or generatorRef cannot be set at the same time"))
	case from.Extract != nil:
		errs = append(errs, validateKey(from.Extract.Key, path.Child("extract", "key"))...)
	case from.Find != nil:
		errs = append(errs, validateKey(from.Find.Path, path.Child("find", "path"))...)
		if from.Find.Name != nil {
			errs = append(errs, validateRegexp(from.Find.Name.RegExp, path.Child("find", "name", "regexp"))...)
		}
	default:
		errs = append(errs, field.Required(path, "either extract, find, or sourceRef must be set to dataFrom; a store alone yields nothing"))
	}
	for j, rewrite := range from.Rewrite {
		if rewrite.RegExp != nil {
			errs = append(errs, validateRegexp(rewrite.RegExp.Source, path.Child("rewrite").Index(j).Child("regexp", "source"))...)
		}
	}
	return append(errs, validateSource(from.SourceRef, es.DataFromStore(i), path)...)
}

func validateSource(source *SourceRef, store StoreRef, path *field.Path) field.ErrorList {
	if source != nil && source.GeneratorRef != nil {
		return field.ErrorList{field.Forbidden(path.Child("sourceRef", "generatorRef"),
			"generators are not supported; leave this ExternalSecret to External Secrets Operator, or read a path of Vault")}
	}
	if source != nil && source.StoreRef == nil {
		return field.ErrorList{field.Required(path.Child("sourceRef"),
			"generatorRef or storeRef must be set when using sourceRef in dataFrom")}
	}
	if store.Name == "" {
		return field.ErrorList{field.Required(field.NewPath("spec", "secretStoreRef", "name"), "no store is named, neither here nor by "+path.String()+".sourceRef.storeRef")}
	}
	return nil
}

func validateKey(key string, path *field.Path) field.ErrorList {
	if slices.Contains(strings.Split(key, "/"), "..") {
		return field.ErrorList{field.Invalid(path, key, `".." would leave the mount; write the path without it`)}
	}
	return nil
}

func validateRegexp(expr string, path *field.Path) field.ErrorList {
	if _, err := regexp.Compile(expr); err != nil {
		return field.ErrorList{field.Invalid(path, expr, err.Error())}
	}
	return nil
}
