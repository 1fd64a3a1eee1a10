package plugin

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// SyncResultList is what sync-now prints with -o json and yaml; docs/output.md tells its
// fields.
type SyncResultList struct {
	metav1.TypeMeta `json:",inline"`
	Items           []SyncResult `json:"items"`
	// Restarted are the workloads that were restarted, as namespace/kind/name.
	Restarted []string `json:"restarted,omitempty"`
}

// SyncResult is what came of one mapping. Keys are named, values are in none of it.
type SyncResult struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Result is synced, failed, timeout or asked (--wait=false).
	Result       string   `json:"result"`
	Message      string   `json:"message,omitempty"`
	Milliseconds int64    `json:"milliseconds"`
	Added        []string `json:"added,omitempty"`
	Changed      []string `json:"changed,omitempty"`
	Removed      []string `json:"removed,omitempty"`
	// Unchanged counts the other keys; absent when the Secret could not be seen.
	Unchanged *int     `json:"unchanged,omitempty"`
	Notes     []string `json:"notes,omitempty"`
}

// DeepCopyObject makes it printable by cli-runtime; printers only read.
func (l *SyncResultList) DeepCopyObject() runtime.Object {
	c := *l
	return &c
}

func syncResultOf(es *eso.ExternalSecret, r syncResult) SyncResult {
	out := SyncResult{Namespace: es.Namespace, Name: es.Name, Result: "failed", Message: r.message, Milliseconds: r.took.Milliseconds(), Notes: r.notes}
	switch {
	case r.timeout:
		out.Result = "timeout"
	case r.unwaited:
		out.Result = "asked"
	case r.answer == synced:
		out.Result = "synced"
	}
	if c := r.changes; c != nil {
		out.Added, out.Changed, out.Removed, out.Unchanged = c.added, c.changed, c.removed, &c.unchanged
	}
	return out
}
