package diagnose

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"
)

func vaultChecks() []Check {
	return []Check{
		{Code: "VS401", Group: GroupVault, Title: "Vault is reached", Requires: []string{"VS301", "VS306", "VS307", "VS308"}, store: vaultReached},
		{Code: "VS403", Group: GroupVault, Title: "its certificate is trusted", Requires: []string{"VS401"}, store: certificateTrusted},
		{Code: "VS404", Quiet: true, Group: GroupVault, Title: "Vault is initialized", Requires: []string{"VS403"}, store: vaultInitialized},
		{Code: "VS402", Group: GroupVault, Title: "Vault is unsealed and serves", Requires: []string{"VS404"}, store: vaultServes},
		{Code: "VS405", Quiet: true, Group: GroupVault, Title: "its certificate lasts", Requires: []string{"VS403"}, store: certificateLasts},
		{Code: "VS406", Quiet: true, Group: GroupVault, Title: "every Vault Pod is unsealed", Requires: []string{"VS402"}, store: podsUnsealed},
		{Code: "VS407", Quiet: true, Group: GroupVault, Title: "clocks agree", Requires: []string{"VS401"}, store: clocksAgree},
		{Code: "VS408", Quiet: true, Group: GroupVault, Title: "Vault has namespaces", Requires: []string{"VS402"}, store: namespacesServed},
	}
}

func vaultReached(f *Facts, s *Store) Verdict {
	why, u := have(s.Vault.Connect)
	if u != nil {
		return *u
	}
	if why == "" {
		via := ""
		if s.Vault.Via != "" {
			via = " (" + s.Vault.Via + ")"
		}
		return ok("%s is reached%s", s.Vault.Address, via)
	}
	fix := "kubectl get pods -A -l app.kubernetes.io/name=vault\nkubectl get " + s.kubectl(f) + " -o jsonpath='{.spec.provider.vault.server}'"
	if strings.Contains(why, "no such host") {
		fix = "kubectl get svc -A -l app.kubernetes.io/name=vault\nkubectl edit " + s.kubectl(f) + "   # spec.provider.vault.server"
	}
	return fail(fix, "%s (spec.provider.vault.server of %s) is not reached: %s", s.Vault.Address, s.name(f), why)
}

func certificateTrusted(f *Facts, s *Store) Verdict {
	t, u := have(s.Vault.TLS)
	if u != nil {
		return *u
	}
	if t.Plain {
		return Verdict{}
	}
	if t.Refused == "" {
		return ok("certificate is trusted, for %s", list(t.Names, 3))
	}
	edit := "kubectl edit " + s.kubectl(f)
	switch t.Kind {
	case "expired":
		return fail("renew Vault's certificate, then: kubectl rollout restart of Vault, and kubectl vaultsecret unseal",
			"the certificate of %s is out of date (it ended %s): %s", s.Vault.Address, f.ago(t.NotAfter), t.Refused)
	case "name":
		return fail(edit+"   # spec.provider.vault.server: a name that the certificate is for",
			"the certificate of %s is for other names (%s): %s", s.Vault.Address, list(t.Names, 5), t.Refused)
	}
	return fail(edit+"   # spec.provider.vault.caProvider or caBundle: the CA that signed Vault's certificate",
		"the certificate of %s is not trusted with spec.provider.vault.caBundle/caProvider of %s: %s", s.Vault.Address, s.name(f), t.Refused)
}

func certificateLasts(f *Facts, s *Store) Verdict {
	t, u := have(s.Vault.TLS)
	if u != nil {
		return *u
	}
	left := t.NotAfter.Sub(f.Now)
	if t.Plain || t.NotAfter.IsZero() || left > 14*24*time.Hour {
		return Verdict{}
	}
	return warn("renew Vault's certificate before then", "the certificate of %s ends in %s", s.Vault.Address, duration.HumanDuration(left))
}

func vaultInitialized(f *Facts, s *Store) Verdict {
	seal, u := have(s.Vault.Seal)
	if u != nil {
		return *u
	}
	if !seal.Initialized {
		return fail("kubectl vaultsecret init", "Vault at %s was never initialized", s.Vault.Address)
	}
	return Verdict{}
}

