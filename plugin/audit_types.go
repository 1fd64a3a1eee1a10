package plugin

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// AuditReport is what audit prints with -o json and yaml; docs/output.md tells its
// fields. It holds no values. What is not known is absent, and says why beside it.
type AuditReport struct {
	metav1.TypeMeta `json:",inline"`
	Generated       metav1.Time    `json:"generated"`
	Program         string         `json:"program"`
	Cluster         string         `json:"cluster"`
	MaxAge          string         `json:"maxAge,omitempty"`
	Summary         AuditSummary   `json:"summary"`
	Items           []AuditMapping `json:"items"`
	Vaults          []AuditVault   `json:"vaults"`
	NotSeen         []string       `json:"notSeen"`

	missing []string
}

// AuditSummary counts.
type AuditSummary struct {
	Mappings   int `json:"mappings"`
	Paths      int `json:"paths"`
	NotReady   int `json:"notReady"`
	Drifted    int `json:"drifted"`
	Unknown    int `json:"driftUnknown"`
	Overdue    int `json:"overdue"`
	AgeUnknown int `json:"ageUnknown"`
	NoAudit    int `json:"vaultsWithoutAudit"`
}

// AuditMapping is one mapping.
type AuditMapping struct {
	Namespace string       `json:"namespace"`
	Name      string       `json:"name"`
	Secret    SecretStatus `json:"secret"`
	Keeper    string       `json:"controller"`
	Ready     string       `json:"ready"`
	Reason    string       `json:"reason"`
	LastSync  *metav1.Time `json:"lastSync,omitempty"`
	// Drift is same, differs or unknown; DriftKeys names the keys.
	Drift      string        `json:"drift"`
	DriftKeys  []string      `json:"driftKeys,omitempty"`
	DriftError string        `json:"driftError,omitempty"`
	Paths      []AuditPath   `json:"paths"`
	Readers    []AuditReader `json:"secretReaders"`
	Consumers  []string      `json:"consumers,omitempty"`
	NotSeen    []string      `json:"notSeen,omitempty"`
}

// AuditPath is one path that a mapping reads.
type AuditPath struct {
	Store string `json:"store"`
	Vault string `json:"vault"`
	Path  string `json:"path"`
	// Newest is the newest version that can be read, Written when it was written.
	Newest    int          `json:"newest,omitempty"`
	InCluster int          `json:"inCluster,omitempty"`
	Kept      int          `json:"versionsKept,omitempty"`
	Written   *metav1.Time `json:"written,omitempty"`
	WrittenBy string       `json:"writtenBy,omitempty"`
	AgeDays   *int         `json:"ageDays,omitempty"`
	// Overdue is whether the age exceeds --max-age; absent without it, and where the age
	// is not known.
	Overdue *bool `json:"overdue,omitempty"`
	// Error is why the versions are not known.
	Error string `json:"error,omitempty"`
	// Policies grant "read" on the path; PoliciesError is why not all are known.
	Policies      []AuditPolicy `json:"policies"`
	PoliciesError string        `json:"policiesError,omitempty"`
}

// AuditPolicy is a policy of Vault that grants read on a path, and the rule that does.
type AuditPolicy struct {
	Policy string `json:"policy"`
	Rule   string `json:"rule,omitempty"`
}

// AuditReader is somebody whom RBAC lets read a Secret.
type AuditReader struct {
	Kind      string   `json:"kind"`
	Namespace string   `json:"namespace,omitempty"`
	Name      string   `json:"name"`
	Verbs     []string `json:"verbs"`
	Via       string   `json:"via"`
}

// AuditVault is one Vault and its audit devices.
type AuditVault struct {
	Address string        `json:"address"`
	Devices []AuditDevice `json:"auditDevices"`
	// Error is why the devices are not known.
	Error string `json:"error,omitempty"`
}

// AuditDevice is an audit device that is enabled.
type AuditDevice struct {
	Path string `json:"path"`
	Type string `json:"type"`
}

// DeepCopyObject makes it printable by cli-runtime; printers only read.
func (r *AuditReport) DeepCopyObject() runtime.Object {
	c := *r
	return &c
}

// objections is how much there is to object to.
func (r *AuditReport) objections() int {
	s := r.Summary
	return s.NotReady + s.Drifted + s.Overdue + s.NoAudit
}

// summarize counts; a path that several mappings read counts for each.
func (r *AuditReport) summarize() {
	s := AuditSummary{Mappings: len(r.Items)}
	for _, m := range r.Items {
		if m.Ready != string(metav1.ConditionTrue) {
			s.NotReady++
		}
		switch m.Drift {
		case driftDiffers:
			s.Drifted++
		case driftUnknown:
			s.Unknown++
		}
		for _, p := range m.Paths {
			s.Paths++
			switch {
			case p.AgeDays == nil:
				s.AgeUnknown++
			case p.Overdue != nil && *p.Overdue:
				s.Overdue++
			}
		}
	}
	for _, v := range r.Vaults {
		if v.Error == "" && len(v.Devices) == 0 {
			s.NoAudit++
		}
	}
	r.Summary = s
}

// What drift may be.
const (
	driftSame    = "same"
	driftDiffers = "differs"
	driftUnknown = "unknown"
)

// aged fills in how old the newest version is.
func (p *AuditPath) aged(now time.Time, oldest time.Duration) {
	if p.Written == nil {
		return
	}
	age := now.Sub(p.Written.Time)
	days := int(age / (24 * time.Hour))
	p.AgeDays = &days
	if oldest > 0 {
		overdue := age > oldest
		p.Overdue = &overdue
	}
}
