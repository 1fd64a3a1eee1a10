package controller_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/vault/api"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// hostile serves one answer to every read, and is a Vault for all else.
func hostile(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/lookup-self"):
			_, _ = io.WriteString(w, `{"data":{"ttl":0,"type":"service"}}`)
		case strings.Contains(r.URL.Path, "/data/"):
			answer(w, r)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// What a broken or hostile Vault answers fails its mapping, bounded and in words, and
// nobody else's.
func TestNeverTakesABadAnswer(t *testing.T) {
	s := ready(t)
	chunk := bytes.Repeat([]byte("a"), 1<<20)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a request went to another host, with the token %q", r.Header.Get("X-Vault-Token"))
	}))
	t.Cleanup(elsewhere.Close)
	answers := map[string]struct {
		answer http.HandlerFunc
		parts  []string
	}{
		"huge": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"data":{"data":{"password":"`)
			for range 100 {
				if _, err := w.Write(chunk); err != nil {
					return // it was hung up on
				}
			}
			_, _ = io.WriteString(w, `"}}}`)
		}, []string{"spec.data[0]", "app/db", "MiB"}},
		"cut":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"data":{"data":{"pass`) }, []string{"spec.data[0]", "app/db", "JSON"}},
		"page": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>please log in</html>") }, []string{"spec.data[0]", "app/db", "JSON"}},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusTemporaryRedirect)
		}, []string{"redirects to " + elsewhere.URL, "spec.provider.vault.server"}},
	}
	for name, a := range answers {
		url := hostile(t, a.answer)
		s.store(func(store *eso.SecretStore) { store.Name, store.Spec.Provider.Vault.Server = name, url })
		s.mapping(name, func(es *eso.ExternalSecret) { es.Spec.SecretStoreRef.Name = name })
	}
	s.run()
	s.mapping("db")
	s.wait("db", "True", eso.ReasonSynced)
	for name, a := range answers {
		s.wait(name, "False", eso.ReasonSyncError, a.parts...)
		s.warning(name, a.parts...)
		if s.secret(name) != nil {
			t.Errorf("%s: a Secret was written", name)
		}
	}
}

// badSpecs are mappings that cannot work, and what must be said of each.
func badSpecs() map[string]struct {
	change func(*eso.ExternalSecret)
	parts  []string
} {
	type bad = struct {
		change func(*eso.ExternalSecret)
		parts  []string
	}
	template := func(text string, parts ...string) bad {
		return bad{func(es *eso.ExternalSecret) {
			es.Spec.Target.Template = &eso.Template{Data: map[string]string{"x": text}}
		}, append(parts, "spec.target.template.data")}
	}
	dataFrom := func(from eso.DataFrom, parts ...string) bad {
		return bad{func(es *eso.ExternalSecret) { es.Spec.Data, es.Spec.DataFrom = nil, []eso.DataFrom{from} }, parts}
	}
	return map[string]bad{
		"loops":    template(`{{ range until 1000000000 }}{{ end }}`),
		"recurses": template(`{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}`),
		"explodes": template(`{{ $s := .password }}{{ range until 100 }}{{ $s = print $s $s }}{{ end }}{{ $s }}`),
		"find-regexp": dataFrom(eso.DataFrom{Find: &eso.Find{Name: &eso.FindName{RegExp: "("}}},
			"spec.dataFrom[0].find.name.regexp", "missing closing )"),
		"rewrite-regexp": dataFrom(eso.DataFrom{Extract: &eso.RemoteRef{Key: "app/db"}, Rewrite: []eso.Rewrite{{RegExp: &eso.RewriteRegExp{Source: "[", Target: "x"}}}},
			"spec.dataFrom[0].rewrite[0].regexp.source", "missing closing ]"),
		"too-large": dataFrom(eso.DataFrom{Find: &eso.Find{Name: &eso.FindName{RegExp: "^large/"}}},
			"1048576", "split it over several ExternalSecrets"),
		"too-many": dataFrom(eso.DataFrom{Find: &eso.Find{Name: &eso.FindName{RegExp: "."}}, SourceRef: &eso.SourceRef{StoreRef: &eso.StoreRef{Name: "many"}}},
			"spec.dataFrom[0].find", "10001 secrets are selected, more than the limit of 10000", "narrow find.path"),
		"two-methods": {
			func(es *eso.ExternalSecret) { es.Spec.SecretStoreRef.Name = "two-methods" },
			[]string{"SecretStore/", "two-methods", "spec.provider.vault.auth", "appRole", "tokenSecretRef"},
		},
	}
}

func TestNeverSyncsABadSpec(t *testing.T) {
	s := ready(t)
	s.store(func(store *eso.SecretStore) {
		store.Name = "two-methods"
		store.Spec.Provider.Vault.Auth.AppRole = &eso.AppRoleAuth{Path: "approle", RoleID: "r", SecretRef: eso.SecretKeySelector{Name: "vault-token", Key: "token"}}
	})
	for i := range 3 {
		s.sb.Put(t, s.mount, fmt.Sprintf("large/%d", i), map[string]any{"text": strings.Repeat("x", 500_000)})
	}
	s.storeOfMany(10_001)
	s.run()
	for name, bad := range badSpecs() {
		s.mapping(name, bad.change)
	}
	s.mapping("db")
	s.wait("db", "True", eso.ReasonSynced)
	for name, bad := range badSpecs() {
		s.wait(name, "False", eso.ReasonSyncError, bad.parts...)
		s.warning(name, bad.parts...)
		if s.secret(name) != nil {
			t.Errorf("%s: a Secret was written", name)
		}
	}
	store, err := s.clients.SecretStores(s.namespace).Get(t.Context(), "two-methods", metav1.GetOptions{})
	if err != nil || store.Status.Ready() == nil || store.Status.Ready().Status != "False" {
		t.Errorf("the store with two methods is %+v, %v", store.Status, err)
	}
}

// storeOfMany creates store "many" over a mount with so many secrets. The mount goes with
// the sandbox: to unmount it takes Vault longer than all else.
func (s *stage) storeOfMany(count int) {
	s.Helper()
	mount := s.mount + "-many"
	vault := s.sb.RootVault(s)
	if err := vault.Sys().Mount(mount, &api.MountInput{Type: "kv", Options: map[string]string{"version": "1"}}); err != nil {
		s.Fatal(err)
	}
	next := make(chan int)
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for i := range next {
				if err := vault.KVv1(mount).Put(s.Context(), fmt.Sprint(i), map[string]any{"a": "b"}); err != nil {
					s.Error(err)
				}
			}
		})
	}
	for i := range count {
		next <- i
	}
	close(next)
	writers.Wait()
	s.token("many-token", s.sb.RootToken)
	s.store(func(store *eso.SecretStore) {
		store.Name, store.Spec.Provider.Vault.Path, store.Spec.Provider.Vault.Version = "many", &mount, "v1"
		store.Spec.Provider.Vault.Auth.TokenSecretRef.Name = "many-token"
	})
}
