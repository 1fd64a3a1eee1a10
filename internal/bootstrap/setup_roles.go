package bootstrap

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// change is one setting before and after.
type change struct{ name, old, new string }

// changes lists the settings that differ.
func changes(all ...change) []string {
	var diff []string
	for _, c := range all {
		if c.old != c.new {
			diff = append(diff, fmt.Sprintf("%s: %s → %s", c.name, orNone(c.old), orNone(c.new)))
		}
	}
	return diff
}

func orNone(text string) string {
	if text == "" {
		return "(none)"
	}
	return text
}

// span is a duration without the parts that are none: 1h, not 1h0m0s.
func span(d time.Duration) string {
	text := d.Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func joined(set []string) string { return strings.Join(slices.Sorted(slices.Values(set)), ", ") }

func tokenChanges(have, want vault.TokenSettings) []change {
	return []change{
		{"token_policies", joined(have.Policies), joined(want.Policies)},
		{"token_ttl", span(have.TTL), span(want.TTL)},
		{"token_max_ttl", span(have.MaxTTL), span(want.MaxTTL)},
		{"token_bound_cidrs", joined(have.BoundCIDRs), joined(want.BoundCIDRs)},
	}
}

// appRole and kubernetesRole are the roles as they should be.
func (s Setup) appRole() vault.AppRole {
	r := vault.AppRole{TokenSettings: s.Tokens, SecretIDTTL: s.SecretIDTTL, SecretIDBoundCIDRs: s.SecretIDCIDRs}
	r.Policies = []string{s.Policy}
	return r
}

// storeAudience is what a token must be made for to log in by the role.
const storeAudience = "vault"

func (s Setup) kubernetesRole() vault.KubernetesRole {
	r := vault.KubernetesRole{
		TokenSettings: s.Tokens, Audience: storeAudience,
		ServiceAccounts: []string{s.Account.Name}, Namespaces: []string{s.Account.Namespace},
	}
	r.Policies = []string{s.Policy}
	return r
}

// ourRole reports whether a role gives the store's policy and no other: Vault keeps no
// note of who made a role.
func (s Setup) ourRole(settings vault.TokenSettings) bool {
	return slices.Equal(settings.Policies, []string{s.Policy})
}

func planRole(p *Plan, s Setup, f *Facts) error {
	if s.Method == MethodToken {
		return nil
	}
	step := Step{Part: PartRole, Action: Keep, Target: fmt.Sprintf("role auth/%s/role/%s", s.AuthPath, s.Role)}
	var have *vault.TokenSettings
	switch {
	case f.AppRole != nil:
		want := s.appRole()
		have = &f.AppRole.TokenSettings
		step.Diff = changes(append(
			tokenChanges(*have, want.TokenSettings),
			change{"secret_id_ttl", span(f.AppRole.SecretIDTTL), span(want.SecretIDTTL)},
			change{"secret_id_bound_cidrs", joined(f.AppRole.SecretIDBoundCIDRs), joined(want.SecretIDBoundCIDRs)},
		)...)
	case f.KubernetesRole != nil:
		want := s.kubernetesRole()
		have = &f.KubernetesRole.TokenSettings
		step.Diff = changes(append(
			tokenChanges(*have, want.TokenSettings),
			change{"bound_service_account_names", joined(f.KubernetesRole.ServiceAccounts), joined(want.ServiceAccounts)},
			change{"bound_service_account_namespaces", joined(f.KubernetesRole.Namespaces), joined(want.Namespaces)},
			change{"audience", f.KubernetesRole.Audience, want.Audience},
		)...)
	}
	switch {
	case have == nil:
		step.Action = Create
		step.Why = fmt.Sprintf("its tokens live %s and have the policy %s", span(s.Tokens.TTL), s.Policy)
	case !s.ourRole(*have):
		return &ConflictError{
			What: fmt.Sprintf("there is a role auth/%s/role/%s with the policies [%s], and setup did not make it", s.AuthPath, s.Role, joined(have.Policies)),
			Fix:  "choose another name with --role",
		}
	case len(step.Diff) > 0:
		step.Action = Update
	}
	p.add(step)
	return nil
}

// planAccount plans the ServiceAccount of the kubernetes method and, where tokens review
// themselves, its right to have tokens reviewed.
func planAccount(p *Plan, s Setup, f *Facts) error {
	if s.Method != MethodKubernetes {
		return nil
	}
	step := Step{Part: PartAccount, Action: Keep, Target: "ServiceAccount " + s.Account.String()}
	if !f.Account.Exists {
		step.Action = Create
	}
	p.add(step)
	if !s.selfReview(f) {
		return nil
	}
	step = Step{
		Part: PartBinding, Action: Keep, Target: "ClusterRoleBinding " + s.bindingName(),
		Why: "Vault reviews a token with that token itself, which takes the role system:auth-delegator",
	}
	switch {
	case !f.Binding.Exists:
		step.Action = Create
	case f.Binding.For != s.StoreName():
		return &ConflictError{
			What: "there is a ClusterRoleBinding " + s.bindingName() + ", and setup did not make it for this store",
			Fix:  "choose another ServiceAccount with --service-account",
		}
	default:
		step.Why = ""
	}
	p.add(step)
	return nil
}

func (s Setup) bindingName() string {
	return "vaultsecret-token-review-" + s.Account.Namespace + "-" + s.Account.Name
}

// mark is the metadata of credentials that setup makes.
func (s Setup) mark() map[string]string {
	m := map[string]string{"vaultsecret-setup": s.StoreName()}
	if s.Cluster != "" {
		m["vaultsecret-cluster"] = s.Cluster
	}
	return m
}

// marks reports whether metadata are those of a credential that setup made for the store.
func (s Setup) marks(metadata map[string]string) bool {
	return metadata["vaultsecret-setup"] == s.StoreName() && metadata["vaultsecret-cluster"] == s.Cluster
}

// credentialKey is the key of the Secret that holds the credential.
func (s Setup) credentialKey() string {
	if s.Method == MethodToken {
		return "token"
	}
	return "secret-id"
}

func planCredential(p *Plan, s Setup, f *Facts) error {
	if s.Method == MethodKubernetes {
		return nil
	}
	what := map[string]string{MethodAppRole: "secret_id", MethodToken: "token"}[s.Method]
	step := Step{Part: PartCredential, Action: Keep, Target: fmt.Sprintf("Secret %s with the %s", s.Secret, what)}
	if f.Secret.Exists && f.Secret.For != s.StoreName() {
		return &ConflictError{
			What: fmt.Sprintf("there is a Secret %s, and setup did not make it for %s", s.Secret, s.StoreName()),
			Fix:  "choose another name with --secret-name",
		}
	}
	if f.Store != nil && s.otherKey(*f.Store) {
		return &ConflictError{
			What: fmt.Sprintf("the Secret %s holds another login of %s, which must serve until the store has changed", s.Secret, s.StoreName()),
			Fix:  "choose another name with --secret-name",
		}
	}
	replace := func(why string) { step.Action, step.Why = Update, why }
	switch {
	case !f.Secret.Exists:
		step.Action = Create
	case s.Rotate:
		replace("a new one, as asked for")
	case !f.Secret.Filled || f.Secret.Accessor == "":
		replace("it holds no " + what)
	case p.creates(PartRole), p.creates(PartAuth):
		replace("it was made for a role that is gone")
	case f.Refused != "":
		replace("Vault does not take the present one: " + f.Refused)
	default:
		s.planLife(&step, f)
	}
	p.add(step)
	return nil
}

// otherKey reports whether the store reads another key of the Secret now.
func (s Setup) otherKey(store eso.Store) bool {
	for _, ref := range store.Spec.Provider.Vault.References() {
		at := placeOf(store, &eso.SecretKeySelector{Name: ref.Name, Namespace: ref.Namespace})
		if ref.Kind == "Secret" && at == s.Secret && ref.Key != s.credentialKey() {
			return true
		}
	}
	return false
}

func (p *Plan) creates(part Part) bool {
	step, ok := p.Step(part)
	return ok && step.Action == Create
}

// planLife replaces a secret_id of whose life a third is left, and renews such a token.
func (s Setup) planLife(step *Step, f *Facts) {
	if s.Method == MethodToken {
		if f.Token != nil && f.Token.TTL > 0 && f.Token.TTL < s.Period*2/3 {
			step.Action, step.Renews, step.Why = Update, true, "renewed: it would end in "+span(f.Token.TTL)
		}
		return
	}
	for _, id := range f.SecretIDs {
		if id.Accessor != f.Secret.Accessor || id.Expires.IsZero() {
			continue
		}
		if left := id.Expires.Sub(f.Now); left < s.SecretIDTTL/3 {
			step.Action, step.Why = Update, "the present one ends in "+span(left)
		}
	}
}

// renews reports whether the credential is renewed and not replaced.
func (p Plan) renews() bool {
	step, _ := p.Step(PartCredential)
	return step.Renews
}
