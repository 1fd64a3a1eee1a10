package bootstrap

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// wanted is the setup of ClusterSecretStore/vault with every default.
func wanted(method string) Setup {
	s := Setup{
		Kind: eso.KindClusterSecretStore, Store: Place{Name: "vault"}, Method: method, Mount: "secret",
		Policy: "vaultsecret-vault", AuthPath: method, Role: "vaultsecret-vault",
		Secret: Place{"external-secrets", "vaultsecret-vault"}, Account: Place{"external-secrets", "vaultsecret-vault"},
		AuditFile: "stdout", Server: "https://vault.vault.svc:8200", Period: 32 * 24 * time.Hour, Cluster: "uid-1",
	}
	s.Tokens.TTL, s.Tokens.MaxTTL = time.Hour, 4*time.Hour
	return s
}

// rootStore is a store that reads with a token from Secret external-secrets/vault-token.
func rootStore() *eso.Store {
	mount, namespace := "secret", "external-secrets"
	return &eso.Store{
		Kind: eso.KindClusterSecretStore, Meta: &metav1.ObjectMeta{Name: "vault", UID: "1", Generation: 1},
		Spec: &eso.StoreSpec{Provider: eso.Provider{Vault: &eso.VaultProvider{
			Server: "https://vault.vault.svc:8200", Path: &mount, Version: "v2",
			Auth: &eso.VaultAuth{TokenSecretRef: &eso.SecretKeySelector{Name: "vault-token", Namespace: &namespace, Key: "token"}},
		}}},
	}
}

// empty are the facts of a Vault with a KV v2 mount and nothing else, and a store that
// uses a root token for one mapping.
func empty() Facts {
	return Facts{
		Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Store: rootStore(),
		Wants:       []Want{{Mapping: "apps/authelia", Ref: kv.Ref{Key: "secret/authelia"}}},
		Mounts:      kvMounts("secret", 2),
		APIAudience: "https://kubernetes.default.svc.cluster.local",
	}
}

func kvMounts(path string, version int) map[string]vault.MountInfo {
	return map[string]vault.MountInfo{
		path:        {Mount: vault.Mount{Path: path, Type: "kv", Version: version}},
		"sys":       {Mount: vault.Mount{Path: "sys", Type: "system"}},
		"cubbyhole": {Mount: vault.Mount{Path: "cubbyhole", Type: "cubbyhole"}},
	}
}

// done are the facts after the plan was carried out, as Ground.Facts would find them.
func done(t *testing.T, s Setup, f Facts) Facts {
	t.Helper()
	p, err := PlanSetup(s, f)
	if err != nil {
		t.Fatal(err)
	}
	f.Mounts = kvMounts("secret", 2)
	f.Audit = []vault.AuditDevice{{Path: "file", Type: "file", Description: madeBySetup}}
	f.Policy, f.PolicyFound = p.policy, true
	f.Auth = map[string]vault.MountInfo{s.AuthPath: {Mount: vault.Mount{Path: s.AuthPath, Type: s.Method}, Description: madeBySetup}}
	object := Object{Exists: true, For: s.StoreName(), UID: "1"}
	switch s.Method {
	case MethodAppRole:
		role := s.appRole()
		f.AppRole, f.RoleID = &role, "role-id"
		f.SecretIDs = []vault.SecretID{{Accessor: "a", Metadata: s.mark()}}
		f.Secret = object
		f.Secret.Accessor, f.Secret.Filled = "a", true
	case MethodToken:
		f.Token = &vault.Token{TTL: s.Period}
		f.Secret = object
		f.Secret.Accessor, f.Secret.Filled = "a", true
	case MethodKubernetes:
		role, config := s.kubernetesRole(), s.kubernetesConfig()
		f.KubernetesRole, f.KubernetesConfig = &role, &config
		f.Account, f.Binding = object, object
	}
	store := WantedStore(s, f)
	f.Store = &store
	return f
}

func lines(p Plan) []string {
	var out []string
	for _, s := range p.Steps {
		out = append(out, string(s.Part)+" "+string(s.Action))
	}
	return out
}

// Each method's plan from nothing, in its order: the store comes after the check, and
// what it replaces after the store. Carried out, nothing is left to do.
func TestPlanSetup(t *testing.T) {
	for method, want := range map[string][]string{
		MethodAppRole: {"mount none", "audit create", "policy create", "auth create", "role create", "credential create", "verify check", "store update"},
		MethodKubernetes: {
			"mount none", "audit create", "policy create", "auth create", "auth-config create", "role create",
			"service-account create", "verify check", "store update",
		},
		MethodToken: {"mount none", "audit create", "policy create", "credential create", "verify check", "store update"},
	} {
		t.Run(method, func(t *testing.T) {
			s := wanted(method)
			p, err := PlanSetup(s, empty())
			if err != nil {
				t.Fatal(err)
			}
			if got := lines(p); !slices.Equal(got, want) {
				t.Errorf("plan\n%q, want\n%q", got, want)
			}
			again, err := PlanSetup(s, done(t, s, empty()))
			if err != nil {
				t.Fatal(err)
			}
			if !again.Empty() {
				t.Errorf("a second run does %q", lines(again))
			}
		})
	}
}

