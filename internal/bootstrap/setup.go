package bootstrap

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// The ways in which a store may log in that setup knows.
const (
	MethodAppRole    = "approle"
	MethodKubernetes = "kubernetes"
	MethodToken      = "token"
)

// Methods lists them; the first is the default.
func Methods() []string { return []string{MethodAppRole, MethodKubernetes, MethodToken} }

// NoAudit as Setup.AuditFile asks for no audit device.
const NoAudit = "none"

// Place names an object of a namespace; "" for what is cluster-wide.
type Place struct{ Namespace, Name string }

func (p Place) String() string { return p.Namespace + "/" + p.Name }

// Setup says what is wanted: a store that reads Vault with no more rights than its
// mappings need.
type Setup struct {
	// Kind is SecretStore or ClusterSecretStore; Store has no namespace for the latter.
	Kind  string
	Store Place
	// Method is one of Methods.
	Method string
	// Mount is the KV mount that has to exist; "" for a store whose keys start with it.
	Mount string
	// Paths are allowed beside those of the mappings, relative to Mount; a trailing /*
	// stands for everything below. nil keeps those of the policy as it is.
	Paths []string
	// Policy, AuthPath and Role are names in Vault; Role is unused for tokens.
	Policy, AuthPath, Role string
	// Secret gets the credential, Account logs in by the kubernetes method.
	Secret, Account Place
	// AuditFile is what the audit device writes to: a path on Vault's servers, "stdout",
	// or NoAudit.
	AuditFile string
	// Server and CA go into a store that does not exist yet.
	Server string
	CA     []byte
	// VaultNamespace is the Vault Enterprise namespace of the store, "" for none.
	VaultNamespace string
	// KubernetesHost is the Kubernetes API as Vault reaches it, with KubernetesCA; ""
	// is for a Vault that runs in this cluster, which finds both by itself.
	KubernetesHost string
	KubernetesCA   []byte
	Tokens         vault.TokenSettings
	// SecretIDTTL of 0 never ends. Period is that of a token.
	SecretIDTTL, Period time.Duration
	SecretIDCIDRs       []string
	// Defaulted names the settings that nobody gave: what is there already keeps its own.
	Defaulted map[Setting]bool
	// Rotate replaces the credential although it serves.
	Rotate bool
	// Metadata lets the policy read the metadata of what it reads, in KV v2.
	Metadata bool
	// AssumeUnused removes although not all stores can be seen.
	AssumeUnused bool
	// Cluster tells this cluster from others that use the same Vault: the UID of
	// namespace kube-system, "" when that cannot be read.
	Cluster string
}

// Setting names a setting by its flag.
type Setting string

// The settings that stay as they are when nobody gives them.
const (
	TokenTTL       Setting = "token-ttl"
	TokenMaxTTL    Setting = "token-max-ttl"
	TokenCIDRs     Setting = "token-bound-cidrs"
	SecretIDTTL    Setting = "secret-id-ttl"
	SecretIDCIDRs  Setting = "secret-id-bound-cidrs"
	KubernetesHost Setting = "kubernetes-host"
	WithMetadata   Setting = "with-metadata"
)

// keeping fills the settings that nobody gave from what is there.
func (s Setup) keeping(f Facts) Setup {
	keep := func(setting Setting, do func()) {
		if s.Defaulted[setting] {
			do()
		}
	}
	if have := f.roleSettings(); have != nil && s.ourRole(*have) {
		keep(TokenTTL, func() { s.Tokens.TTL = have.TTL })
		keep(TokenMaxTTL, func() { s.Tokens.MaxTTL = have.MaxTTL })
		keep(TokenCIDRs, func() { s.Tokens.BoundCIDRs = have.BoundCIDRs })
	}
	if r := f.AppRole; r != nil && s.ourRole(r.TokenSettings) {
		keep(SecretIDTTL, func() { s.SecretIDTTL = r.SecretIDTTL })
		keep(SecretIDCIDRs, func() { s.SecretIDCIDRs = r.SecretIDBoundCIDRs })
	}
	if owner, ours := readPolicy(f.Policy); ours {
		keep(WithMetadata, func() { s.Metadata = owner.metadata })
	}
	if c := f.KubernetesConfig; c != nil {
		keep(KubernetesHost, func() {
			s.KubernetesHost, s.KubernetesCA = "", nil
			if !c.OwnPod {
				s.KubernetesHost, s.KubernetesCA = c.Host, []byte(c.CA)
			}
		})
	}
	return s
}

