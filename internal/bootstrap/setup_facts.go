package bootstrap

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// What setup writes on the Kubernetes objects that it makes.
const (
	// FieldManager owns what setup applies.
	FieldManager = "kubectl-vaultsecret"
	// LabelMadeBy is FieldManager on every object that setup made.
	LabelMadeBy = "app.kubernetes.io/managed-by"
	// AnnotationSetup names the store for which an object was made.
	AnnotationSetup = "vaultsecret.io/setup"
	// AnnotationAccessor is the accessor of the credential in a Secret. It names the
	// credential for those who may look it up or destroy it, and logs nobody in.
	AnnotationAccessor = "vaultsecret.io/accessor"
	// AnnotationPolicy and AnnotationRole (auth path and role, with a slash between) are
	// what belongs to the credential in Vault, so that a later run need not be told.
	AnnotationPolicy = "vaultsecret.io/policy"
	AnnotationRole   = "vaultsecret.io/role"
	// AnnotationReplaced is the accessor of a token that this one took the place of and
	// that still has to be revoked.
	AnnotationReplaced = "vaultsecret.io/replaced-accessor"
)

// madeBySetup is the description of mounts, auth methods and audit devices that setup
// made.
const madeBySetup = "made by kubectl vaultsecret setup"

// Object is what a Kubernetes object's metadata tell of it.
type Object struct {
	Exists bool
	// For is the store that setup made it for; "" when setup did not make it.
	For string
	// Accessor and Replaced are the annotations of a credential's Secret.
	Accessor, Replaced string
	// Filled says that the Secret has a value under the key.
	Filled bool
	// UID and ResourceVersion are the object as it was looked at.
	UID, ResourceVersion string
}

func objectOf(m metav1.ObjectMeta) Object {
	o := Object{Exists: true, UID: string(m.UID), ResourceVersion: m.ResourceVersion}
	if m.Labels[LabelMadeBy] == FieldManager {
		o.For = m.Annotations[AnnotationSetup]
	}
	o.Accessor, o.Replaced = m.Annotations[AnnotationAccessor], m.Annotations[AnnotationReplaced]
	return o
}

// Facts are what is known of Vault and of the cluster before a plan is made. All of it
// was read: what could not be read stopped the work, but for the audit devices.
type Facts struct {
	Now time.Time
	// Store is nil when there is none of the name; GitOwner is who keeps it.
	Store    *eso.Store
	GitOwner string
	// Login is what setup made that the store logs in by now; zero when it does not.
	Login Made
	// Others are the other stores that use Setup.Secret, or the store's present
	// credential.
	Others Sharers
	Wants  []Want

	Mounts, Auth map[string]vault.MountInfo
	// Audit is nil with AuditUnknown set when the token may not ask.
	Audit        []vault.AuditDevice
	AuditUnknown string

	Policy      string
	PolicyFound bool

	// Roles are all of the auth method; gathered for a removal only.
	Roles     []string
	AppRole   *vault.AppRole
	RoleID    string
	SecretIDs []vault.SecretID

	KubernetesConfig *vault.KubernetesConfig
	KubernetesRole   *vault.KubernetesRole
	// APIAudience is the audience that the Kubernetes API itself wants of tokens.
	APIAudience string

	// Token is what the credential of method token is, nil when it has ended.
	Token *vault.Token
	// Strays are the accessors of tokens that setup made for the store and its Secret does
	// not name; StraysUnknown says why they could not be looked for.
	Strays        []string
	StraysUnknown string

	Secret, Account, Binding Object
	// Refused says why Vault does not take the credential that is there; "" when it
	// does, or when there is none.
	Refused string
}

// Sharers are stores that refer to what setup makes or replaces.
type Sharers struct {
	// Secret lists the other stores that use Setup.Secret, Account likewise.
	Secret, Account []string
	// Old lists the other stores that use the Secret that the store uses now.
	Old []string
	// Role lists the stores, this one included, that log in by the role.
	Role []string
	// Unseen says what could not be listed; gathered for a removal only.
	Unseen []string
}

// Part is what a step is about. Steps come, and are done, in this order: whatever a
// store needs is there, and has been seen to work, before the store is touched.
type Part string

// The parts.
const (
	PartMount      Part = "mount"
	PartAudit      Part = "audit"
	PartPolicy     Part = "policy"
	PartAuth       Part = "auth"
	PartAuthConfig Part = "auth-config"
	PartRole       Part = "role"
	PartAccount    Part = "service-account"
	PartBinding    Part = "token-review"
	PartCredential Part = "credential"
	PartVerify     Part = "verify"
	PartStore      Part = "store"
	PartOld        Part = "old-credential"
)

// Action is what a step does.
type Action string

// The actions.
const (
	Create Action = "create"
	Update Action = "update"
	Delete Action = "delete"
	// Check changes nothing.
	Check Action = "check"
	// Keep says that all is as it should be.
	Keep Action = "none"
	// HandOver leaves a change to somebody else: the store is kept in Git.
	HandOver Action = "hand-over"
)

// Step is one step of a plan.
type Step struct {
	Part   Part
	Action Action
	// Target is what it is done to, e.g. "policy vaultsecret-vault".
	Target string
	// Why it is done, or what about it is worth knowing; may be empty.
	Why string
	// Renews says that a credential lives longer and is not replaced.
	Renews bool
	// Diff lists what changes, a line each, by name: never a value of a secret.
	Diff []string
}

// Plan is what setup will do.
type Plan struct {
	// Setup is what was wanted, with what is there already in the place of settings that
	// nobody gave.
	Setup Setup
	Steps []Step
	// Notices are what a person should know besides.
	Notices []string
	// Rules are what the policy allows.
	Rules []Rule

	policy string
}

// Empty reports whether there is nothing to do.
func (p Plan) Empty() bool {
	for _, s := range p.Steps {
		if s.Action != Keep {
			return false
		}
	}
	return true
}

// Step returns the step of a part; false when the plan has none.
func (p Plan) Step(part Part) (Step, bool) {
	for _, s := range p.Steps {
		if s.Part == part {
			return s, true
		}
	}
	return Step{}, false
}

func (p *Plan) add(s Step) { p.Steps = append(p.Steps, s) }

func (p *Plan) notice(text string) { p.Notices = append(p.Notices, text) }
