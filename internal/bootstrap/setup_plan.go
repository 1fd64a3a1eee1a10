package bootstrap

import (
	"fmt"
	"slices"
	"strings"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// ConflictError says that something of the wanted name is somebody else's. Setup never
// takes over what it did not make.
type ConflictError struct{ What, Fix string }

func (e *ConflictError) Error() string { return e.What }

// PlanSetup decides what to do. It asks nobody: the same facts give the same plan, and
// the facts after a plan was carried out give an empty one.
func PlanSetup(s Setup, f Facts) (Plan, error) {
	s = s.keeping(f)
	p := Plan{Setup: s}
	for _, part := range []func(*Plan, Setup, *Facts) error{
		planMount, planAudit, planPolicy, planAuth, planRole, planAccount, planCredential, planStore,
	} {
		if err := part(&p, s, &f); err != nil {
			return Plan{}, err
		}
	}
	planOld(&p, s, f)
	switch {
	case p.Empty() && f.Refused == "":
	case s.bound():
		p.notice("the login is bound to networks, so it is not tried out from here")
	default:
		p.verify(f)
	}
	return p, nil
}

// verify puts the check of the new credential before the store.
func (p *Plan) verify(f Facts) {
	paths := map[string]bool{}
	for _, w := range f.Wants {
		paths[fmt.Sprint(w.Ref.Key, w.Ref.Metadata, w.Find)] = true
	}
	target := "log in"
	if len(paths) > 0 {
		target = fmt.Sprintf("log in and read %s as the store will", count(len(paths), "path"))
	}
	i := slices.IndexFunc(p.Steps, func(s Step) bool { return s.Part == PartStore })
	p.Steps = slices.Insert(p.Steps, i, Step{Part: PartVerify, Action: Check, Target: target})
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// kvVersion is the version of the store's mount: that of the store, 2 for a new one.
func (f *Facts) kvVersion() int {
	if f.Store != nil {
		return f.Store.Spec.Provider.Vault.KVVersion()
	}
	return 2
}

func planMount(p *Plan, s Setup, f *Facts) error {
	if s.Mount == "" {
		return nil // the store's keys start with their mounts
	}
	m, exists := f.Mounts[s.Mount]
	version := f.kvVersion()
	step := Step{Part: PartMount, Action: Keep, Target: fmt.Sprintf("KV v%d mount %s/", version, s.Mount)}
	switch {
	case exists && !m.KV():
		return &ConflictError{
			What: fmt.Sprintf("the mount %s/ is of type %s, not kv", s.Mount, m.Type),
			Fix:  "name a KV mount with --mount",
		}
	case exists && m.Version != version && f.Store != nil:
		return &ConflictError{
			What: fmt.Sprintf("the mount %s/ is KV v%d, and %s says v%d", s.Mount, m.Version, s.StoreName(), version),
			Fix:  fmt.Sprintf("set spec.provider.vault.version: v%d in the store", m.Version),
		}
	case exists && m.Version != version:
		return &ConflictError{
			What: fmt.Sprintf("the mount %s/ is KV v1, and a new store needs v2", s.Mount),
			Fix:  "name another mount with --mount, or make it versioned: vault kv enable-versioning " + s.Mount + "/",
		}
	case !exists && version == 1:
		return &ConflictError{
			What: fmt.Sprintf("%s wants the KV v1 mount %s/, which does not exist", s.StoreName(), s.Mount),
			Fix:  "make it yourself, for setup makes v2 only: vault secrets enable -path=" + s.Mount + " -version=1 kv",
		}
	case !exists:
		step.Action = Create
		mounts := map[string]vault.MountInfo{s.Mount: {Mount: vault.Mount{Path: s.Mount, Type: "kv", Version: 2}}}
		for path, other := range f.Mounts {
			mounts[path] = other
		}
		f.Mounts = mounts
	}
	p.add(step)
	return nil
}

// planAudit wants one audit device of any kind. Setup goes on without one: what cannot
// be had or asked is a notice.
func planAudit(p *Plan, s Setup, f *Facts) error {
	switch {
	case len(f.Audit) > 0:
		d := f.Audit[0]
		p.add(Step{Part: PartAudit, Action: Keep, Target: fmt.Sprintf("audit device %s/ (%s)", d.Path, d.Type)})
	case s.AuditFile == NoAudit:
		if f.AuditUnknown == "" {
			p.notice("no audit device is enabled: nobody can tell who read what")
		}
	case f.AuditUnknown != "":
		p.notice("whether an audit device is enabled is not known: " + f.AuditUnknown)
	default:
		p.add(Step{Part: PartAudit, Action: Create, Target: "audit device file/", Why: "writes to " + s.AuditFile})
	}
	return nil
}

func planPolicy(p *Plan, s Setup, f *Facts) error {
	owner, ours := readPolicy(f.Policy)
	m := madeFor{store: s.StoreName(), cluster: s.Cluster, further: s.Paths, metadata: s.Metadata && f.kvVersion() == 2}
	switch {
	case f.PolicyFound && !ours:
		return &ConflictError{
			What: fmt.Sprintf("there is a policy %s, and setup did not make it", s.Policy),
			Fix:  "choose another name with --policy-name",
		}
	case f.PolicyFound && !owner.sameOwner(m):
		return &ConflictError{
			What: fmt.Sprintf("the policy %s was made for %s%s%s", s.Policy, owner.store, policyCluster, owner.cluster),
			Fix:  "choose another name with --policy-name and --role",
		}
	case s.Paths == nil:
		m.further = owner.further
	}
	if m.cluster == "" {
		m.cluster = owner.cluster
	}
	var left []string
	p.Rules, left = Rules(s.Mount, f.kvVersion(), f.Wants, Further{Paths: m.further, Metadata: m.metadata}, f.Mounts)
	p.policy = policyText(m, p.Rules)
	p.Notices = append(p.Notices, left...)
	switch {
	case s.Metadata && !m.metadata:
		p.notice("--with-metadata has no use here: KV v1 keeps no metadata")
	case s.Metadata && s.Defaulted[WithMetadata]:
		p.notice("reading metadata stays allowed, as an earlier run was told; --with-metadata=false takes it away")
	}
	if len(p.Rules) == 0 {
		p.notice("no ExternalSecret reads from the store yet, so its policy allows nothing: name paths beforehand with --path, or run setup again afterwards")
	}
	step := Step{Part: PartPolicy, Action: Keep, Target: "policy " + s.Policy}
	switch {
	case !f.PolicyFound:
		step.Action = Create
	case f.Policy != p.policy:
		step.Action = Update
	}
	step.Diff = policyDiff(f.Policy, p.policy, p.Rules)
	if step.Action == Update && len(step.Diff) == 0 {
		step.Why = "its comments change"
	}
	p.add(step)
	return nil
}

func planAuth(p *Plan, s Setup, f *Facts) error {
	if s.Method == MethodToken {
		return nil
	}
	m, exists := f.Auth[s.AuthPath]
	step := Step{Part: PartAuth, Action: Keep, Target: fmt.Sprintf("auth method %s/", s.AuthPath)}
	switch {
	case exists && m.Type != s.Method:
		return &ConflictError{
			What: fmt.Sprintf("the auth method at %s/ is of type %s, not %s", s.AuthPath, m.Type, s.Method),
			Fix:  "name another path with --auth-path",
		}
	case !exists:
		step.Action = Create
		if s.AuthPath != s.Method {
			step.Why = "of type " + s.Method
		}
	}
	p.add(step)
	if s.Method == MethodKubernetes {
		planAuthConfig(p, s, f, !exists || m.Description == madeBySetup)
	}
	return nil
}

// planAuthConfig configures a Kubernetes method that has no configuration, or that is
// setup's own; somebody else's is used as it is.
func planAuthConfig(p *Plan, s Setup, f *Facts, ours bool) {
	step := Step{Part: PartAuthConfig, Action: Keep, Target: fmt.Sprintf("configuration of %s/", s.AuthPath)}
	want := s.kubernetesConfig()
	switch have := f.KubernetesConfig; {
	case have == nil:
		step.Action = Create
		step.Why = "tokens are reviewed at " + want.Host
	case ours && (have.Host != want.Host || strings.TrimSpace(have.CA) != strings.TrimSpace(want.CA) || have.OwnPod != want.OwnPod):
		step.Action = Update
		step.Diff = changes(
			change{"kubernetes_host", have.Host, want.Host},
			change{"kubernetes_ca_cert", certificate(have.CA), certificate(want.CA)},
			change{"disable_local_ca_jwt", fmt.Sprint(!have.OwnPod), fmt.Sprint(!want.OwnPod)},
		)
	}
	p.add(step)
}

func certificate(pem string) string {
	if pem == "" {
		return "that of Vault's own Pod"
	}
	return count(strings.Count(pem, "-----BEGIN"), "certificate")
}

// kubernetesConfig is the configuration of the method. A Vault in this cluster finds the
// API and a reviewer's token in its own Pod. Any other is told where the API is, and
// reviews each login with the token that logs in.
func (s Setup) kubernetesConfig() vault.KubernetesConfig {
	if s.KubernetesHost == "" {
		return vault.KubernetesConfig{Host: "https://kubernetes.default.svc", OwnPod: true}
	}
	return vault.KubernetesConfig{Host: s.KubernetesHost, CA: string(s.KubernetesCA)}
}

// selfReview reports whether tokens that log in review themselves, for which their
// ServiceAccount needs a right and they need the API's own audience.
func (s Setup) selfReview(f *Facts) bool {
	if c := f.KubernetesConfig; c != nil {
		return !c.OwnPod && !c.HasReviewer
	}
	return s.KubernetesHost != ""
}

// storeRef is how mappings name the store.
func (s Setup) storeRef() eso.StoreRef { return eso.StoreRef{Kind: s.Kind, Name: s.Store.Name} }
