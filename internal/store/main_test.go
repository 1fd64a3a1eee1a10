package store

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// The certificate method needs TLS, so that all tests here use it.
var shared = sandbox.Shared{Config: sandbox.Config{VaultTLS: true}}

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// memory is a Cluster and Objects in memory, which notes what it was asked for.
type memory struct {
	mu         sync.Mutex
	secrets    map[string]*corev1.Secret
	configMaps map[string]*corev1.ConfigMap
	stores     map[string]eso.Store
	namespaces map[string]map[string]string
	sign       func(namespace, name string, audiences []string, expiry time.Duration) (redact.Bytes, error)
	fail       error
	asked      []string
	version    int
}

func newMemory() *memory {
	return &memory{secrets: map[string]*corev1.Secret{}, configMaps: map[string]*corev1.ConfigMap{}, stores: map[string]eso.Store{}, namespaces: map[string]map[string]string{}}
}

func (m *memory) note(kind, namespace, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, kind+" "+namespace+"/"+name)
	return m.fail
}

func (m *memory) Secret(_ context.Context, namespace, name string) (*corev1.Secret, error) {
	if err := m.note("Secret", namespace, name); err != nil {
		return nil, err
	}
	return m.secrets[namespace+"/"+name], nil
}

func (m *memory) ConfigMap(_ context.Context, namespace, name string) (*corev1.ConfigMap, error) {
	if err := m.note("ConfigMap", namespace, name); err != nil {
		return nil, err
	}
	return m.configMaps[namespace+"/"+name], nil
}

func (m *memory) ServiceAccountToken(_ context.Context, namespace, name string, audiences []string, expiry time.Duration) (redact.Bytes, error) {
	if err := m.note("ServiceAccount", namespace, name); err != nil {
		return nil, err
	}
	if m.sign == nil {
		return nil, nil
	}
	return m.sign(namespace, name, audiences, expiry)
}

func (m *memory) Store(_ context.Context, ref eso.StoreRef, namespace string) (eso.Store, bool, error) {
	if ref.Kind == eso.KindClusterSecretStore {
		namespace = ""
	}
	s, ok := m.stores[ref.Kind+" "+namespace+"/"+ref.Name]
	return s, ok, m.fail
}

func (m *memory) NamespaceLabels(_ context.Context, name string) (map[string]string, error) {
	return m.namespaces[name], m.fail
}

// put stores a Secret, with a new resourceVersion.
func (m *memory) put(namespace, name string, data map[string]string) {
	m.version++
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID("uid-" + namespace + "-" + name), ResourceVersion: fmt.Sprint(m.version)}, Data: map[string][]byte{}}
	for k, v := range data {
		secret.Data[k] = []byte(v)
	}
	m.secrets[namespace+"/"+name] = secret
}

// add makes a store of the kind, in namespace apps when it is a SecretStore.
func (m *memory) add(kind, name string, provider eso.VaultProvider) eso.Store {
	meta := metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + kind + name), Generation: 1}
	spec := eso.StoreSpec{Provider: eso.Provider{Vault: &provider}}
	var view eso.Store
	if kind == eso.KindSecretStore {
		meta.Namespace = "apps"
		view = (&eso.SecretStore{ObjectMeta: meta, Spec: spec}).View()
	} else {
		view = (&eso.ClusterSecretStore{ObjectMeta: meta, Spec: spec}).View()
	}
	m.stores[kind+" "+meta.Namespace+"/"+name] = view
	return view
}

// bench is one test's mount, cluster and sessions on the real Vault.
type bench struct {
	t     *testing.T
	sb    *sandbox.Sandbox
	mem   *memory
	root  *api.Client
	mount string
	ca    []byte
	now   time.Time

	mu       sync.Mutex
	sessions *Sessions
	counts   map[string]int
}

func newBench(t *testing.T) *bench {
	t.Helper()
	sb := shared.Sandbox(t)
	ca, err := os.ReadFile(sb.VaultCA())
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, sb: sb, mem: newMemory(), root: sb.RootVault(t), mount: sb.KVMount(t, 2), ca: ca, now: time.Now(), counts: map[string]int{}}
	sb.Put(t, b.mount, "app/db", map[string]any{"password": "canary-value"})
	b.sessions = &Sessions{Resolver: Resolver{Cluster: b.mem}, Now: b.clock, Observe: func(call string, ok bool) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.counts[fmt.Sprintf("%s %v", call, ok)]++
	}}
	t.Cleanup(func() { b.sessions.Close(context.Background()) })
	return b
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func (b *bench) count(call string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counts[call+" true"]
}