// What a plan does when one thing differs from a setup that is done.
func TestPlanSetupAgain(t *testing.T) {
	for _, c := range []struct {
		name, method string
		change       func(*Setup, *Facts)
		want         []string // the steps that do something
	}{
		{"a new mapping", MethodAppRole, func(_ *Setup, f *Facts) {
			f.Wants = append(f.Wants, Want{Mapping: "apps/web", Ref: kv.Ref{Key: "web"}})
		}, []string{"policy update", "verify check"}},
		{"the Secret is gone", MethodAppRole, func(_ *Setup, f *Facts) { f.Secret = Object{} }, []string{"credential create", "verify check", "old-credential delete"}},
		{"the Secret is empty", MethodAppRole, func(_ *Setup, f *Facts) { f.Secret.Filled = false }, []string{"credential update", "verify check", "old-credential delete"}},
		{"the secret_id is refused", MethodAppRole, func(_ *Setup, f *Facts) { f.Refused = "invalid secret id" }, []string{"credential update", "verify check", "old-credential delete"}},
		{"the role is gone", MethodAppRole, func(_ *Setup, f *Facts) { f.AppRole, f.RoleID, f.SecretIDs = nil, "", nil }, []string{"role create", "credential update", "verify check", "store update"}},
		{"somebody set the role's ttl", MethodAppRole, func(_ *Setup, f *Facts) { f.AppRole.TTL = time.Minute }, []string{"role update", "verify check"}},
		{"the same, and nobody gave one", MethodAppRole, func(s *Setup, f *Facts) {
			f.AppRole.TTL = time.Minute
			s.Defaulted = map[Setting]bool{TokenTTL: true}
		}, nil},
		{"rotate", MethodAppRole, func(s *Setup, _ *Facts) { s.Rotate = true }, []string{"credential update", "verify check", "old-credential delete"}},
		{"metadata, as asked for", MethodAppRole, func(s *Setup, _ *Facts) { s.Metadata = true }, []string{"policy update", "verify check"}},
		{"metadata, as an earlier run was told", MethodAppRole, func(s *Setup, f *Facts) {
			s.Metadata = true
			*f = done(t, *s, empty())
			s.Metadata, s.Defaulted = false, map[Setting]bool{WithMetadata: true}
		}, nil},
		{"metadata no longer", MethodAppRole, func(s *Setup, f *Facts) {
			s.Metadata = true
			*f = done(t, *s, empty())
			s.Metadata = false
		}, []string{"policy update", "verify check"}},
		{"a stray secret_id of an earlier run", MethodAppRole, func(s *Setup, f *Facts) {
			f.SecretIDs = append(f.SecretIDs, vault.SecretID{Accessor: "b", Metadata: s.mark()})
		}, []string{"verify check", "old-credential delete"}},
		{"a secret_id of somebody else", MethodAppRole, func(_ *Setup, f *Facts) {
			f.SecretIDs = append(f.SecretIDs, vault.SecretID{Accessor: "b"})
		}, nil},
		{"the secret_id is in its last third", MethodAppRole, func(s *Setup, f *Facts) {
			s.SecretIDTTL = 90 * time.Hour
			f.AppRole.SecretIDTTL = s.SecretIDTTL
			f.SecretIDs[0].Expires = f.Now.Add(29 * time.Hour)
		}, []string{"credential update", "verify check", "old-credential delete"}},
		{"and before that", MethodAppRole, func(s *Setup, f *Facts) {
			s.SecretIDTTL = 90 * time.Hour
			f.AppRole.SecretIDTTL = s.SecretIDTTL
			f.SecretIDs[0].Expires = f.Now.Add(31 * time.Hour)
		}, nil},
		{"the token is in its last two thirds", MethodToken, func(s *Setup, f *Facts) { f.Token.TTL = s.Period / 2 }, []string{"credential update", "verify check"}},
		{"a token that was replaced lives on", MethodToken, func(_ *Setup, f *Facts) { f.Secret.Replaced = "b" }, []string{"verify check", "old-credential delete"}},
		{"a token of a run that broke off", MethodToken, func(_ *Setup, f *Facts) { f.Strays = []string{"b"} }, nil},
		{"rotate the token", MethodToken, func(s *Setup, _ *Facts) { s.Rotate = true }, []string{"credential update", "verify check", "old-credential delete"}},
		{"another ServiceAccount", MethodKubernetes, func(s *Setup, f *Facts) {
			s.Account.Name = "reader"
			f.Account = Object{}
		}, []string{"role update", "service-account create", "verify check", "store update"}},
		{"the ServiceAccount's login is refused", MethodKubernetes, func(_ *Setup, f *Facts) { f.Refused = "denied" }, []string{"verify check"}},
		{"the audit device is gone", MethodAppRole, func(_ *Setup, f *Facts) { f.Audit = nil }, []string{"audit create", "verify check"}},
		{"Git keeps the store", MethodAppRole, func(_ *Setup, f *Facts) { f.Store, f.GitOwner = rootStore(), "Flux" }, []string{"verify check", "store hand-over"}},
		{"Git keeps the store, which logs in by an older secret_id", MethodAppRole, func(s *Setup, f *Facts) {
			f.Store, f.GitOwner = rootStore(), "Flux"
			f.SecretIDs = append(f.SecretIDs, vault.SecretID{Accessor: "b", Metadata: s.mark()})
		}, []string{"verify check", "store hand-over"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := wanted(c.method)
			f := done(t, s, empty())
			c.change(&s, &f)
			p, err := PlanSetup(s, f)
			if err != nil {
				t.Fatal(err)
			}
			got := slices.DeleteFunc(lines(p), func(l string) bool { return strings.HasSuffix(l, " none") })
			if !slices.Equal(got, c.want) && len(got)+len(c.want) > 0 {
				t.Errorf("does %q, want %q", got, c.want)
			}
		})
	}
}

