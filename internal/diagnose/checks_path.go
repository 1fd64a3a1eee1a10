package diagnose

import (
	"fmt"
	"strings"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

func pathChecks() []Check {
	return []Check{
		{Code: "VS602", Group: GroupPath, Title: "path exists", Requires: []string{"VS504", "VS505", "VS601", "VS604"}, applies: reads, path: pathExists},
		{Code: "VS603", Quiet: true, Group: GroupPath, Title: "version is neither deleted nor destroyed", Requires: []string{"VS602"}, applies: reads, path: versionAlive},
		{Code: "VS605", Group: GroupPath, Title: "property exists", Requires: []string{"VS603"}, applies: wantsProperty, path: propertyExists},
		{Code: "VS606", Group: GroupPath, Title: "find matches something", Requires: []string{"VS505", "VS602"}, applies: finds, path: findMatches},
		{Code: "VS607", Quiet: true, Group: GroupPath, Title: "values decode", Requires: []string{"VS605"}, path: valuesDecode},
		{
			Code: "VS608", Group: GroupPath, Title: "the Secret can be made of it",
			Requires: []string{"VS204", "VS205", "VS210", "VS602", "VS603", "VS605", "VS606", "VS607"}, mapping: rendered,
		},
	}
}

func pathExists(f *Facts, p *Path) Verdict {
	r, u := have(p.Read)
	if u != nil {
		return *u
	}
	at := p.Data
	if p.Ref.Version != "" {
		at += "?version=" + p.Ref.Version
	}
	switch {
	case r.Kind == "" && r.Version > 0:
		return ok("%s is there, version %d", at, r.Version)
	case r.Kind == "", r.Deleted, r.Destroyed:
		return ok("%s is there", at)
	case r.Kind == kv.Absent:
		v := fail(pathFix(f, p), "there is nothing at %s (%s.key %q)%s", at, p.field(), p.Ref.Key, siblings(p))
		v.Status = absence(f)
		return v
	case r.Kind == kv.BadRequest:
		return fail(f.edit(), "Vault refuses %s (%s.version %q): %s", p.Data, p.field(), p.Ref.Version, clip(r.Detail))
	case r.Kind.Down():
		return unknown("reading %s: %s", p.Data, clip(r.Detail))
	}
	return fail("vault read "+Quote(p.Data)+"   # with the store's credential", "reading %s fails (%s): %s", p.Data, p.field(), clip(r.Detail))
}

// absence is a failure only under deletionPolicy Retain; the other policies say
// what is to happen then.
func absence(f *Facts) Status {
	if es := f.Mapping.Value; es != nil && es.DeletionPolicy() != eso.DeleteRetain {
		return StatusWarn
	}
	return StatusFail
}

func siblings(p *Path) string {
	last := p.Name[strings.LastIndex(p.Name, "/")+1:]
	if hint := didYouMean(last, p.Siblings); hint != "" {
		return hint
	}
	if len(p.Siblings) > 0 {
		return "; beside it are " + list(p.Siblings, 5)
	}
	return ""
}

func pathFix(f *Facts, p *Path) string {
	folder := p.Mount
	if i := strings.LastIndex(p.Name, "/"); i > 0 {
		folder += "/" + p.Name[:i]
	}
	return fmt.Sprintf("vault kv list %s\n%s", Quote(folder), f.edit())
}

func versionAlive(f *Facts, p *Path) Verdict {
	r, u := have(p.Read)
	if p.version() == 1 || u != nil || !r.Destroyed && !r.Deleted {
		return Verdict{}
	}
	which, number := "version "+p.Ref.Version, p.Ref.Version
	if p.Ref.Version == "" {
		which, number = "the newest version", "N"
		if r.Version > 0 {
			number = fmt.Sprint(r.Version)
		}
	}
	name := Quote(p.Mount + "/" + p.Name)
	v := fail(fmt.Sprintf("vault kv undelete -versions=%s %s", Quote(number), name), "%s of %s is deleted (%s)", which, p.Data, p.field())
	switch {
	case r.Destroyed && p.Ref.Version != "":
		v = fail(f.edit()+"   # another version in remoteRef.version", "%s of %s is destroyed, its data is gone for good (%s.version)", which, p.Data, p.field())
	case r.Destroyed:
		v = fail(fmt.Sprintf("vault kv metadata get %s\nvault kv rollback -version=N %s", name, name), "%s of %s is destroyed, its data is gone for good (%s)", which, p.Data, p.field())
	}
	v.Status = absence(f)
	return v
}

func propertyExists(f *Facts, p *Path) Verdict {
	r, u := have(p.Read)
	if u != nil || r.Kind != "" {
		return Verdict{}
	}
	var missing, good []string
	for _, e := range p.Entries {
		found, u := have(e.Found)
		switch {
		case e.Property == "":
		case u != nil:
			return *u
		case found:
			good = append(good, e.Property)
		default:
			missing = append(missing, fmt.Sprintf("%s.property %q%s", e.Field, e.Property, didYouMean(e.Property, r.Keys)))
		}
	}
	switch {
	case len(missing) > 0:
		return fail(f.edit()+"\n# or add it in Vault: vault kv patch "+Quote(p.Mount+"/"+p.Name)+" KEY=-",
			"%s has no %s; it has %s", p.Data, strings.Join(missing, ", "), list(r.Keys, 8))
	case len(good) > 0:
		return ok("%s has %s", p.Data, list(good, 8))
	}
	return Verdict{}
}

func findMatches(f *Facts, p *Path) Verdict {
	n, u := have(p.Matches)
	if u != nil {
		return *u
	}
	if n == 0 {
		return fail("vault kv list "+Quote(strings.TrimSuffix(p.Mount+"/"+p.Name, "/"))+"\n"+f.edit(), "%s matches no secret under %s", p.field(), p.Metadata)
	}
	return ok("%s matches %d secrets under %s", p.field(), n, p.Metadata)
}

func valuesDecode(f *Facts, p *Path) Verdict {
	var flaws []string
	for _, e := range p.Entries {
		if e.Flaw != "" {
			flaws = append(flaws, e.Field+": "+e.Flaw)
		}
	}
	if len(flaws) > 0 {
		return fail(f.edit()+"   # decodingStrategy, nullBytePolicy", "values of %s cannot be used: %s", p.Data, strings.Join(flaws, "; "))
	}
	return Verdict{}
}

// templateSource is a command for the object that a template came from, where the flaw
// is told of it: it may as well be the one to mend.
func templateSource(f *Facts, why string) string {
	if f.Mapping.Value == nil || f.Mapping.Value.Spec.Target.Template == nil {
		return ""
	}
	for i, from := range f.Mapping.Value.Spec.Target.Template.TemplateFrom {
		ref, kind := from.ConfigMap, "configmap"
		if ref == nil {
			ref, kind = from.Secret, "secret"
		}
		if ref != nil && strings.Contains(why, fmt.Sprintf("templateFrom[%d]", i)) {
			return fmt.Sprintf("\n# or what it names: kubectl -n %s edit %s %s", Quote(f.Namespace), kind, Quote(ref.Name))
		}
	}
	return ""
}

func rendered(f *Facts) Verdict {
	why, u := have(f.Render)
	if u != nil {
		return *u
	}
	if why != "" {
		return fail(f.edit()+templateSource(f, why), "the Secret cannot be made: %s", clip(why))
	}
	return ok("the Secret can be made of what Vault holds")
}
