package gather_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// The faults are injected into a real API server and a real Vault; no controller
// runs, so nothing but the look itself can find the cause.
func TestFaultsOnTheRealStack(t *testing.T) {
	for _, fault := range []struct {
		name, code string
		says       []string
		do         func(s *stack) (store, mapping string)
	}{
		{"wrong token", "VS502", []string{"auth.tokenSecretRef", "SecretStore/"}, func(s *stack) (string, string) {
			s.credential("hvs.wrong")
			return s.store(), mappingDoc
		}},
		{"token Secret missing", "VS501", []string{"/vault-token does not exist"}, func(s *stack) (string, string) {
			return s.store(), mappingDoc
		}},
		{"key of the Secret missing", "VS501", []string{`no key "tokn"`, `did you mean "token"`}, func(s *stack) (string, string) {
			s.credential(s.token)
			return strings.Replace(s.store(), "key: token", "key: tokn", 1), mappingDoc
		}},
		{"token without the policy", "VS504", []string{`no "read" on`, "/data/other/db"}, func(s *stack) (string, string) {
			s.credential(s.VaultToken(s.t, fmt.Sprintf(`path "%s/data/app/*" { capabilities = ["read"] }`, s.mount)))
			return s.store(), strings.Replace(mappingDoc, "app/db", "other/db", 1)
		}},
		{"token with the default policy alone", "VS504", []string{`no "read" on`}, func(s *stack) (string, string) {
			s.credential(s.VaultToken(s.t, `path "sys/health" { capabilities = ["read"] }`))
			return s.store(), mappingDoc
		}},
		{"store missing", "VS301", []string{"SecretStore/", "spec.secretStoreRef.name", `did you mean "vault"`}, func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), strings.Replace(mappingDoc, "{name: vault, kind", "{name: valt, kind", 1)
		}},
		{"store of another class", "VS306", []string{`class "other"`, "spec.controller"}, func(s *stack) (string, string) {
			s.credential(s.token)
			return strings.Replace(s.store(), "spec:\n", "spec:\n  controller: other\n", 1), mappingDoc
		}},
		{"mount missing, root sees it", "VS601", []string{"no mount nomount"}, func(s *stack) (string, string) {
			s.credential(s.RootToken)
			return strings.Replace(s.store(), "path: "+s.mount, "path: nomount", 1), mappingDoc
		}},
		{"mount missing, a limited token sees it", "VS601", []string{"no mount nomount"}, func(s *stack) (string, string) {
			s.credential(s.VaultToken(s.t, `path "nomount/data/*" { capabilities = ["read"] }`))
			return strings.Replace(s.store(), "path: "+s.mount, "path: nomount", 1), mappingDoc
		}},
		{"mount misspelt", "VS601", []string{"sees no mount", "did you mean"}, func(s *stack) (string, string) {
			s.credential(s.token)
			return strings.Replace(s.store(), "path: "+s.mount, "path: "+s.mount[:len(s.mount)-1], 1), mappingDoc
		}},
		{"KV version mismatch", "VS604", []string{"KV version 2", "spec.provider.vault.version"}, func(s *stack) (string, string) {
			s.credential(s.RootToken)
			return strings.Replace(s.store(), "version: v2", "version: v1", 1), mappingDoc
		}},
		{"path missing", "VS602", []string{"/data/app/dbb", "spec.data[0].remoteRef.key"}, func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), strings.Replace(mappingDoc, "app/db", "app/dbb", 1)
		}},
		{"path misspelt, the token may list", "VS602", []string{`did you mean "db"`}, func(s *stack) (string, string) {
			s.credential(s.VaultToken(s.t, fmt.Sprintf(`path "%s/*" { capabilities = ["read", "list"] }`, s.mount)))
			return s.store(), strings.Replace(mappingDoc, "app/db", "app/bd", 1)
		}},
		{"version destroyed", "VS603", []string{"version 1 of", "destroyed", "spec.data[0].remoteRef.version"}, func(s *stack) (string, string) {
			s.credential(s.token)
			if err := s.RootVault(s.t).KVv2(s.mount).Destroy(s.t.Context(), "app/db", []int{1}); err != nil {
				s.t.Fatal(err)
			}
			return s.store(), strings.Replace(mappingDoc, "property: password", `version: "1", property: password`, 1)
		}},
		{"newest version deleted", "VS603", []string{"newest version", "deleted"}, func(s *stack) (string, string) {
			s.credential(s.token)
			if err := s.RootVault(s.t).KVv2(s.mount).Delete(s.t.Context(), "app/db"); err != nil {
				s.t.Fatal(err)
			}
			return s.store(), mappingDoc
		}},
		{"property missing", "VS605", []string{`property "pasword"`, `did you mean "password"`, "it has password, user"}, func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), strings.Replace(mappingDoc, "property: password", "property: pasword", 1)
		}},
		{"value is no base64", "VS607", []string{"spec.data[0].remoteRef", "Base64"}, func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), strings.Replace(mappingDoc, "property: password", "property: password, decodingStrategy: Base64", 1)
		}},
		{"template fails", "VS608", []string{"spec.target.template"}, func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), mappingDoc + "  target: {template: {data: {url: '{{ .host.name }}'}}}\n"
		}},
		{"find matches nothing", "VS606", []string{"spec.dataFrom[0].find"}, func(s *stack) (string, string) {
			s.credential(s.RootToken)
			return s.store(), findDoc("zzz")
		}},
		{"find may not list", "VS505", []string{`no "list" on`}, func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), findDoc(".*")
		}},
		{"Merge target missing", "VS209", []string{"/api-db does not exist", "creationPolicy Merge"}, func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), mappingDoc + "  target: {creationPolicy: Merge}\n"
		}},
		{"Secret owned by another ExternalSecret", "VS207", []string{"owned by another ExternalSecret, older"}, func(s *stack) (string, string) {
			s.credential(s.token)
			yes := true
			s.secret(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "api-db", OwnerReferences: []metav1.OwnerReference{{
				APIVersion: eso.Group + "/v1", Kind: eso.KindExternalSecret, Name: "older", UID: s.other("older"), Controller: &yes,
			}}}})
			return s.store(), mappingDoc
		}},
		{"immutable Secret", "VS208", []string{"/api-db is immutable"}, func(s *stack) (string, string) {
			s.credential(s.token)
			yes := true
			s.secret(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "api-db"}, Immutable: &yes, Data: map[string][]byte{"password": []byte("old")}})
			return s.store(), mappingDoc
		}},
		{"refreshInterval 1d", "VS204", []string{"spec.refreshInterval", "write 24h"}, func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), strings.Replace(mappingDoc, "1h", "1d", 1)
		}},
		{"unknown field", "VS205", []string{"spec.target.creationPolcy", "creationPolicy"}, func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), strings.Replace(mappingDoc, "{name: api-db}",
				`{name: api-db, annotations: {kubectl.kubernetes.io/last-applied-configuration: '{"spec":{"target":{"creationPolcy":"Merge"}}}'}}`, 1)
		}},
		{"forbidden template type", "VS210", []string{"spec.target.template.type"}, func(s *stack) (string, string) {
			s.credential(s.token)
			return s.store(), mappingDoc + "  target: {template: {type: kubernetes.io/service-account-token}}\n"
		}},
		{"two auth methods", "VS308", []string{"spec.provider.vault.auth"}, func(s *stack) (string, string) {
			s.credential(s.token)
			return strings.Replace(s.store(), "auth: {", "auth: {userPass: {path: userpass, username: u, secretRef: {name: vault-token, key: token}}, ", 1), mappingDoc
		}},
		{"server misspelt", "VS401", []string{"no such host", "spec.provider.vault.server"}, func(s *stack) (string, string) {
			s.credential(s.token)
			return strings.Replace(s.store(), s.VaultAddress(0), "http://vault.nowhere.invalid:8200", 1), mappingDoc
		}},
		{"nothing listens", "VS401", []string{"connection refused"}, func(s *stack) (string, string) {
			s.credential(s.token)
			return strings.Replace(s.store(), s.VaultAddress(0), "http://127.0.0.1:1", 1), mappingDoc
		}},
		{"https where http is spoken", "VS403", []string{"does not speak TLS"}, func(s *stack) (string, string) {
			s.credential(s.token)
			return strings.Replace(s.store(), "http://", "https://", 1), mappingDoc
		}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			s := newStack(t)
			store, mapping := fault.do(s)
			s.apply(store)
			s.apply(mapping)
			f, r := s.diagnose(nil)
			one(t, f, r, fault.code, fault.says)
		})
	}
}