// StoreName is "ClusterSecretStore/vault", or "SecretStore/apps/vault".
func (s Setup) StoreName() string {
	return eso.Store{Kind: s.Kind, Meta: storeMeta(s)}.String()
}

// DefaultName is how setup names what it makes for a store.
func DefaultName(kind string, store Place) string {
	if kind == eso.KindClusterSecretStore {
		return "vaultsecret-" + store.Name
	}
	return "vaultsecret-" + store.Namespace + "-" + store.Name
}

// DefaultSecret is the name of the credential's Secret. A store that goes from one method
// to the other keeps the old Secret until it has changed.
func DefaultSecret(kind string, store Place, method string) string {
	if method == MethodToken {
		return DefaultName(kind, store) + "-token"
	}
	return DefaultName(kind, store)
}

// Check looks at what is wanted before anybody is asked. Its errors name the flag.
func (s Setup) Check() error {
	if !slices.Contains(Methods(), s.Method) {
		return fmt.Errorf("--auth=%s: want %s", s.Method, strings.Join(Methods(), ", "))
	}
	for _, n := range []struct{ flag, name string }{
		{"--policy-name", s.Policy},
		{"--role", s.Role},
		{"--auth-path", s.AuthPath},
		{"--mount", s.Mount},
	} {
		if n.name != "" && !plainPath(n.name) {
			return fmt.Errorf("%s=%s: want letters, digits, and - _ . / between them", n.flag, n.name)
		}
	}
	if s.Policy == "root" || s.Policy == "default" {
		return fmt.Errorf("--policy-name=%s: that policy is Vault's own", s.Policy)
	}
	for _, n := range []struct{ what, name string }{
		{"the store's name", s.Store.Name},
		{"--secret-name", s.Secret.Name},
		{"--service-account", s.Account.Name},
	} {
		if problems := validation.IsDNS1123Subdomain(n.name); len(problems) > 0 {
			return fmt.Errorf("%s %q: %s", n.what, n.name, problems[0])
		}
	}
	if problems := validation.IsDNS1123Label(s.Secret.Namespace); len(problems) > 0 {
		return fmt.Errorf("--secret-namespace %q: %s", s.Secret.Namespace, problems[0])
	}
	return s.checkValues()
}

func (s Setup) checkValues() error {
	for _, p := range s.Paths {
		if p == "" || vault.Traverses(p) || !quotable(p) || strings.ContainsAny(p, ", ") {
			return fmt.Errorf("--path=%q: want a path below the mount, such as app/db or app/*", p)
		}
		if i := strings.Index(p, "*"); i >= 0 && (i != len(p)-1 || i > 0 && p[i-1] != '/') {
			return fmt.Errorf("--path=%q: * stands at the end and for everything below a folder, such as app/*", p)
		}
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
		zero  bool
	}{
		{"--token-ttl", s.Tokens.TTL, false},
		{"--token-max-ttl", s.Tokens.MaxTTL, true},
		{"--secret-id-ttl", s.SecretIDTTL, true},
		{"--token-period", s.Period, false},
	} {
		if d.value < 0 || !d.zero && d.value == 0 || d.value%time.Second != 0 {
			return fmt.Errorf("%s=%s: want whole seconds, more than none", d.flag, d.value)
		}
	}
	if s.Tokens.MaxTTL > 0 && s.Tokens.MaxTTL < s.Tokens.TTL {
		return fmt.Errorf("--token-max-ttl=%s is less than --token-ttl=%s", s.Tokens.MaxTTL, s.Tokens.TTL)
	}
	if f := s.AuditFile; f != NoAudit && f != "stdout" && (!strings.HasPrefix(f, "/") || !quotable(f)) {
		return fmt.Errorf("--audit-file=%q: want stdout, an absolute path on Vault's servers, or %s", f, NoAudit)
	}
	return nil
}

// bound reports whether the login is taken from certain networks only, which are not
// those of the person who runs setup.
func (s Setup) bound() bool { return len(s.SecretIDCIDRs)+len(s.Tokens.BoundCIDRs) > 0 }

// plainPath takes names that need no quoting anywhere.
func plainPath(name string) bool {
	for _, part := range strings.Split(name, "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") == ""
}
