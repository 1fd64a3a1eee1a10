package gather_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
)

// blindToken is one without Vault's default policy: it may read the mount's data under
// app/, and neither look itself up nor ask for its capabilities.
func (s *stack) blindToken() string {
	s.t.Helper()
	name := "blind-" + s.mount
	if err := s.RootVault(s.t).Sys().PutPolicyWithContext(s.t.Context(), name, fmt.Sprintf(`path "%s/data/app/*" { capabilities = ["read"] }`, s.mount)); err != nil {
		s.t.Fatal(err)
	}
	secret, err := s.RootVault(s.t).Auth().Token().CreateWithContext(s.t.Context(), &api.TokenCreateRequest{Policies: []string{name}, NoDefaultPolicy: true, TTL: "1h"})
	if err != nil {
		s.t.Fatal(err)
	}
	return secret.Auth.ClientToken
}

// A token that may not look itself up is no bad token: the controller syncs with it.
// What it is stays unknown, except that it is no root token.
func TestTokenThatMayNotLookItselfUp(t *testing.T) {
	s := newStack(t)
	s.long = s.blindToken()
	store, mapping := s.healthy(mappingDoc)
	s.apply(store)
	s.apply(mapping)
	_, r := s.diagnose(nil)
	if len(r.RootCauses) > 0 {
		t.Errorf("root causes %v", r.RootCauses)
	}
	for _, c := range r.Checks {
		want := map[string]diagnose.Status{"VS502": diagnose.StatusOK, "VS503": diagnose.StatusUnknown, "VS504": diagnose.StatusOK, "VS506": "none", "VS602": diagnose.StatusOK}[c.Code]
		if want != "" && c.Status != want {
			t.Errorf("%s is %s, want %s: %s", c.Code, c.Status, want, c.Message)
		}
	}
}

// A path that is denied to it is the policy's fault, not the token's.
func TestTokenThatMayNotLookItselfUpNorReadThePath(t *testing.T) {
	s := newStack(t)
	s.credential(s.blindToken())
	s.apply(s.store())
	s.apply(strings.Replace(mappingDoc, "app/db", "other/db", 1))
	f, r := s.diagnose(nil)
	one(t, f, r, "VS504", []string{`no "read" on ` + s.mount + "/data/other/db"})
}

// One that came of a login is repeated when it ends: nothing about it is unknown.
func TestLoginThatMayNotLookItselfUp(t *testing.T) {
	s := newStack(t)
	path, role := s.appRole()
	s.write("auth/"+path+"/role/app", map[string]any{"token_no_default_policy": true})
	s.keep("approle", map[string]string{"id": s.field("auth/"+path+"/role/app/secret-id", "secret_id")})
	s.apply(s.with("{appRole: {path: " + path + ", roleId: " + role + ", secretRef: {name: approle, key: id}}}"))
	s.apply(mappingDoc)
	_, r := s.diagnose(nil)
	for _, c := range r.Checks {
		if strings.HasPrefix(c.Code, "VS5") && c.Status != diagnose.StatusOK {
			t.Errorf("%s is %s: %s", c.Code, c.Status, c.Message)
		}
	}
}
