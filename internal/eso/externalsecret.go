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
	Status ExternalSecretStatus `json:"status,omitempty"`
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
	Target Target `json:"target,omitempty"`
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

// Data maps one value to one key of the Secret.
type Data struct {
	// Key in the Secret.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	SecretKey string `json:"secretKey"`
	// Where the value is.
	RemoteRef RemoteRef `json:"remoteRef"`
	// A store for this entry alone.
	SourceRef *SourceRef `json:"sourceRef,omitempty"`
}

// RemoteRef names a secret in Vault, or one property of it.
type RemoteRef struct {
	// Path of the secret, with or without the mount.
	Key string `json:"key"`
	// Property of the secret: a literal top-level key, else a gjson path.
	Property string `json:"property,omitempty"`
	// KV v2 version; newest when empty.
	Version string `json:"version,omitempty"`
	// Fetch reads the metadata instead of the data.
	// +kubebuilder:validation:Enum=None;Fetch
	MetadataPolicy string `json:"metadataPolicy,omitempty"`
	Strategies     `json:",inline"`
}

// Strategies say how keys and values are converted.
type Strategies struct {
	// How characters that a Secret key may not have are replaced (dataFrom only).
	// +kubebuilder:validation:Enum=Default;Unicode
	ConversionStrategy string `json:"conversionStrategy,omitempty"`
	// How values are decoded.
	DecodingStrategy DecodingStrategy `json:"decodingStrategy,omitempty"`
	// Fail refuses values that hold a null byte.
	// +kubebuilder:validation:Enum=Ignore;Fail
	NullBytePolicy string `json:"nullBytePolicy,omitempty"`
}

// DecodingStrategy says how a value is decoded.
//
// +kubebuilder:validation:Enum=Auto;Base64;Base64URL;None
type DecodingStrategy string

// The decoding strategies.
const (
	DecodeAuto      DecodingStrategy = "Auto"
	DecodeBase64    DecodingStrategy = "Base64"
	DecodeBase64URL DecodingStrategy = "Base64URL"
	DecodeNone      DecodingStrategy = "None"
)

// The other strategies' values that change something.
const (
	MetadataFetch     = "Fetch"
	ConversionUnicode = "Unicode"
	NullByteFail      = "Fail"
)

// SourceRef names another source for one entry: a store, or a generator (which is
// recognised and refused).
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:MaxProperties=1
type SourceRef struct {
	StoreRef     *StoreRef     `json:"storeRef,omitempty"`
	GeneratorRef *GeneratorRef `json:"generatorRef,omitempty"`
}

// GeneratorRef names a generator. Accepted by the schema, refused with a clear error.
type GeneratorRef struct {
	// +kubebuilder:default="generators.external-secrets.io/v1alpha1"
	APIVersion string `json:"apiVersion,omitempty"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
}

// DataFrom maps many values to many keys.
type DataFrom struct {
	// Every key of one secret.
	Extract *RemoteRef `json:"extract,omitempty"`
	// Every secret that matches.
	Find *Find `json:"find,omitempty"`
	// Changes of the keys, in order.
	Rewrite []Rewrite `json:"rewrite,omitempty"`
	// A store for this entry alone.
	SourceRef *SourceRef `json:"sourceRef,omitempty"`
}

// Find selects secrets by name or by custom metadata.
type Find struct {
	// Folder to search; the whole mount when empty.
	Path string `json:"path,omitempty"`
	// Regular expression over the full name.
	Name *FindName `json:"name,omitempty"`
	// Custom metadata that must all be there.
	Tags       map[string]string `json:"tags,omitempty"`
	Strategies `json:",inline"`
}

// FindName is an unanchored RE2 expression.
type FindName struct {
	RegExp string `json:"regexp,omitempty"`
}

// Rewrite changes the keys of a dataFrom entry. Exactly one member is set.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:MaxProperties=1
type Rewrite struct {
	Merge     *RewriteMerge     `json:"merge,omitempty"`
	RegExp    *RewriteRegExp    `json:"regexp,omitempty"`
	Transform *RewriteTransform `json:"transform,omitempty"`
}

// RewriteRegExp replaces every match of source in each key by target.
type RewriteRegExp struct {
	Source string `json:"source"`
	Target string `json:"target"`
}

// RewriteTransform renders each key by a template whose .value is the key.
type RewriteTransform struct {
	Template string `json:"template"`
}

// RewriteMerge merges the JSON objects that the values are.
type RewriteMerge struct {
	// Key for the merged object (strategy JSON).
	// +kubebuilder:default=""
	Into string `json:"into,omitempty"`
	// Keys that win, the last most.
	Priority []string `json:"priority,omitempty"`
	// What an unknown key in priority means.
	// +kubebuilder:default=Strict
	// +kubebuilder:validation:Enum=IgnoreNotFound;Strict
	PriorityPolicy string `json:"priorityPolicy,omitempty"`
	// What equal inner keys mean.
	// +kubebuilder:default=Error
	// +kubebuilder:validation:Enum=Ignore;Error
	ConflictPolicy string `json:"conflictPolicy,omitempty"`
	// Extract replaces the entry's keys by the merged ones; JSON adds the merged
	// object as one key.
	// +kubebuilder:default=Extract
	// +kubebuilder:validation:Enum=Extract;JSON
	Strategy string `json:"strategy,omitempty"`
}

// ExternalSecretStatus is what the controller reports.
type ExternalSecretStatus struct {
	// Start of the last sync that reached its end.
	// +nullable
	RefreshTime metav1.Time `json:"refreshTime,omitempty"`
	// Generation and hash of labels and annotations at that sync.
	SyncedResourceVersion string      `json:"syncedResourceVersion,omitempty"`
	Conditions            []Condition `json:"conditions,omitempty"`
	// The Secret, for servicebinding.io.
	Binding *LocalObjectReference `json:"binding,omitempty"`
}

// LocalObjectReference names an object of the same namespace.
//
// +structType=atomic
type LocalObjectReference struct {
	// +kubebuilder:default=""
	Name string `json:"name,omitempty"`
}

// Condition is one aspect of an object's state. Only type Ready is ever written.
type Condition struct {
	// +kubebuilder:validation:Enum=Ready;Deleted
	Type    string                 `json:"type"`
	Status  metav1.ConditionStatus `json:"status"`
	Reason  string                 `json:"reason,omitempty"`
	Message string                 `json:"message,omitempty"`
	// When status last changed; reason and message do not move it.
	LastTransitionTime metav1.Time `json:"lastTransitionTime,omitempty"`
}
