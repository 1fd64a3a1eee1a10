package eso

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// SecretStore says how to reach a Vault, for one namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,categories={external-secrets},shortName=ss
// +kubebuilder:metadata:labels="external-secrets.io/component=controller"
// +kubebuilder:printcolumn:name="AGE",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Capabilities",type=string,JSONPath=`.status.capabilities`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
type SecretStore struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   StoreSpec   `json:"spec,omitempty"`
	Status StoreStatus `json:"status,omitzero"`
}

// SecretStoreList is a list of SecretStores.
//
// +kubebuilder:object:root=true
type SecretStoreList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SecretStore `json:"items"`
}

// ClusterSecretStore says how to reach a Vault, for every namespace that its
// conditions admit.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,categories={external-secrets},shortName=css
// +kubebuilder:metadata:labels="external-secrets.io/component=controller"
// +kubebuilder:printcolumn:name="AGE",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Capabilities",type=string,JSONPath=`.status.capabilities`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
type ClusterSecretStore struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   StoreSpec   `json:"spec,omitempty"`
	Status StoreStatus `json:"status,omitzero"`
}

// ClusterSecretStoreList is a list of ClusterSecretStores.
//
// +kubebuilder:object:root=true
type ClusterSecretStoreList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ClusterSecretStore `json:"items"`
}

// StoreSpec is the same for both kinds of store.
type StoreSpec struct {
	// Class of the controller that serves the store; empty is served by every one.
	Controller string `json:"controller,omitempty"`
	// Exactly one provider; only vault is served here.
	Provider Provider `json:"provider"`
	// How failed requests are repeated.
	RetrySettings *RetrySettings `json:"retrySettings,omitempty"`
	// Time between two validations: seconds, or a Go duration.
	RefreshInterval *Duration `json:"refreshInterval,omitempty"`
	// Namespaces that may use a ClusterSecretStore; all when empty. Ignored on a
	// SecretStore.
	Conditions []StoreCondition `json:"conditions,omitempty"`
}

// StoreCondition admits the namespaces that any of its members selects.
type StoreCondition struct {
	// +structType=atomic
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespaces []string `json:"namespaces,omitempty"`
	// Unanchored RE2 expressions.
	NamespaceRegexes []string `json:"namespaceRegexes,omitempty"`
}

// RetrySettings override the client's retries.
type RetrySettings struct {
	MaxRetries *int32 `json:"maxRetries,omitempty"`
	// A Go duration.
	RetryInterval *string `json:"retryInterval,omitempty"`
}

// StoreStatus is what the controller reports of a store.
type StoreStatus struct {
	Conditions   []StoreStatusCondition `json:"conditions,omitempty"`
	Capabilities string                 `json:"capabilities,omitempty"`
}

// StoreStatusCondition is a Condition whose type is not restricted.
type StoreStatusCondition struct {
	Type    string                 `json:"type"`
	Status  metav1.ConditionStatus `json:"status"`
	Reason  string                 `json:"reason,omitempty"`
	Message string                 `json:"message,omitempty"`
	// When status last changed.
	LastTransitionTime metav1.Time `json:"lastTransitionTime,omitempty"`
}

// Store is the common view of SecretStore and ClusterSecretStore. Spec and Status
// point into the object.
type Store struct {
	Kind   string
	Meta   *metav1.ObjectMeta
	Spec   *StoreSpec
	Status *StoreStatus
}

// View returns the common view.
func (s *SecretStore) View() Store {
	return Store{Kind: KindSecretStore, Meta: &s.ObjectMeta, Spec: &s.Spec, Status: &s.Status}
}

// View returns the common view.
func (s *ClusterSecretStore) View() Store {
	return Store{Kind: KindClusterSecretStore, Meta: &s.ObjectMeta, Spec: &s.Spec, Status: &s.Status}
}

// Cluster reports whether the store is a ClusterSecretStore.
func (s Store) Cluster() bool { return s.Kind == KindClusterSecretStore }

// String is "ClusterSecretStore/vault", or "SecretStore/apps/vault".
func (s Store) String() string {
	if s.Cluster() {
		return s.Kind + "/" + s.Meta.Name
	}
	return s.Kind + "/" + s.Meta.Namespace + "/" + s.Meta.Name
}

// Served reports whether a controller of the given class serves the store: its
// class is empty or the same, and its provider is vault.
func (s Store) Served(class string) bool {
	return (s.Spec.Controller == "" || s.Spec.Controller == class) && s.Spec.Provider.Vault != nil
}