func findDoc(expression string) string {
	head, _, _ := strings.Cut(mappingDoc, "  data:")
	return head + "  dataFrom: [{find: {path: app, name: {regexp: '" + expression + "'}}}]\n"
}

// one checks that there is exactly the one root cause, that it says what it must,
// and that no value shows anywhere.
func one(t *testing.T, f diagnose.Facts, r diagnose.Report, code string, says []string) {
	t.Helper()
	roots := r.Roots()
	if len(roots) != 1 || roots[0].Code != code {
		for _, c := range r.Checks {
			t.Logf("%-7s %s %s %s", c.Status, c.Code, c.Subject, c.Message)
		}
		t.Fatalf("root causes %v, want %s alone", r.RootCauses, code)
	}
	for _, part := range says {
		if !strings.Contains(roots[0].Message, part) {
			t.Errorf("message %q does not name %q", roots[0].Message, part)
		}
	}
	if roots[0].Fix == "" {
		t.Error("no fix")
	}
	neverShows(t, f, r)
}

func neverShows(t *testing.T, f diagnose.Facts, r diagnose.Report) {
	t.Helper()
	doc, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"report": string(doc), "facts": fmt.Sprintf("%+v", f), "paths": dump(f)} {
		if strings.Contains(text, canary) {
			t.Errorf("the %s shows a value", what)
		}
	}
}

