package eso

import (
	"errors"
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
		if err := checkSchedule(window.Schedule); err != nil {
			errs = append(errs, field.Invalid(path.Child("schedule"), window.Schedule, err.Error()))
		}
	}
	return errs
}

// checkSchedule takes what ESO takes: five fields or a descriptor, in UTC. The
// parser's own prefix for other zones is none of them, and alone makes it panic.
func checkSchedule(schedule string) error {
	if strings.HasPrefix(schedule, "TZ=") || strings.HasPrefix(schedule, "CRON_TZ=") {
		return errors.New("windows are in UTC; write the five fields without a time zone")
	}
	_, err := cron.ParseStandard(schedule)
	return err
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
