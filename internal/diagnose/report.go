package diagnose

// Status is the outcome of a check.
type Status string

// The statuses.
const (
	StatusOK      Status = "ok"
	StatusWarn    Status = "warn"
	StatusFail    Status = "fail"
	StatusSkip    Status = "skip"
	StatusUnknown Status = "unknown"
)

// Finding is one check's outcome on one subject. It is part of the documented
// JSON of DiagnosisList.
type Finding struct {
	Code  string `json:"code"`
	Group string `json:"group"`
	Title string `json:"title"`
	// Subject is the store or path that was checked, "" for the mapping itself.
	Subject string `json:"subject,omitempty"`
	Status  Status `json:"status"`
	Message string `json:"message"`
	// Fix is a command, or a change to make; set for every failure.
	Fix      string   `json:"fix,omitempty"`
	Requires []string `json:"requires,omitempty"`
	// Root marks a root cause.
	Root bool `json:"rootCause,omitempty"`
}

// Report is what is to be said about one mapping.
type Report struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Healthy is true when nothing failed and nothing is unknown.
	Healthy bool `json:"healthy"`
	// RootCauses are the codes of the root causes, without duplicates.
	RootCauses []string  `json:"rootCauses"`
	Checks     []Finding `json:"checks"`

	// Chain is the line from the mapping to its Vault, for people.
	Chain string `json:"-"`
	// Missing is set when the mapping itself does not exist.
	Missing bool `json:"-"`
}

// Count returns how many findings have the status.
func (r Report) Count(status Status) int {
	n := 0
	for _, f := range r.Checks {
		if f.Status == status {
			n++
		}
	}
	return n
}

// Roots returns the findings that are root causes.
func (r Report) Roots() []Finding {
	var roots []Finding
	for _, f := range r.Checks {
		if f.Root {
			roots = append(roots, f)
		}
	}
	return roots
}

// Cause is one root cause and all mappings that it makes fail.
type Cause struct {
	Finding
	// Mappings are "namespace/name", in the order of the reports.
	Mappings []string
}

// Group brings together the root causes of many reports: one Cause for one code,
// subject and message, in order of first appearance.
func Group(reports []Report) []Cause {
	var causes []Cause
	index := map[[3]string]int{}
	for _, r := range reports {
		for _, f := range r.Roots() {
			key := [3]string{f.Code, f.Subject, f.Message}
			i, seen := index[key]
			if !seen {
				i = len(causes)
				index[key] = i
				causes = append(causes, Cause{Finding: f})
			}
			causes[i].Mappings = append(causes[i].Mappings, r.Namespace+"/"+r.Name)
		}
	}
	return causes
}
