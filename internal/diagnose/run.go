package diagnose

import (
	"slices"
	"strings"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// instance is one check on one subject.
type instance struct {
	check   *Check
	store   *Store
	path    *Path
	verdict Verdict
	// cause is the code of the failed ancestor that made it be skipped.
	cause string
}

// Run judges the facts: every check on every subject it applies to, in the order
// of the table.
func Run(f Facts) Report {
	checks := Checks()
	byCode := map[string][]*instance{}
	var all []*instance
	for i := range checks {
		for _, in := range instances(&checks[i], &f) {
			if in.cause = failedAncestor(in, byCode); in.cause != "" {
				in.verdict = skip("needs %s", in.cause)
			} else if in.verdict = in.judge(&f); in.verdict.Status == "" {
				continue
			}
			byCode[in.check.Code] = append(byCode[in.check.Code], in)
			all = append(all, in)
		}
	}
	return report(&f, all, rootsOf(all))
}

// instances makes one instance for each subject of the check's kind.
func instances(c *Check, f *Facts) []*instance {
	var list []*instance
	switch {
	case c.mapping != nil:
		list = append(list, &instance{check: c})
	case c.store != nil:
		for _, s := range f.Stores {
			list = append(list, &instance{check: c, store: s})
		}
	case c.path != nil:
		for _, p := range f.Paths {
			if c.applies != nil && !c.applies(p) {
				continue
			}
			list = append(list, &instance{check: c, store: p.Store, path: p})
		}
	}
	return list
}

func (in *instance) judge(f *Facts) Verdict {
	switch {
	case in.check.mapping != nil:
		return in.check.mapping(f)
	case in.check.store != nil:
		return in.check.store(f, in.store)
	}
	return in.check.path(f, in.path)
}

// failedAncestor returns the code of a requirement that failed, or of the one that
// made a requirement be skipped. Subjects are matched: a path's checks need those
// of the same path and of its store, a mapping's checks need all.
func failedAncestor(in *instance, done map[string][]*instance) string {
	for _, code := range in.check.Requires {
		for _, need := range done[code] {
			if in.store != nil && need.store != nil && in.store != need.store {
				continue
			}
			if in.path != nil && need.path != nil && in.path != need.path {
				continue
			}
			switch {
			case need.cause != "":
				return need.cause
			case need.verdict.Status == StatusFail, need.verdict.Status == StatusSkip:
				return need.check.Code
			}
		}
	}
	return ""
}

// symptoms in the order in which they say most about the cause.
var symptomOrder = [...]string{"VS103", "VS302", "VS203", "VS202"}

func rootsOf(all []*instance) map[*instance]bool {
	roots := map[*instance]bool{}
	for _, in := range all {
		if in.verdict.Status == StatusFail && !in.check.Symptom {
			roots[in] = true
		}
	}
	if len(roots) > 0 {
		return roots
	}
	for _, code := range symptomOrder {
		for _, in := range all {
			if in.check.Code == code && in.verdict.Status == StatusFail {
				roots[in] = true
				return roots
			}
		}
	}
	return roots
}

func report(f *Facts, all []*instance, roots map[*instance]bool) Report {
	r := Report{Namespace: f.Namespace, Name: f.Name, Healthy: true, RootCauses: []string{}, Chain: chain(f)}
	for _, in := range all {
		v := in.verdict
		if in.cause != "" && in.check.Quiet {
			continue
		}
		if v.Status == StatusFail || v.Status == StatusUnknown {
			r.Healthy = false
		}
		r.Missing = r.Missing || in.check.Code == "VS201" && v.Status == StatusFail
		r.Checks = append(r.Checks, Finding{
			Code: in.check.Code, Group: in.check.Group, Title: in.check.Title, Subject: in.subject(f),
			Status: v.Status, Message: v.Message, Fix: v.Fix, Requires: in.check.Requires, Root: roots[in],
		})
		if roots[in] && !slices.Contains(r.RootCauses, in.check.Code) {
			r.RootCauses = append(r.RootCauses, in.check.Code)
		}
	}
	slices.SortStableFunc(r.Checks, func(a, b Finding) int {
		return slices.Index(Groups(), a.Group) - slices.Index(Groups(), b.Group)
	})
	return r
}

func (in *instance) subject(f *Facts) string {
	switch {
	case in.path != nil && in.path.Find:
		return in.path.Metadata
	case in.path != nil:
		return in.path.Data
	case in.store != nil:
		return in.store.name(f)
	}
	return ""
}

// name is "ClusterSecretStore/vault" or "SecretStore/apps/vault".
func (s *Store) name(f *Facts) string {
	if s.Ref.Kind == "ClusterSecretStore" {
		return s.Ref.String()
	}
	return s.Ref.Kind + "/" + f.Namespace + "/" + s.Ref.Name
}

// chain is "ExternalSecret prod/api-db → SecretStore/vault → https://… (via)".
func chain(f *Facts) string {
	line := "ExternalSecret " + f.Namespace + "/" + f.Name
	var stores []string
	for _, s := range f.Stores {
		text := s.Ref.String()
		if s.Vault.Address != "" {
			text += " → " + s.Vault.Address
		}
		if s.Vault.Via != "" {
			text += " (" + s.Vault.Via + ")"
		}
		stores = append(stores, text)
	}
	if len(stores) > 0 {
		line += " → " + strings.Join(stores, ", ")
	}
	return line
}

// Preflight judges a cluster alone, before any mapping is there: by the checks that
// need no more than the cluster.
func Preflight(c Cluster) Report {
	full := Run(Facts{Cluster: c, Mapping: Unknown[*eso.ExternalSecret]("not looked at")})
	r := Report{Healthy: true, RootCauses: []string{}, Chain: "Cluster " + c.Server}
	for _, f := range full.Checks {
		if f.Group != GroupCluster {
			continue
		}
		if f.Status == StatusFail {
			f.Root = true
			r.RootCauses = append(r.RootCauses, f.Code)
		}
		r.Healthy = r.Healthy && f.Status != StatusFail && f.Status != StatusUnknown
		r.Checks = append(r.Checks, f)
	}
	return r
}
