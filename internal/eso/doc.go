// Package eso holds the API that people already commit to Git: group
// external-secrets.io, kinds ExternalSecret, SecretStore and
// ClusterSecretStore, for provider vault.
//
// One Go type per kind serves both v1 (stored) and v1beta1 (served); the CRDs in
// manifests/crds are generated from here. The package also holds what External
// Secrets Operator (ESO) v2.9.0 writes on the wire (labels, annotations, hashes,
// field managers, condition texts), so that taking over from it is silent.
//
// Rules: whatever the CRD schema admits decodes (a bad duration fails one
// mapping, never a list); no defaults are injected by decoding, the effective
// values are methods; nothing here imports client-go.
//
// +kubebuilder:object:generate=true
// +groupName=external-secrets.io
package eso
