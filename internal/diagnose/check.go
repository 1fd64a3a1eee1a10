package diagnose

import (
	"fmt"
	"slices"
)

// Check is one row of the table: what it is called, what it needs, and how it
// judges. Exactly one of the three judges is set; it says what the check is about.
type Check struct {
	Code, Group, Title string
	// Requires are codes that must not have failed.
	Requires []string
	// Symptom marks what a controller left behind: a root cause only when nothing
	// else is.
	Symptom bool
	// Quiet checks say something only when there is something to say: one that was
	// not made is not worth a line.
	Quiet bool

	// applies, if not nil, says whether a path is this check's at all.
	applies func(*Path) bool
	mapping func(*Facts) Verdict
	store   func(*Facts, *Store) Verdict
	path    func(*Facts, *Path) Verdict
}

// Verdict is what a check says of one subject. The zero Verdict says that the
// check does not apply; such a check is not reported.
type Verdict struct {
	Status       Status
	Message, Fix string
}

// Group ids, as --only takes them.
const (
	GroupCluster = "cluster"
	GroupMapping = "mapping"
	GroupStore   = "store"
	GroupVault   = "vault"
	GroupAuth    = "auth"
	GroupPath    = "path"
	GroupAfter   = "after"
)

// Heading is the title under which a group is printed.
func Heading(group string) string {
	switch group {
	case GroupCluster:
		return "Cluster"
	case GroupMapping, GroupStore:
		return "1 Store and ExternalSecret"
	case GroupVault:
		return "2 Vault"
	case GroupAuth:
		return "3 Credential"
	case GroupPath:
		return "4 Path"
	}
	return "After"
}

// Groups lists the group ids in the order of the table.
func Groups() []string {
	return []string{GroupCluster, GroupMapping, GroupStore, GroupVault, GroupAuth, GroupPath, GroupAfter}
}

// Checks is the table of all checks, requirements before what requires them.
// Codes are stable: a code is never given another meaning.
func Checks() []Check {
	return slices.Concat(clusterChecks(), mappingChecks(), storeChecks(), vaultChecks(),
		loginChecks(), engineChecks(), policyChecks(), pathChecks(), afterChecks())
}

// Lookup returns the check of a code.
func Lookup(code string) (Check, bool) {
	checks := Checks()
	i := slices.IndexFunc(checks, func(c Check) bool { return c.Code == code })
	if i < 0 {
		return Check{}, false
	}
	return checks[i], true
}

func ok(format string, args ...any) Verdict {
	return Verdict{Status: StatusOK, Message: fmt.Sprintf(format, args...)}
}

func warn(fix, format string, args ...any) Verdict {
	return Verdict{Status: StatusWarn, Fix: fix, Message: fmt.Sprintf(format, args...)}
}

func fail(fix, format string, args ...any) Verdict {
	return Verdict{Status: StatusFail, Fix: fix, Message: fmt.Sprintf(format, args...)}
}

func skip(format string, args ...any) Verdict {
	return Verdict{Status: StatusSkip, Message: "skipped: " + fmt.Sprintf(format, args...)}
}

func unknown(format string, args ...any) Verdict {
	return Verdict{Status: StatusUnknown, Message: "unknown: " + fmt.Sprintf(format, args...)}
}
