package diagnose

import (
	"fmt"
	"slices"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

func policyChecks() []Check {
	needs := []string{"VS502", "VS601", "VS604"}
	return []Check{
		{Code: "VS504", Group: GroupAuth, Title: "policy allows the data path", Requires: needs, applies: readsData, path: dataAllowed},
		{Code: "VS505", Group: GroupAuth, Title: "policy allows the metadata path", Requires: needs, applies: needsMetadata, path: metadataAllowed},
	}
}

func readsData(p *Path) bool { return !needsMetadata(p) }

func needsMetadata(p *Path) bool { return p.Find || p.Ref.Metadata }

func finds(p *Path) bool { return p.Find }

func reads(p *Path) bool { return !p.Find }

func wantsProperty(p *Path) bool {
	return slices.ContainsFunc(p.Entries, func(e Entry) bool { return e.Property != "" })
}

// dataAllowed judges sys/capabilities-self on the exact data path. A token that may not
// ask that is judged by the read itself.
func dataAllowed(_ *Facts, p *Path) Verdict {
	caps, u := have(p.Capabilities)
	r := p.Read
	switch {
	case u != nil && r.Known && (r.Value.Kind == "" || r.Value.Kind == kv.Absent):
		return ok("%s was read", p.Data)
	case u != nil && (!r.Known || r.Value.Kind != kv.Denied):
		return *u
	case u == nil && allows(caps, "read"):
		return ok(`"read" on %s`, p.Data)
	}
	hidden := ""
	if p.Engine.Known && p.Engine.Value.Hidden {
		hidden = fmt.Sprintf("; or there is no mount %s, which this token cannot tell", p.Mount)
	}
	return fail(policyFix(p, p.Data, `"read"`), `no "read" on %s%s`, p.Data, hidden)
}

// metadataAllowed judges the metadata path where an entry needs it: find lists,
// metadataPolicy Fetch reads.
func metadataAllowed(_ *Facts, p *Path) Verdict {
	need := "read"
	if p.Find {
		need = "list"
	}
	caps, u := have(p.MetaCapabilities)
	if u != nil {
		return *u
	}
	if allows(caps, need) {
		return ok("%q on %s", need, p.Metadata)
	}
	return fail(policyFix(p, p.Metadata, `"read", "list"`), "no %q on %s", need, p.Metadata)
}

func allows(capabilities []string, need string) bool {
	return slices.Contains(capabilities, "root") || slices.Contains(capabilities, need)
}

// policyFix adds a rule to the policy that the token has already; "vault policy
// write" replaces a policy, so what stands in it is kept.
func policyFix(p *Path, path, capabilities string) string {
	policy := ""
	for _, name := range p.Store.Login.Token.Value.Policies {
		if name != "default" && name != "root" {
			policy = name
			break
		}
	}
	rule := fmt.Sprintf("path %q { capabilities = [%s] }", path, capabilities)
	if policy == "" {
		return fmt.Sprintf("vault policy write app-ro - <<'EOF'\n%s\nEOF\n# and give it to the credential: token_policies=app-ro on its role, or vault token create -policy=app-ro", rule)
	}
	return fmt.Sprintf("{ vault policy read %s; cat <<'EOF'\n%s\nEOF\n} | vault policy write %s -", Quote(policy), rule, Quote(policy))
}
