package eso

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

// MergeJSON is the strategy that keeps the keys and adds the merged object.
const MergeJSON = "JSON"

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
