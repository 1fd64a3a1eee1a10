package bootstrap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// RemovalFacts gathers what PlanRemove takes. Whether the credential serves is no matter.
func (g Ground) RemovalFacts(ctx context.Context, s Setup) (Facts, error) {
	f, err := g.look(ctx, s)
	if err == nil {
		err = g.lookAtEveryStore(ctx, s, &f)
	}
	if err != nil || f.Auth[s.AuthPath].Description != madeBySetup || s.Method == MethodToken {
		return f, err
	}
	if err := g.Allowed(ctx, []Need{{"auth/" + s.AuthPath + "/role", []string{"list"}}}); err != nil {
		return f, err
	}
	f.Roles, err = g.Vault.Roles(ctx, s.AuthPath)
	return f, err
}

// PlanRemove decides what of a setup goes. Only what setup made, and made for this store,
// goes; the KV mount and what is in it always stay:
//
//	store             made by setup, logs in by this, and no ExternalSecret uses it
//	role, policy      made by setup; the policy unless another login of the store has it
//	Secret, …         labelled and annotated by setup for the store
//	auth method       enabled by setup, and no other role is left in it
//	audit device      enabled by setup, and --audit-file=none says that it shall go
//
// It refuses while a store that stays logs in with any of it, and where that cannot be seen
// unless s.AssumeUnused.
func PlanRemove(s Setup, f Facts) (Plan, error) {
	if err := stillUsed(s, f); err != nil {
		return Plan{}, err
	}
	p := Plan{Setup: s}
	if unseen := f.Others.Unseen; len(unseen) > 0 {
		p.notice("whether another store logs in with any of it is not known: you may not list " + several(unseen))
	}
	gone := func(part Part, target string) { p.add(Step{Part: part, Action: Delete, Target: target}) }
	if f.Store != nil && s.madeStore(f) && slices.Contains(s.users(f), s.StoreName()) {
		gone(PartStore, s.StoreName())
	}
	if have := f.roleSettings(); s.removesRole(f) {
		gone(PartRole, fmt.Sprintf("role auth/%s/role/%s", s.AuthPath, s.Role))
		p.notice("tokens that the role gave live on until their end, " + span(have.TTL) + " at most unless renewed; without the policy they may do nothing")
	}
	planStrays(&p, s, f)
	if f.StraysUnknown != "" {
		p.notice("whether setup made tokens for the store that its Secret does not name is not known: " + f.StraysUnknown)
	}
	if tokens := s.madeTokens(f); len(tokens) > 0 {
		gone(PartOld, count(len(tokens), "token")+" of the store")
	}
	if f.Secret.For == s.StoreName() {
		gone(PartCredential, "Secret "+s.Secret.String())
	}
	if f.Binding.For == s.StoreName() {
		gone(PartBinding, "ClusterRoleBinding "+s.bindingName())
	}
	if f.Account.For == s.StoreName() {
		gone(PartAccount, "ServiceAccount "+s.Account.String())
	}
	owner, ours := readPolicy(f.Policy)
	switch {
	case ours && owner.store == s.StoreName() && owner.cluster != "" && s.Cluster == "":
		p.notice(fmt.Sprintf("the policy %s and its role stay: they are of a cluster, and whether of this one is not known, for you may not read namespace kube-system", s.Policy))
	case !ours || !owner.sameOwner(madeFor{store: s.StoreName(), cluster: s.Cluster}):
	case f.Login.Policy == s.Policy && f.Login.Method != s.Method:
		p.notice(fmt.Sprintf("the policy %s stays, for %s now logs in by %s with it", s.Policy, s.StoreName(), f.Login.Method))
	default:
		gone(PartPolicy, "policy "+s.Policy)
	}
	planRemoveShared(&p, s, f)
	return p, nil
}

// removesRole reports whether the role is ours: it has our policy alone, and that one was
// not made for another store or cluster.
func (s Setup) removesRole(f Facts) bool {
	have := f.roleSettings()
	owner, marked := readPolicy(f.Policy)
	others := f.PolicyFound && !(marked && owner.sameOwner(madeFor{store: s.StoreName(), cluster: s.Cluster}))
	return have != nil && s.ourRole(*have) && !others
}

// planRemoveShared plans what other stores may share.
func planRemoveShared(p *Plan, s Setup, f Facts) {
	if m, exists := f.Auth[s.AuthPath]; exists && m.Description == madeBySetup && m.Type == s.Method {
		if others := slices.DeleteFunc(slices.Clone(f.Roles), func(r string) bool { return r == s.Role && s.removesRole(f) }); len(others) > 0 {
			p.notice(fmt.Sprintf("the auth method %s/ stays, for it has other roles: %s", s.AuthPath, strings.Join(others, ", ")))
		} else {
			p.add(Step{Part: PartAuth, Action: Delete, Target: fmt.Sprintf("auth method %s/", s.AuthPath)})
		}
	}
	for _, d := range f.Audit {
		switch {
		case d.Description != madeBySetup:
		case s.AuditFile == NoAudit:
			p.add(Step{Part: PartAudit, Action: Delete, Target: fmt.Sprintf("audit device %s/", d.Path)})
		default:
			p.notice(fmt.Sprintf("the audit device %s/ stays, for it serves all of Vault; --audit-file=none removes it too", d.Path))
		}
	}
}

