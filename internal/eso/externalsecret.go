package eso

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ExternalSecret maps paths in Vault to one Kubernetes Secret.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,categories={external-secrets},shortName=es
// +kubebuilder:metadata:labels="external-secrets.io/component=controller"
// +kubebuilder:printcolumn:name="StoreType",type=string,JSONPath=`.spec.secretStoreRef.kind`
// +kubebuilder:printcolumn:name="Store",type=string,JSONPath=`.spec.secretStoreRef.name`
// +kubebuilder:printcolumn:name="Refresh Interval",type=string,JSONPath=`.spec.refreshInterval`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Last Sync",type=date,JSONPath=`.status.refreshTime`
// +kubebuilder:selectablefield:JSONPath=`.spec.secretStoreRef.name`
// +kubebuilder:selectablefield:JSONPath=`.spec.secretStoreRef.kind`
// +kubebuilder:selectablefield:JSONPath=`.spec.target.name`
// +kubebuilder:selectablefield:JSONPath=`.spec.refreshInterval`
type ExternalSecret struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ExternalSecretSpec   `json:"spec,omitempty"`
	Status ExternalSecretStatus `json:"status,omitzero"`
}

// ExternalSecretList is a list of ExternalSecrets.
//
// +kubebuilder:object:root=true
type ExternalSecretList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ExternalSecret `json:"items"`
}

// ExternalSecretSpec says what to read, from which store, and what Secret to make of it.
type ExternalSecretSpec struct {
	// The store to read from, unless an entry names its own by sourceRef.
	SecretStoreRef *StoreRef `json:"secretStoreRef,omitempty"`
	// The Secret to write.
	// +kubebuilder:default={creationPolicy:Owner,deletionPolicy:Retain}
	Target Target `json:"target,omitzero"`
	// When to read again: Periodic (also when empty), OnChange or CreatedOnce.
	RefreshPolicy RefreshPolicy `json:"refreshPolicy,omitempty"`
	// Time between two reads, a Go duration such as 1h or 30m. 0 reads once.
	// +kubebuilder:default="1h0m0s"
	RefreshInterval *Duration `json:"refreshInterval,omitempty"`
	// Windows in which a due refresh may, or may not, run.
	SyncWindows *SyncWindows `json:"syncWindows,omitempty"`
	// One Secret key per entry.
	Data []Data `json:"data,omitempty"`
	// Many Secret keys per entry.
	DataFrom []DataFrom `json:"dataFrom,omitempty"`
}

// StoreRef names a store. An empty kind means SecretStore.
type StoreRef struct {
	// Name of the store.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name,omitempty"`
	// SecretStore (also when empty) or ClusterSecretStore.
	// +kubebuilder:validation:Enum=SecretStore;ClusterSecretStore
	Kind string `json:"kind,omitempty"`
}

// RefreshPolicy says when a mapping is read again.
//
// +kubebuilder:validation:Enum=CreatedOnce;Periodic;OnChange
type RefreshPolicy string

// The refresh policies.
const (
	RefreshCreatedOnce RefreshPolicy = "CreatedOnce"
	RefreshPeriodic    RefreshPolicy = "Periodic"
	RefreshOnChange    RefreshPolicy = "OnChange"
)

// SyncWindows gates refreshes that are due by time alone.
type SyncWindows struct {
	// allow: refresh only inside a window; deny: only outside.
	// +kubebuilder:validation:Enum=allow;deny
	Kind string `json:"kind"`
	// +kubebuilder:validation:MinItems=1
	Windows []SyncWindow `json:"windows"`
}

// SyncWindow opens at each firing of its schedule (UTC) and stays open for its duration.
type SyncWindow struct {
	// Five cron fields, or a descriptor such as @daily or @every 6h.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:Pattern=`^(@(annually|yearly|monthly|weekly|daily|midnight|hourly)|@every .+|\S+ \S+ \S+ \S+ \S+)$`
	Schedule string `json:"schedule"`
	// How long the window stays open, a Go duration.
	Duration Duration `json:"duration"`
}

// Target is the Secret to write.
type Target struct {
	// Name of the Secret; the ExternalSecret's own name when empty.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name,omitempty"`
	// Who creates and owns the Secret.
	// +kubebuilder:default=Owner
	CreationPolicy CreationPolicy `json:"creationPolicy,omitempty"`
	// What happens when Vault no longer has the data.
	// +kubebuilder:default=Retain
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
	// Rendering of the Secret. Its presence alone stops labels and annotations
	// from being copied.
	Template *Template `json:"template,omitempty"`
	// A target other than a Secret. Accepted, never served.
	Manifest *Manifest `json:"manifest,omitempty"`
	// Mark the Secret immutable.
	Immutable bool `json:"immutable,omitempty"`
}

// CreationPolicy says who creates and owns the target Secret.
//
// +kubebuilder:validation:Enum=Owner;Orphan;Merge;None;CreateOrMerge
type CreationPolicy string

// The creation policies.
const (
	CreateOwner   CreationPolicy = "Owner"
	CreateOrphan  CreationPolicy = "Orphan"
	CreateMerge   CreationPolicy = "Merge"
	CreateNone    CreationPolicy = "None"
	CreateOrMerge CreationPolicy = "CreateOrMerge"
)

// DeletionPolicy says what happens to the Secret when Vault no longer has the data.
//
// +kubebuilder:validation:Enum=Delete;Merge;Retain
type DeletionPolicy string

// The deletion policies.
const (
	DeleteDelete DeletionPolicy = "Delete"
	DeleteMerge  DeletionPolicy = "Merge"
	DeleteRetain DeletionPolicy = "Retain"
)

// Manifest names a target kind other than Secret.
type Manifest struct {
	// +kubebuilder:validation:MinLength=1
	APIVersion string `json:"apiVersion"`
	// +kubebuilder:validation:MinLength=1
	Kind string `json:"kind"`
}
