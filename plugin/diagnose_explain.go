package plugin

import (
	"fmt"
	"strings"

	"vaultsecret.io/kubectl-vaultsecret/docs"
	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
)

// explainCode is the runbook's section of a code, as text for a terminal.
func explainCode(code string) (string, error) {
	code = strings.ToUpper(strings.TrimSpace(code))
	check, known := diagnose.Lookup(code)
	if !known {
		return "", fmt.Errorf("there is no check %q; codes are VS101 to VS702, see docs/runbook.md", code)
	}
	_, section, found := strings.Cut(docs.Runbook, "\n### "+code+"\n")
	if !found {
		return "", fmt.Errorf("the runbook has no section %s", code)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	section, _, _ = strings.Cut(section, "\n### ")
	text := strings.NewReplacer("**", "", "`", "").Replace(strings.TrimSpace(section))
	return fmt.Sprintf("%s %s\n\ngroup: %s\nneeds: %s\nrunbook: docs/runbook.md#%s\n", code, text, check.Group, orNone(check.Requires), strings.ToLower(code)), nil
}

func orNone(words []string) string {
	if len(words) == 0 {
		return "nothing"
	}
	return strings.Join(words, ", ")
}
