package eso

// Kinds and group.
const (
	Group                  = "external-secrets.io"
	KindExternalSecret     = "ExternalSecret"
	KindSecretStore        = "SecretStore"
	KindClusterSecretStore = "ClusterSecretStore"
)

// What ESO v2.9.0 writes on Secrets and ExternalSecrets; we write the same, so that
// either takes over from the other without a write.
const (
	// LabelManaged is "true" on every Secret that a mapping writes.
	LabelManaged = "reconcile.external-secrets.io/managed"
	// LabelCreatedBy holds CreatedBy; creation policy Owner only.
	LabelCreatedBy = "reconcile.external-secrets.io/created-by"
	// AnnotationDataHash holds DataHash of the Secret's whole data.
	AnnotationDataHash = "reconcile.external-secrets.io/data-hash"
	// AnnotationForceSync is what people and Argo CD set to ask for a sync; any
	// change of any label or annotation does the same.
	AnnotationForceSync = "force-sync"
	// FinalizerExternalSecret is ESO's on every ExternalSecret since 0.20. We never
	// add it and remove it when the object is being deleted.
	FinalizerExternalSecret = "externalsecrets.external-secrets.io/externalsecret-cleanup"
	// FinalizerStore is ESO's on stores that PushSecrets use.
	FinalizerStore = "secretstore.externalsecrets.io/finalizer"
	// AnnotationSource names the Vault paths and versions a Secret was made of. It
	// is ours: ESO has nothing like it.
	AnnotationSource = "vaultsecret.io/source"
	// AnnotationLastApplied is kubectl's.
	AnnotationLastApplied = "kubectl.kubernetes.io/last-applied-configuration"
)

// ConditionReady is the only condition type ever written.
const ConditionReady = "Ready"

// Reasons and messages of an ExternalSecret's Ready condition (ESO v2.9.0).
const (
	ReasonSynced    = "SecretSynced"
	ReasonSyncError = "SecretSyncedError"
	ReasonDeleted   = "SecretDeleted"
	ReasonMissing   = "SecretMissing"

	MessageSynced      = "secret synced"
	MessageRetained    = "secret retained due to DeletionPolicy=Retain"
	MessageDeleted     = "secret deleted due to DeletionPolicy=Delete"
	MessageMissing     = "secret will not be created due to CreationPolicy=Merge"
	MessageGetFailed   = "could not get secret data from provider"
	MessageWriteFailed = "could not update secret"
	MessageImmutable   = "could not update secret, target is immutable"
	MessageOwnership   = "failed to take ownership of target secret"
	MessageOwned       = "target is owned by another ExternalSecret"
	MessageNotDeleted  = "could not delete secret"
	MessageOrphans     = "could not delete orphaned secrets"
	MessageManifest    = "invalid generic target"
	// MessageInvalid is ours: ESO's admission webhook refuses what we refuse here.
	MessageInvalid = "invalid ExternalSecret"
)

// Reasons and messages of a store's Ready condition (ESO v2.9.0).
const (
	ReasonValid                 = "Valid"
	ReasonInvalidProviderConfig = "InvalidProviderConfig"

	MessageValid        = "store validated"
	MessageNoClient     = "unable to create client"
	MessageNotValidated = "unable to validate store"
	CapabilitiesVault   = "ReadWrite"
)

// Reasons of events on ExternalSecrets (ESO v2.9.0).
const (
	EventCreated         = "Created"
	EventUpdated         = "Updated"
	EventDeleted         = "Deleted"
	EventMissingProvider = "MissingProviderSecret"
	EventUpdateFailed    = "UpdateFailed"
)

// Reasons of events that are ours: on an ExternalSecret, and the first one also on the
// workload.
const (
	EventRestarted      = "Restarted"
	EventRestartFailed  = "RestartFailed"
	EventRestartHeld    = "RestartHeld"
	EventRestartRefused = "RestartRefused"
	// EventAnotherController: two controllers sync the same mappings.
	EventAnotherController = "AnotherController"
)
