package diagnose

import "fmt"

func engineChecks() []Check {
	return []Check{
		{Code: "VS601", Group: GroupPath, Title: "mount exists", Requires: []string{"VS502"}, path: mountExists},
		{Code: "VS604", Group: GroupPath, Title: "mount is KV of the store's version", Requires: []string{"VS502", "VS601"}, path: engineVersion},
	}
}

func mountExists(f *Facts, p *Path) Verdict {
	e, u := have(p.Engine)
	if u != nil {
		return *u
	}
	field := "spec.provider.vault.path of " + p.Store.name(f)
	if o := p.Store.Object.Value; o != nil && o.Spec.Provider.Vault.Mount() == "" {
		field = "the first segment of " + p.field() + ".key"
	}
	caps := p.Capabilities
	if p.Find || p.Ref.Metadata {
		caps = p.MetaCapabilities
	}
	fix := "vault secrets list\nkubectl edit " + p.Store.kubectl(f) + "   # spec.provider.vault.path"
	enable := fmt.Sprintf("vault secrets list\nvault secrets enable -path=%s -version=%d kv", Quote(p.Mount), p.version())
	hint := didYouMean(p.Mount, p.Mounts)
	switch {
	case e.Missing:
		return fail(enable, "there is no mount %s in Vault (%s)%s", p.Mount, field, hint)
	case e.Hidden && caps.Known && (allows(caps.Value, "read") || allows(caps.Value, "list")):
		// Whoever may act under a mount may ask what it is: so there is none.
		return fail(enable, "there is no mount %s in Vault (%s)%s", p.Mount, field, hint)
	case e.Hidden && hint != "":
		return fail(fix, "the token sees no mount %s (%s)%s", p.Mount, field, hint)
	case e.Hidden:
		return unknown("whether there is a mount %s: the token may do nothing under it", p.Mount)
	}
	return ok("mount %s exists", p.Mount)
}

func engineVersion(f *Facts, p *Path) Verdict {
	e, u := have(p.Engine)
	if u != nil {
		return *u
	}
	switch {
	case e.Hidden:
		return unknown("what is mounted at %s: the token may do nothing under it", p.Mount)
	case e.Type != "kv" && e.Type != "generic":
		return fail("vault secrets list\nkubectl edit "+p.Store.kubectl(f), "mount %s is of type %s, not kv (spec.provider.vault.path of %s)", p.Mount, e.Type, p.Store.name(f))
	case e.Version != p.version():
		return fail(fmt.Sprintf("kubectl patch %s --type merge -p '{\"spec\":{\"provider\":{\"vault\":{\"version\":\"v%d\"}}}}'", p.Store.kubectl(f), e.Version),
			"mount %s is KV version %d, but spec.provider.vault.version of %s is v%d", p.Mount, e.Version, p.Store.name(f), p.version())
	}
	return ok("%s is KV version %d", p.Mount, e.Version)
}

// version is the KV version that the store says.
func (p *Path) version() int {
	if o := p.Store.Object.Value; o != nil && o.Spec.Provider.Vault != nil {
		return o.Spec.Provider.Vault.KVVersion()
	}
	return 2
}

// field is the field of the first entry that reads the path.
func (p *Path) field() string {
	if len(p.Entries) == 0 {
		return "remoteRef"
	}
	return p.Entries[0].Field
}
