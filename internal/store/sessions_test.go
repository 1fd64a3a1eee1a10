package store

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

func TestOneLoginServesManyPasses(t *testing.T) {
	b := newBench(t)
	b.mem.add(eso.KindSecretStore, "vault", b.provider(b.appRole(nil)))
	for range 5 {
		b.mustRead("vault")
	}
	if got := b.count("Login"); got != 1 {
		t.Errorf("%d logins for five passes, want 1", got)
	}
	if got := b.count("ReadSecretData"); got != 5 {
		t.Errorf("%d reads, want 5", got)
	}
}

func TestConcurrentPassesShareOneLogin(t *testing.T) {
	b := newBench(t)
	b.mem.add(eso.KindSecretStore, "vault", b.provider(b.appRole(nil)))
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := b.read("vault", "app/db"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := b.count("Login"); got != 1 {
		t.Errorf("%d logins, want 1", got)
	}
}

// A wrong credential that many wait for is tried once.
func TestConcurrentPassesShareOneRefusal(t *testing.T) {
	b := newBench(t)
	auth := b.appRole(nil)
	b.mem.put("apps", "approle", map[string]string{"secret-id": "wrong"})
	b.mem.add(eso.KindSecretStore, "vault", b.provider(auth))
	pass := b.pass()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, err := pass.Open(t.Context(), eso.StoreRef{Kind: eso.KindSecretStore, Name: "vault"}, "apps")
			if kv.KindOf(err) != kv.BadCredential {
				t.Errorf("%v", err)
			}
		})
	}
	all.Wait()
	if got := b.counts["Login false"]; got != 1 {
		t.Errorf("%d logins, want 1", got)
	}
}

func TestRenewsAtTwoThirdsAndLogsInAtMaxTTL(t *testing.T) {
	b := newBench(t)
	b.mem.add(eso.KindSecretStore, "vault", b.provider(b.appRole(map[string]any{"token_ttl": "1h", "token_max_ttl": "1h10m"})))
	b.mustRead("vault")
	first := b.accessors()[0]
	b.advance(30 * time.Minute)
	b.sessions.Tick(b.clock())
	b.sessions.work.Wait()
	b.mustRead("vault")
	if b.count("RenewSelf") != 0 || b.count("Login") != 1 {
		t.Fatalf("before two thirds: %v", b.counts)
	}
	b.advance(11 * time.Minute)
	b.mustRead("vault")
	if b.count("RenewSelf") != 1 || b.count("Login") != 1 || b.accessors()[0] != first {
		t.Fatalf("at two thirds: %v", b.counts)
	}
	// Renewing gives less and less towards max_ttl: a new login takes over before.
	b.write("auth/token/renew-accessor", map[string]any{"accessor": first, "increment": "1s"})
	role := "auth/" + b.mem.stores["SecretStore apps/vault"].Spec.Provider.Vault.Auth.AppRole.Path + "/role/app"
	b.write(role, map[string]any{"token_ttl": "10m", "token_max_ttl": "10m", "token_policies": b.policy()})
	b.advance(41 * time.Minute)
	b.sessions.Tick(b.clock())
	b.sessions.work.Wait()
	if b.count("Login") != 2 {
		t.Fatalf("near max ttl: %v", b.counts)
	}
	if second := b.accessors()[0]; second == first || b.alive(first) || !b.alive(second) {
		t.Errorf("the old token must be revoked and the new one alive: %v", b.counts)
	}
	b.mustRead("vault")
}

func TestExpiredTokenIsReplacedBeforeUse(t *testing.T) {
	b := newBench(t)
	b.mem.add(eso.KindSecretStore, "vault", b.provider(b.appRole(nil)))
	b.mustRead("vault")
	b.advance(59*time.Minute + 58*time.Second)
	b.mustRead("vault")
	if b.count("Login") != 2 || b.counts["ReadSecretData false"] != 0 {
		t.Errorf("%v", b.counts)
	}
}