// What is somebody else's, or cannot serve, is refused with a way out.
func TestPlanSetupRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Setup, *Facts)
		want   string
	}{
		{"a KV v1 mount for a v2 store", func(_ *Setup, f *Facts) { f.Mounts = kvMounts("secret", 1) }, "the mount secret/ is KV v1, and ClusterSecretStore/vault says v2"},
		{"a KV v1 mount for a new store", func(_ *Setup, f *Facts) { f.Store, f.Mounts = nil, kvMounts("secret", 1) }, "KV v1, and a new store needs v2"},
		{"a mount of another type", func(s *Setup, _ *Facts) { s.Mount = "cubbyhole" }, "is of type cubbyhole, not kv"},
		{"a policy by hand", func(_ *Setup, f *Facts) { f.Policy, f.PolicyFound = "path \"x\" {}", true }, "setup did not make it"},
		{"another store's policy", func(s *Setup, f *Facts) {
			f.Policy, f.PolicyFound = policyText(madeFor{store: "SecretStore/a/b", cluster: s.Cluster}, nil), true
		}, "was made for SecretStore/a/b"},
		{"another cluster's policy", func(s *Setup, f *Facts) {
			f.Policy, f.PolicyFound = policyText(madeFor{store: s.StoreName(), cluster: "uid-2"}, nil), true
		}, "in cluster uid-2"},
		{"a cluster's policy, and which cluster this is cannot be read", func(s *Setup, f *Facts) {
			f.Policy, f.PolicyFound = policyText(madeFor{store: s.StoreName(), cluster: "uid-2"}, nil), true
			s.Cluster = ""
		}, "in cluster uid-2"},
		{"an auth path of another type", func(_ *Setup, f *Facts) {
			f.Auth = map[string]vault.MountInfo{"approle": {Mount: vault.Mount{Path: "approle", Type: "userpass"}}}
		}, "is of type userpass, not approle"},
		{"a role by hand", func(_ *Setup, f *Facts) {
			f.AppRole = &vault.AppRole{TokenSettings: vault.TokenSettings{Policies: []string{"admin"}}}
		}, "with the policies [admin], and setup did not make it"},
		{"a Secret by hand", func(_ *Setup, f *Facts) { f.Secret = Object{Exists: true} }, "setup did not make it for ClusterSecretStore/vault"},
		{"the Secret that serves now", func(s *Setup, _ *Facts) { s.Secret.Name = "vault-token" }, "must serve until the store has changed"},
		{"nowhere to read from", func(s *Setup, f *Facts) { f.Store, s.Server = nil, "" }, "no Service of Vault was found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, f := wanted(MethodAppRole), empty()
			c.change(&s, &f)
			_, err := PlanSetup(s, f)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			var conflict *ConflictError
			if errors.As(err, &conflict) && conflict.Fix == "" {
				t.Error("it names no way out")
			}
		})
	}
}
