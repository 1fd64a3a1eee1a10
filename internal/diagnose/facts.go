package diagnose

import (
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// Facts is all that is known about one mapping and what it depends on.
type Facts struct {
	// Now is the time of looking.
	Now             time.Time
	Namespace, Name string
	Cluster         Cluster
	// Mapping is nil when the API server said that there is none.
	Mapping Fact[*eso.ExternalSecret]
	// NamespaceExists is false when the mapping's namespace is not there.
	NamespaceExists Fact[bool]
	// OtherMappings are names of mappings in the namespace, for near misses.
	OtherMappings []string
	Events        Fact[[]Event]
	// Target is nil when there is no such Secret.
	Target Fact[*Target]
	Stores []*Store
	Paths  []*Path
	// Render is the cause when the values that Vault holds cannot be made into the
	// Secret, "" when they can.
	Render Fact[string]
	Drift  Fact[Drift]
	// Consumers are the workloads that use the Secret.
	Consumers Fact[[]Workload]
}

// Cluster is what is known of the Kubernetes cluster.
type Cluster struct {
	// Unreachable is why the API server does not answer, "" when it does; Version
	// is its version then.
	Unreachable, Version string
	// Server is the address of the API server.
	Server string
	// Served maps a plural of external-secrets.io to its served versions; a missing
	// plural has no CRD.
	Served      Fact[map[string][]string]
	Controllers Fact[[]Controller]
	// Denied lists what the caller may not do, e.g. "get secrets in apps".
	Denied []string
}

// Controller is a Deployment that would act on mappings.
type Controller struct {
	// Kind is "vaultsecret" or "external-secrets".
	Kind string
	// Namespace and Name of the Deployment.
	Namespace, Name string
	Class           string
	// Only is the one namespace it serves, "" for all.
	Only string
	// Ready counts its ready replicas, Wanted those that are asked for.
	Ready, Wanted int32
}

// Event is one event on the mapping or on its store.
type Event struct {
	Warning         bool
	Reason, Message string
	Count           int32
	Last            time.Time
	// Source is the component that wrote it.
	Source string
}

// Target is what is known of the target Secret; names of keys only.
type Target struct {
	Type      string
	Immutable bool
	Deleting  bool
	// OwnerGroup, OwnerKind and OwnerName are the controlling owner's.
	OwnerGroup, OwnerKind, OwnerName string
	Keys                             []string
	// Source is the annotation that says what the Secret was made of.
	Source string
	// Changed is when the mapping's field manager last wrote data; zero if never seen.
	Changed time.Time
}

// Store is what is known of one store that the mapping names.
type Store struct {
	Ref eso.StoreRef
	// Object is nil when there is no such store.
	Object Fact[*eso.Store]
	// OtherKind is set when the other kind has a store of that name.
	OtherKind bool
	// Others are names of stores of the same kind that the mapping could use.
	Others          []string
	NamespaceLabels Fact[map[string]string]
	References      []Reference
	Vault           Vault
	Login           Login
	Events          Fact[[]Event]
}

// Reference is an object that the store names, as found.
type Reference struct {
	eso.Reference
	// In is the namespace in which it was looked up.
	In     string
	Exists Fact[bool]
	// Keys are the names of keys of the object.
	Keys []string
	// Printable is false when the value under Key holds a newline or another
	// character that no credential has; nil when not looked at.
	Flaw string
}

// Vault is what is known of the server behind a store.
type Vault struct {
	// Address is the store's server, or what the caller put in its place.
	Address string
	// Via says how it is reached from here, e.g. "port-forward to vault-0".
	Via string
	// Connect is why no connection comes about, "" when it does.
	Connect Fact[string]
	TLS     Fact[TLS]
	Seal    Fact[Seal]
	// Pods are the servers behind the address, where they can be seen.
	Pods Fact[[]VaultPod]
	// Skew is how far Vault's clock is ahead of this one's.
	Skew Fact[time.Duration]
}

// TLS is what came of the handshake.
type TLS struct {
	// Plain is set for http.
	Plain bool
	// Refused is why the certificate is not trusted, "" when it is.
	Refused string
	// Kind of refusal: "authority", "name", "expired", "other".
	Kind     string
	NotAfter time.Time
	// Names that the certificate is for.
	Names []string
}

// Seal is the answer of sys/seal-status and sys/health.
type Seal struct {
	Initialized, Sealed bool
	Progress, Threshold int
	Version             string
	// Type is "shamir" or the kind of auto-unseal.
	Type    string
	Standby bool
	// Stuck is why this standby cannot pass requests on to an active server, "" when
	// it can or is active itself.
	Stuck string
	// Community says that this edition has no Vault namespaces; nil when it does not
	// tell which it is.
	Community *bool
}

// VaultPod is one server behind the address.
type VaultPod struct {
	Namespace, Name string
	Ready           bool
	Seal            Fact[Seal]
}

// Login is what came of logging in with the store's own credential.
type Login struct {
	// Method is the field name of the login method, e.g. "appRole".
	Method string
	Result Fact[LoginResult]
	Token  Fact[Token]
}

// LoginResult is the answer to the login, or to the first use of a token.
type LoginResult struct {
	// Refused is why, "" when it worked.
	Refused string
	// Field of the store to mend, as in kv.Error.
	Field string
	Code  int
	// Blind: Vault takes the token for one of its own, and its policies do not let it
	// look itself up. So what it is is not known, only that it is no root token.
	Blind bool
}

// Token is what Vault says of the token in use.
type Token struct {
	Policies  []string
	Root      bool
	Renewable bool
	// Expires is false for tokens without an end.
	Expires bool
	TTL     time.Duration
	// Created by a login that can be repeated, rather than a stored token.
	FromLogin bool
	// Uses left; 0 is no limit.
	Uses int
}

// Path is what is known of one path (and version) that entries of the mapping read.
type Path struct {
	// Store is the store that is read from; an element of Facts.Stores.
	Store *Store
	Ref   kv.Ref
	// Data is the request path of the data below /v1/, Metadata the metadata's.
	Data, Metadata string
	// Mount as the store or the key says it.
	Mount string
	// Folder is set for a find entry: Data is empty then.
	Find bool
	// Name is the path below the mount.
	Name    string
	Entries []Entry
	Engine  Fact[Engine]
	// Mounts are the KV mounts that the token may see.
	Mounts           []string
	Capabilities     Fact[[]string]
	MetaCapabilities Fact[[]string]
	Read             Fact[Read]
	// Siblings are names beside the path, where the token may list them.
	Siblings []string
	// Matches counts what a find entry selects.
	Matches Fact[int]
}

// Engine is what is mounted at a path.
type Engine struct {
	// Missing is proven: there is nothing there.
	Missing bool
	// Hidden: Vault refuses to say, which it does for missing mounts and for those
	// under which the token may do nothing.
	Hidden bool
	Type   string
	// Version of KV.
	Version int
}

// Read is the answer to a read, without values.
type Read struct {
	// Kind is "" when a payload came, else the kind of the answer.
	Kind kv.Kind
	Code int
	// Detail is the cause in plain words.
	Detail string
	// Deleted and Destroyed say what became of the version.
	Deleted, Destroyed bool
	// Version that was read.
	Version int
	// Keys are the names of the payload's fields.
	Keys []string
}

// Entry is one entry of the mapping that reads a path.
type Entry struct {
	// Field is its path, e.g. "spec.data[0].remoteRef".
	Field     string
	SecretKey string
	Property  string
	// Found says whether the property is there; known when the path was read.
	Found Fact[bool]
	// Flaw is why the value cannot be used (decoding), "" when it can.
	Flaw string
}

// Drift is how the Secret differs from what Vault holds; names of keys.
type Drift struct {
	Added, Changed, Removed []string
	// Refused is why what Vault holds cannot be written, "" when it can.
	Refused string
}

// Workload is a consumer of the Secret.
type Workload struct {
	Kind, Name string
	// Env is set when it reads the Secret by environment variables.
	Env bool
	// Started is when its oldest Pod started.
	Started time.Time
}
