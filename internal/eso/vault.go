package eso

// VaultProvider says how to reach a Vault (or OpenBao) and log in.
type VaultProvider struct {
	// Base URL, e.g. https://vault.vault.svc:8200.
	Server string `json:"server"`
	// Mount of the KV engine. Without it keys start with the mount.
	Path *string `json:"path,omitempty"`
	// Version of the KV engine.
	// +kubebuilder:default=v2
	// +kubebuilder:validation:Enum=v1;v2
	Version string `json:"version,omitempty"`
	// Vault Enterprise namespace.
	Namespace *string `json:"namespace,omitempty"`
	// How to log in.
	Auth *VaultAuth `json:"auth,omitempty"`
	// PEM certificates that replace the system's roots.
	CABundle []byte `json:"caBundle,omitempty"`
	// Where to find such certificates; ignored beside caBundle.
	CAProvider *CAProvider `json:"caProvider,omitempty"`
	// Client certificate of the connection.
	ClientTLS ClientTLS `json:"tls,omitzero"`
	// Replay X-Vault-Index states.
	ReadYourWrites bool `json:"readYourWrites,omitempty"`
	// With readYourWrites: ask that inconsistent reads be forwarded.
	ForwardInconsistent bool `json:"forwardInconsistent,omitempty"`
	// Headers of every request.
	Headers map[string]string `json:"headers,omitempty"`
	// Writes only (PushSecret); accepted, without effect here.
	CheckAndSet *CheckAndSet `json:"checkAndSet,omitempty"`
}

// CheckAndSet concerns writes.
type CheckAndSet struct {
	Required bool `json:"required,omitempty"`
}

// CAProvider names a Secret or ConfigMap with PEM certificates.
type CAProvider struct {
	// +kubebuilder:validation:Enum=Secret;ConfigMap
	Type string `json:"type"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key string `json:"key,omitempty"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace *string `json:"namespace,omitempty"`
}

// ClientTLS is a client certificate and its key; both or neither.
type ClientTLS struct {
	CertSecretRef *SecretKeySelector `json:"certSecretRef,omitempty"`
	KeySecretRef  *SecretKeySelector `json:"keySecretRef,omitempty"`
}

// SecretKeySelector names one key of a Secret.
type SecretKeySelector struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name,omitempty"`
	// Only in a ClusterSecretStore; there, absent means the mapping's namespace.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace *string `json:"namespace,omitempty"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key string `json:"key,omitempty"`
}

// ServiceAccountSelector names a ServiceAccount and the audiences of its token.
type ServiceAccountSelector struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace *string  `json:"namespace,omitempty"`
	Audiences []string `json:"audiences,omitempty"`
}
