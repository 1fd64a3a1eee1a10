package plugin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// vaultEvidence is what is known of each Vault, asked once.
type vaultEvidence struct {
	mu      sync.Mutex
	servers map[string]*vaultServer
}

// vaultServer is one Vault, in one of its namespaces.
type vaultServer struct {
	once    sync.Once
	address string
	// own speaks with the caller's token, or with the store's own where there is none.
	own *vault.Client
	err error

	devices    []AuditDevice
	devicesErr error
	policies   []policyRules
	notRead    string // why not all policies are known, "" when they are
}

// policyRules is a policy and what it says; root has no rules and may do everything.
type policyRules struct {
	name  string
	rules []vault.Rule
}

// of asks the store's Vault, once.
func (e *vaultEvidence) of(ctx context.Context, a *auditing, store eso.Store, namespace string) *vaultServer {
	v := store.Spec.Provider.Vault
	trusted := a.trusts(store)
	key := fmt.Sprintf("%s\n%s\n%t", v.Server, v.VaultNamespace(), trusted)
	e.mu.Lock()
	if e.servers == nil {
		e.servers = map[string]*vaultServer{}
	}
	s, known := e.servers[key]
	if !known {
		s = &vaultServer{address: gather.Clean(v.Server)}
		e.servers[key] = s
	}
	e.mu.Unlock()
	s.once.Do(func() { s.ask(ctx, a, store, namespace, trusted) })
	return s
}

// trusts reports whether a store's server is shown the caller's own token. Whoever writes
// SecretStores in a namespace could name a server of theirs; what an administrator named
// in a ClusterSecretStore, or the caller by --vault-addr, is no trap.
func (a *auditing) trusts(store eso.Store) bool {
	return a.own != nil && (a.VaultAddr != "" || store.Kind == eso.KindClusterSecretStore)
}

// all lists the Vaults by address.
func (e *vaultEvidence) all() []AuditVault {
	e.mu.Lock()
	defer e.mu.Unlock()
	vaults := []AuditVault{}
	for _, s := range e.servers {
		one := AuditVault{Address: s.address, Devices: append([]AuditDevice{}, s.devices...)}
		if s.devicesErr != nil {
			one.Error = gather.Clean(s.devicesErr.Error())
		}
		vaults = append(vaults, one)
	}
	slices.SortFunc(vaults, func(a, b AuditVault) int { return cmp.Compare(a.Address, b.Address) })
	return slices.CompactFunc(vaults, func(a, b AuditVault) bool {
		return a.Address == b.Address && a.Error == b.Error && slices.Equal(a.Devices, b.Devices)
	})
}

func (s *vaultServer) ask(ctx context.Context, a *auditing, store eso.Store, namespace string, trusted bool) {
	if trusted {
		client, err := a.gather.Vault(ctx, store, namespace)
		if err != nil {
			s.fail(err)
			return
		}
		s.own = client.WithToken(a.own)
	} else if _, s.own, s.err = a.gather.Open(ctx, store, namespace); s.err != nil {
		s.fail(s.err)
		return
	}
	devices, err := s.own.AuditDevices(ctx)
	s.devicesErr = err
	for _, d := range devices {
		s.devices = append(s.devices, AuditDevice{Path: gather.Clean(d.Path), Type: gather.Clean(d.Type)})
	}
	names, err := s.own.PolicyNames(ctx)
	if err != nil {
		s.notRead = gather.Clean(err.Error())
		return
	}
	for _, name := range names {
		if name == "root" {
			s.policies = append(s.policies, policyRules{name: name})
			continue
		}
		text, found, err := s.own.Policy(ctx, name)
		var rules []vault.Rule
		if err == nil && found {
			rules, err = vault.ParsePolicy(text)
		}
		if err != nil {
			s.notRead = "policy " + gather.Clean(name) + ": " + gather.Clean(err.Error())
			continue
		}
		s.policies = append(s.policies, policyRules{name: gather.Clean(name), rules: rules})
	}
}

func (s *vaultServer) fail(err error) {
	s.err, s.devicesErr, s.notRead = err, err, gather.Clean(err.Error())
}

// readersOf lists the policies that grant read on a path. A rule with identity templates
// counts for nobody, and is named among what is not known.
func (s *vaultServer) readersOf(path string) (readers []AuditPolicy, notKnown string) {
	readers, notKnown = []AuditPolicy{}, s.notRead
	for _, p := range s.policies {
		if p.name == "root" {
			readers = append(readers, AuditPolicy{Policy: "root"})
			continue
		}
		if rule := vault.Deciding(p.rules, path); rule.Allows("read") {
			readers = append(readers, AuditPolicy{Policy: p.name, Rule: gather.Clean(rule.Path)})
		}
		if notKnown == "" && slices.ContainsFunc(p.rules, func(r vault.Rule) bool { return r.MayCover(path, "read") }) {
			notKnown = "policy " + p.name + " has a rule for it that depends on who asks"
		}
	}
	return readers, notKnown
}
