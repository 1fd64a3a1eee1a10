package eso

// VaultAuth holds the login method. The first that is set counts, in the order of
// the fields.
type VaultAuth struct {
	// Vault namespace of the login; the provider's when absent.
	Namespace *string `json:"namespace,omitempty"`
	// A token from a Secret.
	TokenSecretRef *SecretKeySelector `json:"tokenSecretRef,omitempty"`
	AppRole        *AppRoleAuth       `json:"appRole,omitempty"`
	Kubernetes     *KubernetesAuth    `json:"kubernetes,omitempty"`
	LDAP           *PasswordAuth      `json:"ldap,omitempty"`
	UserPass       *UserPassAuth      `json:"userPass,omitempty"`
	JWT            *JWTAuth           `json:"jwt,omitempty"`
	Cert           *CertAuth          `json:"cert,omitempty"`
	IAM            *IAMAuth           `json:"iam,omitempty"`
	GCP            *GCPAuth           `json:"gcp,omitempty"`
}

// AppRoleAuth logs in with a role id and a secret id.
type AppRoleAuth struct {
	// +kubebuilder:default=approle
	Path      string             `json:"path"`
	RoleID    string             `json:"roleId,omitempty"`
	RoleRef   *SecretKeySelector `json:"roleRef,omitempty"`
	SecretRef SecretKeySelector  `json:"secretRef"`
}

// KubernetesAuth logs in with a ServiceAccount token.
type KubernetesAuth struct {
	// +kubebuilder:default=kubernetes
	Path              string                  `json:"mountPath"`
	ServiceAccountRef *ServiceAccountSelector `json:"serviceAccountRef,omitempty"`
	SecretRef         *SecretKeySelector      `json:"secretRef,omitempty"`
	Role              string                  `json:"role"`
}

// PasswordAuth logs in with user name and password at an LDAP mount.
type PasswordAuth struct {
	// +kubebuilder:default=ldap
	Path      string            `json:"path"`
	Username  string            `json:"username"`
	SecretRef SecretKeySelector `json:"secretRef,omitzero"`
}

// UserPassAuth logs in with user name and password at a userpass mount.
type UserPassAuth struct {
	// +kubebuilder:default=userpass
	Path      string            `json:"path"`
	Username  string            `json:"username"`
	SecretRef SecretKeySelector `json:"secretRef,omitzero"`
}

// JWTAuth logs in with a JWT from a Secret or of a ServiceAccount.
type JWTAuth struct {
	// +kubebuilder:default=jwt
	Path                          string                         `json:"path"`
	Role                          string                         `json:"role,omitempty"`
	SecretRef                     *SecretKeySelector             `json:"secretRef,omitempty"`
	KubernetesServiceAccountToken *KubernetesServiceAccountToken `json:"kubernetesServiceAccountToken,omitempty"`
}

// KubernetesServiceAccountToken asks for a token by TokenRequest.
type KubernetesServiceAccountToken struct {
	ServiceAccountRef ServiceAccountSelector `json:"serviceAccountRef"`
	// Deprecated by ESO in favour of serviceAccountRef.audiences; vault when absent.
	Audiences *[]string `json:"audiences,omitempty"`
	// Deprecated by ESO; 600 when absent. Seconds.
	ExpirationSeconds *int64 `json:"expirationSeconds,omitempty"`
}

// CertAuth logs in with a client certificate.
type CertAuth struct {
	// +kubebuilder:default=cert
	Path string `json:"path,omitempty"`
	// Role of the cert method to use.
	VaultRole  string            `json:"vaultRole,omitempty"`
	ClientCert SecretKeySelector `json:"clientCert,omitzero"`
	// The private key.
	SecretRef SecretKeySelector `json:"secretRef,omitzero"`
}

// IAMAuth is accepted and refused with a clear error.
type IAMAuth struct {
	Path                string          `json:"path,omitempty"`
	Region              string          `json:"region,omitempty"`
	Role                string          `json:"role,omitempty"`
	VaultRole           string          `json:"vaultRole"`
	ExternalID          string          `json:"externalID,omitempty"`
	VaultAWSIAMServerID string          `json:"vaultAwsIamServerID,omitempty"`
	SecretRef           *IAMSecretRef   `json:"secretRef,omitempty"`
	JWTAuth             *IAMServiceAuth `json:"jwt,omitempty"`
}

// IAMSecretRef names static AWS credentials.
type IAMSecretRef struct {
	AccessKeyID     SecretKeySelector  `json:"accessKeyIDSecretRef,omitzero"`
	SecretAccessKey SecretKeySelector  `json:"secretAccessKeySecretRef,omitzero"`
	SessionToken    *SecretKeySelector `json:"sessionTokenSecretRef,omitempty"`
}

// IAMServiceAuth names a ServiceAccount with an AWS role.
type IAMServiceAuth struct {
	ServiceAccountRef *ServiceAccountSelector `json:"serviceAccountRef,omitempty"`
}

// GCPAuth is accepted and refused with a clear error.
type GCPAuth struct {
	// +kubebuilder:default=gcp
	Path              string                  `json:"path,omitempty"`
	Role              string                  `json:"role"`
	ProjectID         string                  `json:"projectID,omitempty"`
	Location          string                  `json:"location,omitempty"`
	SecretRef         *GCPSecretRef           `json:"secretRef,omitempty"`
	WorkloadIdentity  *GCPWorkloadIdentity    `json:"workloadIdentity,omitempty"`
	ServiceAccountRef *ServiceAccountSelector `json:"serviceAccountRef,omitempty"`
}

// GCPSecretRef names a service account key.
type GCPSecretRef struct {
	SecretAccessKey SecretKeySelector `json:"secretAccessKeySecretRef,omitzero"`
}

// GCPWorkloadIdentity names a ServiceAccount bound to a Google one.
type GCPWorkloadIdentity struct {
	ServiceAccountRef ServiceAccountSelector `json:"serviceAccountRef"`
	ClusterLocation   string                 `json:"clusterLocation,omitempty"`
	ClusterName       string                 `json:"clusterName,omitempty"`
	ClusterProjectID  string                 `json:"clusterProjectID,omitempty"`
}
