package eso

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Provider holds the one provider of a store. Providers other than vault are kept
// as they are and never looked into.
type Provider struct {
	Vault *VaultProvider `json:"vault,omitempty"`

	// Other holds providers other than vault, by name, as they were read.
	Other map[string]json.RawMessage `json:"-"`
}

// Others returns the names of providers other than vault, sorted.
func (p Provider) Others() []string { return slices.Sorted(maps.Keys(p.Other)) }

// UnmarshalJSON decodes vault and keeps the rest verbatim.
func (p *Provider) UnmarshalJSON(raw []byte) error {
	*p = Provider{}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return fmt.Errorf("decoding provider: %w", err)
	}
	if v, ok := all["vault"]; ok && string(v) != "null" {
		p.Vault = new(VaultProvider)
		if err := json.Unmarshal(v, p.Vault); err != nil {
			return fmt.Errorf("decoding provider.vault: %w", err)
		}
	}
	delete(all, "vault")
	if len(all) > 0 {
		p.Other = all
	}
	return nil
}

// MarshalJSON writes what UnmarshalJSON read.
func (p Provider) MarshalJSON() ([]byte, error) {
	all := make(map[string]any, len(p.Other)+1)
	for name, raw := range p.Other {
		all[name] = raw
	}
	if p.Vault != nil {
		all["vault"] = p.Vault
	}
	return json.Marshal(all)
}

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
	ClientTLS ClientTLS `json:"tls,omitempty"`
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
	SecretRef SecretKeySelector `json:"secretRef,omitempty"`
}

// UserPassAuth logs in with user name and password at a userpass mount.
type UserPassAuth struct {
	// +kubebuilder:default=userpass
	Path      string            `json:"path"`
	Username  string            `json:"username"`
	SecretRef SecretKeySelector `json:"secretRef,omitempty"`
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
	ClientCert SecretKeySelector `json:"clientCert,omitempty"`
	// The private key.
	SecretRef SecretKeySelector `json:"secretRef,omitempty"`
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
	AccessKeyID     SecretKeySelector  `json:"accessKeyIDSecretRef,omitempty"`
	SecretAccessKey SecretKeySelector  `json:"secretAccessKeySecretRef,omitempty"`
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
	SecretAccessKey SecretKeySelector `json:"secretAccessKeySecretRef,omitempty"`
}

// GCPWorkloadIdentity names a ServiceAccount bound to a Google one.
type GCPWorkloadIdentity struct {
	ServiceAccountRef ServiceAccountSelector `json:"serviceAccountRef"`
	ClusterLocation   string                 `json:"clusterLocation,omitempty"`
	ClusterName       string                 `json:"clusterName,omitempty"`
	ClusterProjectID  string                 `json:"clusterProjectID,omitempty"`
}