func vaultServes(f *Facts, s *Store) Verdict {
	seal, u := have(s.Vault.Seal)
	if u != nil {
		return *u
	}
	if seal.Sealed {
		progress := fmt.Sprintf("%d of %d shares given", seal.Progress, seal.Threshold)
		fix := unsealCommand(s)
		if seal.Type != "" && seal.Type != "shamir" {
			progress = "auto-unseal by " + seal.Type
			fix += " --status   # the seal's key service must be reachable from Vault"
		}
		return fail(fix, "Vault at %s is sealed (%s)%s", s.Vault.Address, progress, podStates(s.Vault.Pods.Value))
	}
	if seal.Stuck != "" {
		return fail("kubectl get pods -A -l app.kubernetes.io/name=vault,component=server\nvault operator raft list-peers",
			"Vault at %s is unsealed, but a standby without an active server, most often because too few of the cluster are up and unsealed: %s%s", s.Vault.Address, clip(seal.Stuck), podStates(s.Vault.Pods.Value))
	}
	state := "active"
	if seal.Standby {
		state = "standby (forwards to the active one)"
	}
	return ok("reachable, initialized, unsealed, v%s, %s", strings.TrimPrefix(seal.Version, "v"), state)
}

// unsealCommand finds the server that is sealed, which is not always the Vault in the
// namespace that unseal looks in by itself.
func unsealCommand(s *Store) string {
	const command = "kubectl vaultsecret unseal"
	address, err := url.Parse(s.Vault.Address)
	switch pods := s.Vault.Pods.Value; {
	case len(pods) > 0:
		return command + " -n " + Quote(pods[0].Namespace)
	case err != nil, strings.HasPrefix(s.Vault.Via, "port-forward"), strings.HasSuffix(address.Hostname(), ".svc"), strings.Contains(address.Hostname(), ".svc."):
		return command
	}
	return command + " --vault-addr " + Quote(s.Vault.Address)
}

func podStates(pods []VaultPod) string {
	var texts []string
	for _, p := range pods {
		if p.Seal.Known {
			state := "unsealed"
			if p.Seal.Value.Sealed {
				state = fmt.Sprintf("sealed %d/%d", p.Seal.Value.Progress, p.Seal.Value.Threshold)
			}
			texts = append(texts, p.Namespace+"/"+p.Name+" "+state)
		}
	}
	if len(texts) == 0 {
		return ""
	}
	return ": " + strings.Join(texts, ", ")
}

func podsUnsealed(f *Facts, s *Store) Verdict {
	pods, u := have(s.Vault.Pods)
	if u != nil {
		return Verdict{} // a Vault outside the cluster has none
	}
	for _, p := range pods {
		if p.Seal.Known && p.Seal.Value.Sealed {
			return warn("kubectl vaultsecret unseal -n "+p.Namespace, "Vault serves, but not all of it%s", podStates(pods))
		}
	}
	return Verdict{}
}

// namespacesServed warns of a header that the community edition does not know: what is
// read then is the root namespace.
func namespacesServed(f *Facts, s *Store) Verdict {
	object, u := have(s.Object)
	if u != nil || object.Spec.Provider.Vault == nil {
		return Verdict{}
	}
	namespace, community := object.Spec.Provider.Vault.VaultNamespace(), s.Vault.Seal.Value.Community
	if namespace == "" || community == nil || !*community {
		return Verdict{}
	}
	return warn("kubectl edit "+s.kubectl(f)+"   # remove spec.provider.vault.namespace",
		"spec.provider.vault.namespace of %s is %q, and the community edition of Vault at %s has no namespaces: it passes the name over", s.name(f), clip(namespace), s.Vault.Address)
}

func clocksAgree(_ *Facts, s *Store) Verdict {
	skew := s.Vault.Skew
	if !skew.Known || skew.Value.Abs() < 30*time.Second {
		return Verdict{}
	}
	return warn("chronyc tracking   # on the nodes of Vault and of the cluster", "Vault's clock is off by %s: tokens and certificates end early or late", skew.Value.Abs().Round(time.Second))
}
