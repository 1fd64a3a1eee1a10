package eso

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