// A token that somebody revokes costs no failed read, whether it is noticed at the
// first read of a pass or between two.
func TestRevokedTokenCostsNoRead(t *testing.T) {
	b := newBench(t)
	b.mem.add(eso.KindSecretStore, "vault", b.provider(b.appRole(nil)))
	b.sb.Put(t, b.mount, "other", map[string]any{"a": "1"})
	reader, err := b.pass().Open(t.Context(), eso.StoreRef{Kind: eso.KindSecretStore, Name: "vault"}, "apps")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"app/db", "other"} {
		if err := b.root.Auth().Token().RevokeAccessor(b.accessors()[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := reader.Read(t.Context(), kv.Ref{Key: key}); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	if b.count("Login") != 3 || b.counts["ReadSecretData false"] != 0 {
		t.Errorf("%v", b.counts)
	}
}

// Many readers find the same dead token: one login serves them all.
func TestRevokedTokenUnderLoad(t *testing.T) {
	b := newBench(t)
	b.mem.add(eso.KindSecretStore, "vault", b.provider(b.appRole(nil)))
	b.mustRead("vault")
	if err := b.root.Auth().Token().RevokeAccessor(b.accessors()[0]); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := b.read("vault", "app/db"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if b.count("Login") != 2 {
		t.Errorf("%v", b.counts)
	}
}

func TestStaticTokenIsReadAgain(t *testing.T) {
	b := newBench(t)
	auth, first := b.token()
	b.mem.add(eso.KindSecretStore, "vault", b.provider(auth))
	reader, err := b.pass().Open(t.Context(), eso.StoreRef{Kind: eso.KindSecretStore, Name: "vault"}, "apps")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.root.Auth().Token().RevokeAccessor(first); err != nil {
		t.Fatal(err)
	}
	_, second := b.token() // somebody replaces the Secret while the pass runs
	if _, err := reader.Read(t.Context(), kv.Ref{Key: "app/db"}); err != nil {
		t.Errorf("after the Secret was replaced: %v", err)
	}
	if err := b.root.Auth().Token().RevokeAccessor(second); err != nil {
		t.Fatal(err)
	}
	if _, err := b.read("vault", "app/db"); kv.KindOf(err) != kv.BadCredential {
		t.Errorf("a dead static token: %v", err)
	}
}

func TestCloseRevokesWhatWeGot(t *testing.T) {
	b := newBench(t)
	b.mem.add(eso.KindSecretStore, "ours", b.provider(b.appRole(nil)))
	auth, static := b.token()
	b.mem.add(eso.KindSecretStore, "theirs", b.provider(auth))
	b.mustRead("ours")
	got := b.accessors()[0]
	b.mustRead("theirs")
	b.sessions.Close(context.Background())
	if b.alive(got) {
		t.Error("the token of a login outlives Close")
	}
	if !b.alive(static) {
		t.Error("a static token was revoked")
	}
	if b.count("RevokeSelf") != 1 {
		t.Errorf("%v", b.counts)
	}
}

func TestBatchTokenIsNeitherRenewedNorRevoked(t *testing.T) {
	b := newBench(t)
	b.mem.add(eso.KindSecretStore, "vault", b.provider(b.appRole(map[string]any{"token_type": "batch", "token_max_ttl": "1h"})))
	b.mustRead("vault")
	b.advance(45 * time.Minute)
	b.mustRead("vault")
	b.sessions.Close(context.Background())
	if b.count("Login") != 2 || b.counts["RenewSelf true"]+b.counts["RenewSelf false"]+b.counts["RevokeSelf true"]+b.counts["RevokeSelf false"] != 0 {
		t.Errorf("%v", b.counts)
	}
}

func TestUsesLimitedTokenIsReplacedInTime(t *testing.T) {
	b := newBench(t)
	b.mem.add(eso.KindSecretStore, "vault", b.provider(b.appRole(map[string]any{"token_num_uses": 7})))
	for range 6 {
		b.mustRead("vault")
	}
	if b.counts["ReadSecretData false"] != 0 || b.count("Login") != 3 {
		t.Errorf("%v", b.counts)
	}
	b = newBench(t)
	b.mem.add(eso.KindSecretStore, "once", b.provider(b.appRole(map[string]any{"token_num_uses": 1})))
	for range 3 {
		b.mustRead("once")
	}
}

func TestUnusedSessionIsGivenBack(t *testing.T) {
	b := newBench(t)
	b.mem.add(eso.KindSecretStore, "vault", b.provider(b.appRole(map[string]any{"token_ttl": "8h", "token_max_ttl": "24h"})))
	b.mustRead("vault")
	accessor := b.accessors()[0]
	b.advance(119 * time.Minute)
	b.sessions.Tick(b.clock())
	if len(b.accessors()) != 1 {
		t.Fatal("dropped too early")
	}
	b.advance(2 * time.Minute)
	b.sessions.Tick(b.clock())
	b.sessions.work.Wait()
	if len(b.accessors()) != 0 || b.alive(accessor) {
		t.Error("an unused session is kept")
	}
	b.mustRead("vault")
}

// The whole life in real time: a ttl of three seconds, renewed, and a new login before
// five, under steady reading. Not one read fails.
func TestNoGapInRealTime(t *testing.T) {
	b := newBench(t)
	b.mem.add(eso.KindSecretStore, "vault", b.provider(b.appRole(map[string]any{"token_ttl": "3s", "token_max_ttl": "5s"})))
	start := time.Now()
	for b.count("Login") < 3 && time.Since(start) < time.Minute {
		b.mu.Lock()
		b.now = time.Now()
		b.mu.Unlock()
		b.mustRead("vault")
	}
	if b.counts["ReadSecretData false"] != 0 || b.count("Login") < 3 || b.count("RenewSelf") < 2 {
		t.Errorf("%v", b.counts)
	}
}

// A changed credential takes over; the old token is revoked, but not while a call runs
// under it.
func TestChangedCredentialTakesOver(t *testing.T) {
	b := newBench(t)
	auth := b.appRole(nil)
	b.mem.add(eso.KindSecretStore, "vault", b.provider(auth))
	b.mustRead("vault")
	old := b.accessors()[0]
	b.sessions.mu.Lock()
	var session *session
	for _, s := range b.sessions.live {
		session = s
	}
	b.sessions.mu.Unlock()
	session.mu.Lock()
	session.calls++
	session.mu.Unlock()
	b.mem.put("apps", "approle", map[string]string{"secret-id": b.secretID(auth.AppRole.Path)})
	b.mustRead("vault")
	b.sessions.work.Wait()
	if !b.alive(old) {
		t.Error("revoked while a call runs under it")
	}
	b.sessions.done(session)
	b.sessions.work.Wait()
	if b.alive(old) || len(b.accessors()) != 1 {
		t.Errorf("the old token lives on, or %d sessions", len(b.accessors()))
	}
}

// A lookup of the accessor list shows that nothing leaks over a life with changes.
func TestNoTokenLeaks(t *testing.T) {
	b := newBench(t)
	auth := b.appRole(nil)
	store := b.mem.add(eso.KindSecretStore, "vault", b.provider(auth))
	for i := range 4 {
		b.mustRead("vault")
		store.Meta.Generation = int64(2 + i)
		b.mustRead("vault")
		b.mem.put("apps", "approle", map[string]string{"secret-id": b.secretID(auth.AppRole.Path)})
	}
	b.sessions.Close(context.Background())
	if left := b.tokensOf(auth.AppRole.Path); left != 0 {
		t.Errorf("%d tokens of the role are left", left)
	}
}

// tokensOf counts Vault's live tokens of an auth path.
func (b *bench) tokensOf(path string) int {
	list, err := b.root.Logical().List("auth/token/accessors")
	if err != nil {
		b.t.Fatal(err)
	}
	count := 0
	for _, accessor := range list.Data["keys"].([]any) {
		var secret *api.Secret
		if secret, err = b.root.Auth().Token().LookupAccessor(accessor.(string)); err == nil && secret.Data["path"] == "auth/"+path+"/login" {
			count++
		}
	}
	return count
}
