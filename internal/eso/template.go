package eso

// Template renders the Secret from what was read.
type Template struct {
	// Type of the Secret.
	Type string `json:"type,omitempty"`
	// +kubebuilder:default=v2
	// +kubebuilder:validation:Enum=v2
	EngineVersion string           `json:"engineVersion,omitempty"`
	Metadata      TemplateMetadata `json:"metadata,omitzero"`
	// Replace: only what is rendered; Merge: beside the keys that were read.
	// +kubebuilder:default=Replace
	// +kubebuilder:validation:Enum=Replace;Merge
	MergePolicy string `json:"mergePolicy,omitempty"`
	// Keys and their templates.
	Data map[string]string `json:"data,omitempty"`
	// Templates from elsewhere, later ones win.
	TemplateFrom []TemplateFrom `json:"templateFrom,omitempty"`
}

// TemplateMetadata is the metadata of the Secret; values are templates.
type TemplateMetadata struct {
	Annotations map[string]string `json:"annotations,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Finalizers  []string          `json:"finalizers,omitempty"`
}

// TemplateFrom names templates in a ConfigMap or Secret of the same namespace, or
// holds one itself.
type TemplateFrom struct {
	ConfigMap *TemplateRef `json:"configMap,omitempty"`
	Secret    *TemplateRef `json:"secret,omitempty"`
	// Data (also when absent), Annotations or Labels.
	// +kubebuilder:default=Data
	Target *string `json:"target,omitempty"`
	// A template that renders to a YAML map.
	Literal *string `json:"literal,omitempty"`
	// How rendered values are decoded.
	ValuesDecodingStrategy DecodingStrategy `json:"valuesDecodingStrategy,omitempty"`
}

// TemplateRef names keys of a ConfigMap or Secret.
type TemplateRef struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name  string            `json:"name"`
	Items []TemplateRefItem `json:"items"`
}

// TemplateRefItem is one key whose value is a template.
type TemplateRefItem struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key string `json:"key"`
	// Values renders to the value of that key; KeysAndValues to a YAML map.
	// +kubebuilder:default=Values
	// +kubebuilder:validation:Enum=Values;KeysAndValues
	TemplateAs string `json:"templateAs,omitempty"`
}

// TemplateKeysAndValues is the scope in which a template renders a whole map.
const TemplateKeysAndValues = "KeysAndValues"

// TemplateMerge is the merge policy that keeps the keys that were read.
const TemplateMerge = "Merge"