func dump(f diagnose.Facts) string {
	text := fmt.Sprintf("%+v %+v", f.Target.Value, f.Events)
	for _, s := range f.Stores {
		text += fmt.Sprintf("%+v", *s)
	}
	for _, p := range f.Paths {
		text += fmt.Sprintf("%+v", *p)
	}
	return text
}

func (s *stack) secret(secret *corev1.Secret) {
	s.t.Helper()
	if _, err := s.Client().CoreV1().Secrets(s.namespace).Create(s.t.Context(), secret, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

func TestHealthyOnTheRealStack(t *testing.T) {
	s := newStack(t)
	s.credential(s.token)
	s.apply(s.store())
	s.apply(mappingDoc + `status:
  refreshTime: "` + metav1.Now().UTC().Format("2006-01-02T15:04:05Z") + `"
  syncedResourceVersion: ` + eso.SyncedResourceVersion(&metav1.ObjectMeta{Generation: 1}) + `
  conditions: [{type: Ready, status: "True", reason: SecretSynced, message: secret synced, lastTransitionTime: "2026-01-01T00:00:00Z"}]
`)
	s.secret(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "api-db"}, Data: map[string][]byte{"password": []byte(canary)}})
	f, r := s.diagnose(nil)
	neverShows(t, f, r)
	for _, c := range r.Checks {
		if c.Status == diagnose.StatusFail || c.Status == diagnose.StatusUnknown {
			t.Errorf("%s is %s: %s", c.Code, c.Status, c.Message)
		}
	}
	if len(r.RootCauses) > 0 {
		t.Errorf("root causes %v", r.RootCauses)
	}
}

func TestSealedAndGoneVault(t *testing.T) {
	s := newStack(t)
	s.credential(s.token)
	s.apply(s.store())
	s.apply(mappingDoc)
	unsealed := func() {
		if err := s.UnsealVault(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SealVault(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(unsealed)
	f, r := s.diagnose(nil)
	one(t, f, r, "VS402", []string{s.VaultAddress(0), "sealed", "of 3 shares"})

	s.StopVault(0)
	f, r = s.diagnose(nil)
	one(t, f, r, "VS401", []string{s.VaultAddress(0), "connection refused"})
	if err := s.StartVault(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
}