// madeStore reports whether setup created the store, and nobody keeps it in Git since.
func (s Setup) madeStore(f Facts) bool {
	return objectOf(*f.Store.Meta).For == s.StoreName() && f.GitOwner == ""
}

// users are the stores that log in with what setup made.
func (s Setup) users(f Facts) []string {
	return with(slices.Concat(f.Others.Role, f.Others.Secret, f.Others.Account))
}

// stillUsed refuses a removal that would break a store that stays.
func stillUsed(s Setup, f Facts) error {
	users := s.users(f)
	if f.Store != nil && s.madeStore(f) && slices.Contains(users, s.StoreName()) {
		if len(f.Wants) > 0 {
			var mappings []string
			for _, w := range f.Wants {
				mappings = with(mappings, w.Mapping)
			}
			return &ConflictError{
				What: fmt.Sprintf("%s is still used by %s", s.StoreName(), strings.Join(mappings, ", ")),
				Fix:  "delete those ExternalSecrets, or give them another store, first",
			}
		}
		users = slices.DeleteFunc(users, func(name string) bool { return name == s.StoreName() })
	}
	switch unseen := f.Others.Unseen; {
	case len(users) > 0:
	case len(unseen) == 0 || s.AssumeUnused:
		return nil
	default:
		return &ConflictError{
			What: "whether another store logs in with what would be removed is not known: you may not list " + several(unseen),
			Fix:  "have it run by somebody who may list stores in all namespaces; or go on without knowing: --assume-unused",
		}
	}
	return &ConflictError{
		What: fmt.Sprintf("%s still logs in with what would be removed", strings.Join(users, ", ")),
		Fix:  "give it another login, or delete it, first",
	}
}

// several names the first few.
func several(names []string) string {
	const few = 5
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}

// roleSettings is what the role that is there says of its tokens; nil without one.
func (f Facts) roleSettings() *vault.TokenSettings {
	switch {
	case f.AppRole != nil:
		return &f.AppRole.TokenSettings
	case f.KubernetesRole != nil:
		return &f.KubernetesRole.TokenSettings
	}
	return nil
}

// RemovalNeeds is what carrying a removal out takes.
func RemovalNeeds(p Plan) []Need {
	s := p.Setup
	var needs []Need
	for _, step := range p.Steps {
		switch step.Part {
		case PartRole:
			needs = append(needs, Need{"auth/" + s.AuthPath + "/role/" + s.Role, []string{"delete"}})
		case PartPolicy:
			needs = append(needs, Need{"sys/policies/acl/" + s.Policy, []string{"delete"}})
		case PartAuth:
			needs = append(needs, Need{"sys/auth/" + s.AuthPath, []string{"delete", "sudo"}})
		case PartOld:
			needs = append(needs, Need{"auth/token/revoke-accessor", []string{"update"}})
		case PartAudit:
			needs = append(needs, Need{strings.TrimSuffix("sys/audit/"+strings.TrimPrefix(step.Target, "audit device "), "/"), []string{"delete", "sudo"}})
		}
	}
	return needs
}

// Remove carries a removal out, the store first: from then on nobody logs in with what
// goes after it. Its errors are *StoppedError.
func (g Ground) Remove(ctx context.Context, p Plan, f Facts, how Carry) error {
	s := p.Setup
	apply := kube.Applier{Clients: g.Clients, Manager: FieldManager, DryRun: how.ServerDryRun}
	for _, step := range p.Steps {
		if how.ServerDryRun && !step.inKubernetes() {
			continue
		}
		var err error
		switch step.Part {
		case PartStore:
			err = apply.Delete(ctx, s.Kind, s.Store.Namespace, s.Store.Name, f.Store.Meta.UID)
		case PartCredential:
			err = apply.Delete(ctx, "Secret", s.Secret.Namespace, s.Secret.Name, types.UID(f.Secret.UID))
		case PartAccount:
			err = apply.Delete(ctx, "ServiceAccount", s.Account.Namespace, s.Account.Name, types.UID(f.Account.UID))
		case PartBinding:
			err = apply.Delete(ctx, "ClusterRoleBinding", "", s.bindingName(), types.UID(f.Binding.UID))
		default:
			err = g.removeInVault(ctx, s, step, f)
		}
		if err != nil {
			left := leaving{}
			if step.Part == PartOld {
				left.is("not all of the tokens have ended")
			}
			return stopped(step, err, left)
		}
		how.Say(step, nil)
	}
	return nil
}

func (g Ground) removeInVault(ctx context.Context, s Setup, step Step, f Facts) error {
	switch step.Part {
	case PartRole:
		return g.Vault.DeleteRole(ctx, s.AuthPath, s.Role)
	case PartPolicy:
		return g.Vault.DeletePolicy(ctx, s.Policy)
	case PartAuth:
		return g.Vault.DisableAuth(ctx, s.AuthPath)
	case PartOld:
		return revoke(ctx, g.Vault, s.madeTokens(f))
	case PartAudit:
		for _, d := range f.Audit {
			if d.Description == madeBySetup {
				return g.Vault.DisableAudit(ctx, d.Path)
			}
		}
	}
	return nil
}
