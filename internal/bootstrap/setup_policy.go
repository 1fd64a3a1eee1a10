package bootstrap

import (
	"fmt"
	"slices"
	"strings"
)

// The first lines of a policy that setup made say for whom, and what was asked for beside
// what the mappings read.
const (
	policyMark    = "# Made by kubectl vaultsecret setup for "
	policyCluster = " in cluster "
	policyFurther = "# Further paths: "
	policyMeta    = "# With the metadata of each path (--with-metadata)."
	policyAdvice  = "# Do not edit: setup writes it anew from what the ExternalSecrets read."
)

// madeFor is whose policy a text is.
type madeFor struct {
	store, cluster string
	further        []string
	// metadata says that reading metadata was asked for.
	metadata bool
}

// policyText is the policy of rules; the same rules give the same text. Each rule is
// one line, so that lines can be compared.
func policyText(m madeFor, rules []Rule) string {
	lines := []string{policyMark + m.store}
	if m.cluster != "" {
		lines[0] += policyCluster + m.cluster
	}
	lines = append(lines, policyAdvice)
	if len(m.further) > 0 {
		lines = append(lines, policyFurther+strings.Join(m.further, ", "))
	}
	if m.metadata {
		lines = append(lines, policyMeta)
	}
	for _, r := range rules {
		lines = append(lines, ruleLine(r))
	}
	return strings.Join(lines, "\n") + "\n"
}

func ruleLine(r Rule) string {
	return fmt.Sprintf(`path "%s" { capabilities = ["%s"] }`, r.Path, strings.Join(r.Capabilities, `", "`))
}

// readPolicy reads the first lines of a policy's text; false when setup did not make it.
func readPolicy(text string) (madeFor, bool) {
	var m madeFor
	lines := strings.Split(text, "\n")
	first, ours := strings.CutPrefix(lines[0], policyMark)
	if !ours {
		return m, false
	}
	m.store, m.cluster, _ = strings.Cut(strings.TrimSpace(first), policyCluster)
	for _, line := range lines[1:] {
		if paths, ok := strings.CutPrefix(line, policyFurther); ok {
			m.further = strings.Split(paths, ", ")
		}
		m.metadata = m.metadata || line == policyMeta
	}
	return m, true
}

// sameOwner reports whether a policy was made for the store, in this cluster as far as
// the policy tells. A cluster of which nothing is known owns no policy that names one.
func (m madeFor) sameOwner(other madeFor) bool {
	return m.store == other.store && (m.cluster == other.cluster || m.cluster == "")
}

// policyDiff lists the lines that go with "- " and those that come with "+ ", each new
// rule with who wants it. Comments and empty lines do not count, but for a change of
// the further paths, which shows in the rules.
func policyDiff(old, text string, rules []Rule) []string {
	before, after := ruleLines(old), ruleLines(text)
	why := map[string]string{}
	for _, r := range rules {
		why[ruleLine(r)] = strings.Join(r.Why, ", ")
	}
	var diff []string
	for _, line := range before {
		if !slices.Contains(after, line) {
			diff = append(diff, "- "+line)
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			diff = append(diff, "+ "+line+"   # "+why[line])
		}
	}
	return diff
}

func ruleLines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}