func (b *bench) pass() *Pass { return &Pass{Sessions: b.sessions, Objects: b.mem, Class: "default"} }

// provider is a store's provider of the bench's mount.
func (b *bench) provider(auth eso.VaultAuth) eso.VaultProvider {
	return eso.VaultProvider{Server: b.sb.VaultAddress(0), Path: &b.mount, Version: "v2", CABundle: b.ca, Auth: &auth}
}

// policy makes a policy that reads the mount's data and returns its name.
func (b *bench) policy() string {
	b.t.Helper()
	name := "read-" + b.mount
	if err := b.root.Sys().PutPolicy(name, fmt.Sprintf(`path "%s/data/*" { capabilities = ["read"] }`, b.mount)); err != nil {
		b.t.Fatal(err)
	}
	return name
}

func (b *bench) write(path string, data map[string]any) *api.Secret {
	b.t.Helper()
	secret, err := b.root.Logical().Write(path, data)
	if err != nil {
		b.t.Fatal(err)
	}
	return secret
}

// auth enables an auth method for the test and returns its path.
func (b *bench) auth(kind string) string {
	b.t.Helper()
	path := kind + "-" + strings.TrimPrefix(b.mount, "kv-")
	if err := b.root.Sys().EnableAuthWithOptions(path, &api.EnableAuthOptions{Type: kind}); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = b.root.Sys().DisableAuth(path) })
	return path
}

// appRole makes a role and returns its auth stanza; the secret id is Secret
// apps/approle. more are further fields of the role.
func (b *bench) appRole(more map[string]any) eso.VaultAuth {
	b.t.Helper()
	path := b.auth("approle")
	role := map[string]any{"token_policies": b.policy(), "token_ttl": "1h", "token_max_ttl": "4h"}
	for k, v := range more {
		role[k] = v
	}
	b.write("auth/"+path+"/role/app", role)
	id, err := b.root.Logical().Read("auth/" + path + "/role/app/role-id")
	if err != nil {
		b.t.Fatal(err)
	}
	b.mem.put("apps", "approle", map[string]string{"secret-id": b.secretID(path)})
	return eso.VaultAuth{AppRole: &eso.AppRoleAuth{Path: path, RoleID: id.Data["role_id"].(string), SecretRef: eso.SecretKeySelector{Name: "approle", Key: "secret-id"}}}
}

func (b *bench) secretID(path string) string {
	return b.write("auth/"+path+"/role/app/secret-id", nil).Data["secret_id"].(string)
}

// token makes Secret apps/token with a new token of the policy and returns its auth
// stanza and accessor.
func (b *bench) token() (eso.VaultAuth, string) {
	b.t.Helper()
	secret, err := b.root.Auth().Token().Create(&api.TokenCreateRequest{Policies: []string{b.policy()}, TTL: "1h"})
	if err != nil {
		b.t.Fatal(err)
	}
	b.mem.put("apps", "token", map[string]string{"token": secret.Auth.ClientToken + "\n"})
	return eso.VaultAuth{TokenSecretRef: &eso.SecretKeySelector{Name: "token", Key: "token"}}, secret.Auth.Accessor
}

// read opens the SecretStore of a name from namespace apps in a new pass and reads.
func (b *bench) read(name, key string) (kv.Payload, error) {
	reader, err := b.pass().Open(b.t.Context(), eso.StoreRef{Kind: eso.KindSecretStore, Name: name}, "apps")
	if err != nil {
		return kv.Payload{}, err
	}
	return reader.Read(b.t.Context(), kv.Ref{Key: key})
}

// mustRead fails the test unless the read gives the value.
func (b *bench) mustRead(name string) {
	b.t.Helper()
	payload, err := b.read(name, "app/db")
	if err != nil {
		b.t.Fatal(err)
	}
	if payload.Fields()["password"] != "canary-value" {
		b.t.Errorf("read %v", payload)
	}
}

// alive reports whether Vault knows the accessor's token.
func (b *bench) alive(accessor string) bool {
	_, err := b.root.Auth().Token().LookupAccessor(accessor)
	return err == nil
}

// accessors returns those of the live sessions of a store.
func (b *bench) accessors() []string {
	b.sessions.mu.Lock()
	defer b.sessions.mu.Unlock()
	var out []string
	for _, s := range b.sessions.live {
		s.mu.Lock()
		out = append(out, s.token.Accessor)
		s.mu.Unlock()
	}
	return out
}
