package store

import (
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// A token without Vault's default policy may not look itself up. It syncs all the same:
// the refusal says nothing of the token.
func TestTokenThatMayNotLookItselfUp(t *testing.T) {
	b := newBench(t)
	login := b.mem.add(eso.KindSecretStore, "login", b.provider(b.appRole(map[string]any{"token_no_default_policy": true})))
	secret, err := b.root.Auth().Token().Create(&api.TokenCreateRequest{Policies: []string{b.policy()}, NoDefaultPolicy: true, TTL: "1h"})
	if err != nil {
		t.Fatal(err)
	}
	b.mem.put("apps", "blind", map[string]string{"token": secret.Auth.ClientToken})
	static := b.mem.add(eso.KindSecretStore, "static", b.provider(eso.VaultAuth{TokenSecretRef: &eso.SecretKeySelector{Name: "blind", Key: "token"}}))
	for _, store := range []eso.Store{login, static} {
		pass := b.pass()
		if err := pass.Validate(t.Context(), store); err != nil {
			t.Errorf("%s: not valid: %v", store, err)
		}
		// The same pass goes on reading.
		reader, err := pass.Open(t.Context(), eso.StoreRef{Kind: eso.KindSecretStore, Name: store.Meta.Name}, "apps")
		if err != nil {
			t.Fatalf("%s: %v", store, err)
		}
		if _, err := reader.Read(t.Context(), kv.Ref{Key: "app/db"}); err != nil {
			t.Errorf("%s: %v", store, err)
		}
		// A path that is denied is no fault of the token, nor of the store.
		_, err = reader.Read(t.Context(), kv.Ref{Key: "app/db", Metadata: true})
		if kv.KindOf(err) != kv.Denied || !strings.Contains(err.Error(), `must allow "read" on`) {
			t.Errorf("%s: %s, %v", store, kv.KindOf(err), err)
		}
		if _, err := reader.Read(t.Context(), kv.Ref{Key: "app/db", Version: "1"}); err != nil {
			t.Errorf("%s: after a denied path: %v", store, err)
		}
	}
	if b.count("Login") != 1 {
		t.Errorf("%d logins, want 1: %v", b.count("Login"), b.counts)
	}
	// One that Vault calls invalid is.
	if err := b.root.Auth().Token().RevokeAccessor(secret.Auth.Accessor); err != nil {
		t.Fatal(err)
	}
	if err := b.pass().Validate(t.Context(), static); kv.KindOf(err) != kv.BadCredential {
		t.Errorf("revoked: %v", err)
	}
	if _, err := b.read("static", "app/db"); kv.KindOf(err) != kv.BadCredential {
		t.Errorf("revoked: %v", err)
	}
}
