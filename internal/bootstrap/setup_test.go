package bootstrap

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// site is a SecretStore with a root token and one mapping, in a namespace and a mount of
// their own, on three servers of Vault with TLS.
type site struct {
	*testing.T
	sb     *sandbox.Sandbox
	ground Ground
	want   Setup
	ca     []byte
}

func newSite(t *testing.T) *site {
	t.Helper()
	sb := shared.Sandbox(t)
	clients, err := kube.NewClients(sb.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	s := &site{T: t, sb: sb, ground: Ground{Clients: clients, Now: time.Now}}
	if s.ca, err = os.ReadFile(sb.VaultCA()); err != nil {
		t.Fatal(err)
	}
	s.ground.Vault = s.client(sb.RootToken)
	namespace, mount := sb.Namespace(t), sb.KVMount(t, 2)
	sb.Put(t, mount, "app/db", map[string]any{"password": "p"})
	_, err = clients.Secrets(namespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "root"}, Data: map[string][]byte{"token": []byte(sb.RootToken)},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	store := &eso.SecretStore{ObjectMeta: metav1.ObjectMeta{Name: "vault"}}
	store.Spec.Provider.Vault = &eso.VaultProvider{
		Server: sb.VaultAddress(0), Path: &mount, Version: "v2", CABundle: s.ca,
		Auth: &eso.VaultAuth{TokenSecretRef: &eso.SecretKeySelector{Name: "root", Key: "token"}},
	}
	if _, err := clients.SecretStores(namespace).Create(t.Context(), store, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	es := &eso.ExternalSecret{ObjectMeta: metav1.ObjectMeta{Name: "db"}}
	es.Spec.SecretStoreRef = &eso.StoreRef{Name: "vault"}
	es.Spec.Data = []eso.Data{{SecretKey: "password", RemoteRef: eso.RemoteRef{Key: "app/db", Property: "password"}}}
	if _, err := clients.ExternalSecrets(namespace).Create(t.Context(), es, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.want = wanted(MethodAppRole)
	s.want.Kind, s.want.Store, s.want.Mount = eso.KindSecretStore, Place{namespace, "vault"}, mount
	name := DefaultName(s.want.Kind, s.want.Store)
	s.want.Policy, s.want.Role, s.want.AuthPath = name, name, "approle-"+namespace
	s.want.Secret, s.want.Account, s.want.AuditFile = Place{namespace, name}, Place{namespace, name}, NoAudit
	t.Cleanup(func() { // whatever the test left
		root := sb.RootVault(t)
		_ = root.Sys().DisableAuth(s.want.AuthPath)
		_ = root.Sys().DeletePolicy(name)
	})
	return s
}

func (s *site) client(token string) *vault.Client {
	s.Helper()
	client, err := vault.New(vault.Config{Address: s.sb.VaultAddress(0), CA: s.ca})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(client.Close)
	return client.WithToken(redact.Bytes(token))
}

func (s *site) plan() (Plan, Facts) {
	s.Helper()
	facts, err := s.ground.Facts(s.Context(), s.want)
	if err != nil {
		s.Fatal(err)
	}
	plan, err := PlanSetup(s.want, facts)
	if err != nil {
		s.Fatal(err)
	}
	return plan, facts
}

// carry applies on the ground given, and returns what went wrong with parts that setup
// can do without.
func (s *site) carry(on Ground, plan Plan, facts Facts) (trouble []string, err error) {
	_, err = on.Apply(s.Context(), plan, facts, Carry{Notice: func(string) {}, Say: func(step Step, err error) {
		if err != nil {
			trouble = append(trouble, string(step.Part)+": "+err.Error())
		}
	}})
	return trouble, err
}

func (s *site) methods() string {
	s.Helper()
	store, err := s.ground.Clients.SecretStores(s.want.Store.Namespace).Get(s.Context(), "vault", metav1.GetOptions{})
	if err != nil {
		s.Fatal(err)
	}
	return strings.Join(store.Spec.Provider.Vault.Auth.Methods(), ",")
}

// completes runs setup as a person would the second time.
func (s *site) completes() {
	s.Helper()
	plan, facts := s.plan()
	if _, err := s.carry(s.ground, plan, facts); err != nil {
		s.Fatalf("the second run: %v", err)
	}
	if got := s.methods(); got != "appRole" {
		s.Errorf("the store logs in by %s", got)
	}
	if again, _ := s.plan(); !again.Empty() {
		s.Errorf("a third run does %q", lines(again))
	}
	ids, err := s.ground.Vault.SecretIDs(s.Context(), s.want.AuthPath, s.want.Role)
	if err != nil || len(ids) != 1 {
		s.Errorf("%d secret_ids are left, %v", len(ids), err)
	}
}

// Wherever a run stops, the store still logs in as before, and the next run completes
// it, leaving one secret_id.
func TestSetupGoesOnAfterAFailure(t *testing.T) {
	for _, c := range []struct{ name, denied, want string }{
		{"at the policy", `path "sys/policies/acl/*" { capabilities = ["read"] }`, "sys/policies/acl/"},
		{"at the auth method", `path "sys/auth/*" { capabilities = ["read"] }`, "sys/auth/"},
		{"at the role", `path "auth/+/role/+" { capabilities = ["read"] }`, "/role/"},
		{"at the secret_id", `path "auth/+/role/+/secret-id" { capabilities = ["list"] }`, "/secret-id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			plan, facts := s.plan()
			limited := s.ground
			limited.Vault = s.client(s.sb.VaultToken(t, c.denied+"\npath \"*\" { capabilities = [\"create\", \"read\", \"update\", \"delete\", \"list\", \"sudo\"] }"))
			var rights *RightsError
			if err := limited.Allowed(t.Context(), WritingNeeds(plan)); !errors.As(err, &rights) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("asked beforehand: %v, want it to name %s", err, c.want)
			}
			if _, err := s.carry(limited, plan, facts); kv.KindOf(err) != kv.Denied || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want a denial that names %s", err, c.want)
			}
			if got := s.methods(); got != "tokenSecretRef" {
				t.Errorf("the store logs in by %s", got)
			}
			s.completes()
		})
	}
	t.Run("at the Secret", func(t *testing.T) {
		s := newSite(t)
		plan, facts := s.plan()
		config := s.sb.RESTConfig()
		config.Impersonate.UserName = "nobody"
		clients, err := kube.NewClients(config)
		if err != nil {
			t.Fatal(err)
		}
		limited := s.ground
		limited.Clients = clients
		if _, err := s.carry(limited, plan, facts); err == nil || !strings.Contains(err.Error(), "creating Secret") {
			t.Fatalf("error %v", err)
		}
		if ids, err := s.ground.Vault.SecretIDs(t.Context(), s.want.AuthPath, s.want.Role); err != nil || len(ids) > 0 {
			t.Errorf("%d secret_ids that nobody has, %v", len(ids), err)
		}
		s.completes()
	})
	t.Run("at the store", func(t *testing.T) {
		s := newSite(t)
		plan, facts := s.plan()
		store, err := s.ground.Clients.SecretStores(s.want.Store.Namespace).Get(t.Context(), "vault", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		store.Spec.Controller = "somebody"
		if _, err := s.ground.Clients.SecretStores(s.want.Store.Namespace).Update(t.Context(), store, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.carry(s.ground, plan, facts); !errors.Is(err, kube.ErrChanged) {
			t.Fatalf("error %v, want ErrChanged", err)
		}
		s.completes()
	})
}

// An audit device that Vault cannot write is told and the rest is done; one that it can
// is enabled, and removed only when that is asked for.
func TestSetupAudit(t *testing.T) {
	s := newSite(t)
	s.want.AuditFile = s.sb.VaultCA() + "/audit.log" // below a file, where nothing can be
	plan, facts := s.plan()
	trouble, err := s.carry(s.ground, plan, facts)
	if err != nil || len(trouble) != 1 || !strings.HasPrefix(trouble[0], "audit: ") || !strings.Contains(trouble[0], "sys/audit/file") {
		t.Fatalf("trouble %q, %v", trouble, err)
	}
	if got := s.methods(); got != "appRole" {
		t.Errorf("the store logs in by %s", got)
	}
	s.want.AuditFile = "stdout"
	plan, facts = s.plan()
	t.Cleanup(func() { _ = s.sb.RootVault(t).Sys().DisableAudit("file") })
	if trouble, err := s.carry(s.ground, plan, facts); err != nil || len(trouble) > 0 {
		t.Fatalf("trouble %q, %v", trouble, err)
	}
	clients := s.ground.Clients.SecretStores(s.want.Store.Namespace)
	if err := clients.Delete(t.Context(), "vault", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file string
		left int
	}{{"stdout", 1}, {NoAudit, 0}} {
		s.want.AuditFile = c.file
		facts, err := s.ground.RemovalFacts(t.Context(), s.want)
		if err != nil {
			t.Fatal(err)
		}
		removal, err := PlanRemove(s.want, facts)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.ground.Allowed(t.Context(), RemovalNeeds(removal)); err != nil {
			t.Fatal(err)
		}
		if err := s.ground.Remove(t.Context(), removal, facts, Carry{Say: func(Step, error) {}}); err != nil {
			t.Fatal(err)
		}
		if devices, err := s.ground.Vault.AuditDevices(t.Context()); err != nil || len(devices) != c.left {
			t.Errorf("--audit-file=%s leaves %v, %v", c.file, devices, err)
		}
	}
}

// The policy that is derived is what the real reads take, and no more.
func TestRulesOnVault(t *testing.T) {
	sb := shared.Sandbox(t)
	s := &site{T: t, sb: sb}
	var err error
	if s.ca, err = os.ReadFile(sb.VaultCA()); err != nil {
		t.Fatal(err)
	}
	for _, version := range []int{1, 2} {
		mount := sb.KVMount(t, version)
		mounts := kvMounts(mount, version)
		for _, name := range []string{"app/db", "app/sub/deep", "web"} {
			path, body := mount+"/"+name, map[string]any{"k": "v"}
			if version == 2 {
				path, body = mount+"/data/"+name, map[string]any{"data": body}
			}
			if _, err := sb.RootVault(t).Logical().WriteWithContext(t.Context(), path, body); err != nil {
				t.Fatal(err)
			}
		}
		reader := func(w Want) *vault.Client {
			rules, left := Rules(mount, version, []Want{w}, Further{}, mounts)
			if len(left) > 0 {
				t.Fatalf("left out: %q", left)
			}
			return s.client(sb.VaultToken(t, policyText(madeFor{store: "x"}, rules)))
		}
		read := func(c *vault.Client, key string) kv.Kind {
			_, err := c.Read(t.Context(), mount, version, kv.Ref{Key: key})
			return kv.KindOf(err)
		}
		one := reader(Want{Ref: kv.Ref{Key: "app/db"}})
		if a, b := read(one, "app/db"), read(one, "web"); a != "" || b != kv.Denied {
			t.Errorf("KV v%d, one key: %q and %q", version, a, b)
		}
		folder := reader(Want{Find: true, Ref: kv.Ref{Key: "app"}})
		names, err := folder.ListAll(t.Context(), mount, version, "app")
		if err != nil || fmt.Sprint(names) != "[app/db app/sub/deep]" {
			t.Errorf("KV v%d, a folder lists %v, %v", version, names, err)
		}
		if a, b := read(folder, "app/sub/deep"), read(folder, "web"); a != "" || b != kv.Denied {
			t.Errorf("KV v%d, a folder: %q and %q", version, a, b)
		}
		all := reader(Want{Find: true, Ref: kv.Ref{}})
		if names, err := all.ListAll(t.Context(), mount, version, ""); err != nil || len(names) != 3 {
			t.Errorf("KV v%d, all lists %v, %v", version, names, err)
		}
		if version == 2 {
			tags := reader(Want{Find: true, Tags: true, Ref: kv.Ref{Key: "app"}})
			if _, err := tags.Read(t.Context(), mount, version, kv.Ref{Key: "app/db", Metadata: true}); err != nil {
				t.Errorf("metadata for tags: %v", err)
			}
		}
	}
}

// A sealed Vault is told with what opens it, before anything else.
func TestSetupOnASealedVault(t *testing.T) {
	_, all := servers(t)
	err := Ground{Vault: all[0].Client}.Open(t.Context())
	if kv.KindOf(err) != kv.Sealed || !strings.Contains(err.Error(), "kubectl vaultsecret unseal") {
		t.Errorf("error %v", err)
	}
}
