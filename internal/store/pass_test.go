package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

var vaultRef = eso.StoreRef{Kind: eso.KindSecretStore, Name: "vault"}

func TestOneReadPerPathAndPass(t *testing.T) {
	b := newBench(t)
	auth, _ := b.token()
	b.mem.add(eso.KindSecretStore, "vault", b.provider(auth))
	b.sb.Put(t, b.mount, "app/db", map[string]any{"password": "canary-value"})
	pass := b.pass()
	var all sync.WaitGroup
	for range 50 {
		for _, ref := range []kv.Ref{{Key: "app/db"}, {Key: b.mount + "/app/db"}, {Key: "/app//db"}, {Key: "app/db", Version: "1"}} {
			all.Go(func() {
				reader, err := pass.Open(t.Context(), vaultRef, "apps")
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := reader.Read(t.Context(), ref); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	if got := b.count("ReadSecretData"); got != 2 {
		t.Errorf("%d reads of one path in two versions, want 2", got)
	}
	b.mustRead("vault")
	if got := b.count("ReadSecretData"); got != 3 {
		t.Errorf("another pass reads again: %d", got)
	}
}

func TestList(t *testing.T) {
	b := newBench(t)
	auth := eso.VaultAuth{TokenSecretRef: &eso.SecretKeySelector{Name: "root", Key: "token"}}
	b.mem.put("apps", "root", map[string]string{"token": b.sb.RootToken})
	b.mem.add(eso.KindSecretStore, "vault", b.provider(auth))
	b.sb.Put(t, b.mount, "top", map[string]any{"a": "1"})
	reader, err := b.pass().Open(t.Context(), vaultRef, "apps")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if names, err := reader.List(t.Context(), ""); err != nil || fmt.Sprint(names) != "[app/db top]" {
			t.Errorf("%v, %v", names, err)
		}
	}
	if got := b.count("ListSecrets"); got != 1 {
		t.Errorf("%d lists, want 1", got)
	}
}

func TestWhoseStore(t *testing.T) {
	b := newBench(t)
	auth, _ := b.token()
	b.mem.add(eso.KindSecretStore, "other-class", b.provider(auth)).Spec.Controller = "other"
	b.mem.add(eso.KindSecretStore, "own-class", b.provider(auth)).Spec.Controller = "default"
	b.mem.add(eso.KindSecretStore, "other-provider", b.provider(auth)).Spec.Provider = eso.Provider{}
	for _, name := range []string{"other-class", "other-provider"} {
		if _, err := b.read(name, "app/db"); !errors.Is(err, kv.ErrForeignStore) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.mustRead("own-class")
	_, err := b.read("missing", "app/db")
	if kv.KindOf(err) != kv.BadConfig || !strings.Contains(err.Error(), `could not get SecretStore "missing", it does not exist in namespace apps`) {
		t.Errorf("%v", err)
	}
	b.mem.fail = errors.New("the API server is away")
	if _, err := b.read("own-class", "app/db"); kv.KindOf(err) != kv.Unreachable {
		t.Errorf("unknown whether the store exists: %v", err)
	}
}

func TestConditions(t *testing.T) {
	selector := func(labels map[string]string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: labels}
	}
	tests := []struct {
		name       string
		conditions []eso.StoreCondition
		admitted   bool
		kind       kv.Kind
	}{
		{"none", nil, true, ""},
		{"by name", []eso.StoreCondition{{Namespaces: []string{"x", "apps"}}}, true, ""},
		{"by another name", []eso.StoreCondition{{Namespaces: []string{"app"}}}, false, kv.Denied},
		{"by regular expression, unanchored", []eso.StoreCondition{{NamespaceRegexes: []string{"pp"}}}, true, ""},
		{"by another expression", []eso.StoreCondition{{NamespaceRegexes: []string{"^pp"}}}, false, kv.Denied},
		{"by selector", []eso.StoreCondition{{NamespaceSelector: selector(map[string]string{"team": "blue"})}}, true, ""},
		{"by another selector", []eso.StoreCondition{{NamespaceSelector: selector(map[string]string{"team": "red"})}}, false, kv.Denied},
		{"an empty selector is everything", []eso.StoreCondition{{NamespaceSelector: selector(nil)}}, true, ""},
		{"an empty condition is nothing", []eso.StoreCondition{{}}, false, kv.Denied},
		{"any member of one", []eso.StoreCondition{{Namespaces: []string{"x"}, NamespaceRegexes: []string{"y", "^apps$"}}}, true, ""},
		{"any of several", []eso.StoreCondition{{Namespaces: []string{"x"}}, {Namespaces: []string{"apps"}}}, true, ""},
		{"a bad expression", []eso.StoreCondition{{NamespaceRegexes: []string{"("}}}, false, kv.BadConfig},
		{"a bad selector", []eso.StoreCondition{{NamespaceSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Near"}}}}}, false, kv.BadConfig},
	}
	mem := newMemory()
	mem.namespaces["apps"] = map[string]string{"team": "blue"}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store := mem.add(eso.KindClusterSecretStore, "shared", eso.VaultProvider{})
			store.Spec.Conditions = tt.conditions
			err := (&Pass{Objects: mem}).admits(t.Context(), store, "apps")
			if (err == nil) != tt.admitted || kv.KindOf(err) != tt.kind {
				t.Errorf("%v, want admitted %v", err, tt.admitted)
			}
			if tt.kind == kv.Denied && err.Error() != `using cluster store "shared" is not allowed from namespace "apps": denied by spec.condition` {
				t.Errorf("text: %v", err)
			}
		})
	}
	own := mem.add(eso.KindSecretStore, "own", eso.VaultProvider{})
	own.Spec.Conditions = []eso.StoreCondition{{Namespaces: []string{"x"}}}
	if err := (&Pass{Objects: mem}).admits(t.Context(), own, "apps"); err != nil {
		t.Errorf("conditions of a SecretStore count for nothing: %v", err)
	}
}

// N13, and one probe per pass: a store that is down is dialled once, whatever the
// number of mappings, and the next pass tries again.
func TestNeverProbesADeadStoreTwicePerPass(t *testing.T) {
	b := newBench(t)
	auth := b.appRole(nil)
	provider := b.provider(auth)
	zero := int32(0)
	provider.Server = "https://127.0.0.1:1"
	b.mem.add(eso.KindSecretStore, "vault", provider).Spec.RetrySettings = &eso.RetrySettings{MaxRetries: &zero}
	var dials atomic.Int64
	b.sessions.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		dials.Add(1)
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	for pass := 1; pass <= 2; pass++ {
		p := b.pass()
		texts := map[string]bool{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 30 {
			all.Go(func() {
				_, err := p.Open(t.Context(), vaultRef, "apps")
				if kv.KindOf(err) != kv.Unreachable {
					t.Errorf("%v", err)
				}
				mu.Lock()
				defer mu.Unlock()
				texts[fmt.Sprint(err)] = true
			})
		}
		all.Wait()
		if int(dials.Load()) != pass || len(texts) != 1 {
			t.Errorf("pass %d: %d dials, texts %v", pass, dials.Load(), texts)
		}
	}
}

// A store that goes down in the middle of a pass is not asked for the other paths.
func TestDownInTheMiddleOfAPass(t *testing.T) {
	b := newBench(t)
	auth, _ := b.token()
	zero := int32(0)
	b.mem.add(eso.KindSecretStore, "vault", b.provider(auth)).Spec.RetrySettings = &eso.RetrySettings{MaxRetries: &zero}
	reader, err := b.pass().Open(t.Context(), vaultRef, "apps")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.sb.SealVault(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.sb.UnsealVault(context.Background()); err != nil {
			t.Fatal(err)
		}
	}()
	for _, key := range []string{"app/db", "other", "third"} {
		if _, err := reader.Read(t.Context(), kv.Ref{Key: key}); kv.KindOf(err) != kv.Sealed || !strings.Contains(err.Error(), "kubectl vaultsecret unseal") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// N13: a store whose Vault hangs holds nobody else up, and whoever gives up waiting
// spoils the answer for nobody.
func TestNeverWaitsForAnotherStore(t *testing.T) {
	b := newBench(t)
	auth, _ := b.token()
	b.mem.add(eso.KindSecretStore, "vault", b.provider(auth))
	slow := b.provider(auth)
	slow.Server = "https://127.0.0.1:2"
	b.mem.add(eso.KindSecretStore, "slow", slow)
	release, dialled := make(chan struct{}), make(chan struct{}, 10)
	b.sessions.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == "127.0.0.1:2" {
			dialled <- struct{}{}
			select {
			case <-release:
				address = strings.TrimPrefix(b.sb.VaultAddress(0), "https://")
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	pass := b.pass()
	reader, err := pass.Open(t.Context(), eso.StoreRef{Kind: eso.KindSecretStore, Name: "slow"}, "apps")
	if err != nil {
		t.Fatal(err)
	}
	impatient, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error)
	go func() {
		_, err := reader.Read(impatient, kv.Ref{Key: "app/db"})
		gaveUp <- err
	}()
	<-dialled
	b.mustRead("vault")
	cancel()
	if err := <-gaveUp; kv.KindOf(err) != kv.Unreachable {
		t.Errorf("%v", err)
	}
	close(release)
	payload, err := reader.Read(t.Context(), kv.Ref{Key: "app/db"})
	if err != nil || payload.Fields()["password"] != "canary-value" {
		t.Errorf("the one who waits gets the answer: %v", err)
	}
}

func TestValidate(t *testing.T) {
	b := newBench(t)
	store := b.mem.add(eso.KindSecretStore, "vault", b.provider(b.appRole(nil)))
	for range 3 {
		if err := b.pass().Validate(t.Context(), store); err != nil {
			t.Fatal(err)
		}
	}
	if b.count("Login") != 1 || b.count("LookupSelf") != 3 {
		t.Errorf("%v", b.counts)
	}
	b.mustRead("vault")
	if b.count("Login") != 1 {
		t.Errorf("validation and mappings do not share the session: %v", b.counts)
	}
	b.mem.put("apps", "token", map[string]string{"token": "hvs.wrongwrongwrongwrongwrong"})
	wrong := b.mem.add(eso.KindSecretStore, "wrong", b.provider(eso.VaultAuth{TokenSecretRef: &eso.SecretKeySelector{Name: "token", Key: "token"}}))
	if err := b.pass().Validate(t.Context(), wrong); kv.KindOf(err) != kv.BadCredential || !strings.HasPrefix(err.Error(), "invalid vault credentials: ") {
		t.Errorf("%v", err)
	}
}

// A referent store is valid without contact, but its CA is loaded.
func TestValidateReferent(t *testing.T) {
	b := newBench(t)
	provider := b.provider(eso.VaultAuth{TokenSecretRef: &eso.SecretKeySelector{Name: "token", Key: "token"}})
	provider.Server = "https://vault.invalid"
	store := b.mem.add(eso.KindClusterSecretStore, "referent", provider)
	if err := b.pass().Validate(t.Context(), store); err != nil {
		t.Errorf("%v", err)
	}
	infra := "infra"
	store.Spec.Provider.Vault.CABundle = nil
	store.Spec.Provider.Vault.CAProvider = &eso.CAProvider{Type: "Secret", Name: "ca", Key: "ca.crt", Namespace: &infra}
	if err := b.pass().Validate(t.Context(), store); kv.KindOf(err) != kv.BadConfig || !strings.Contains(err.Error(), `"ca" from namespace "infra"`) {
		t.Errorf("%v", err)
	}
	b.mem.put("infra", "ca", map[string]string{"ca.crt": "no pem"})
	if err := b.pass().Validate(t.Context(), store); kv.KindOf(err) != kv.BadConfig || !strings.Contains(err.Error(), "holds no PEM certificate") {
		t.Errorf("%v", err)
	}
	b.mem.put("infra", "ca", map[string]string{"ca.crt": string(b.ca)})
	if err := b.pass().Validate(t.Context(), store); err != nil {
		t.Errorf("%v", err)
	}
	if len(b.counts) != 0 {
		t.Errorf("Vault was contacted: %v", b.counts)
	}
}
