package bootstrap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// losing is a Vault whose answers to what writes below a path are lost on their way.
func (s *site) losing(path string) *vault.Client {
	s.Helper()
	target, err := url.Parse(s.sb.VaultAddress(0))
	if err != nil {
		s.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(s.ca) {
		s.Fatal("no CA")
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
		ModifyResponse: func(r *http.Response) error {
			if r.Request.Method != http.MethodGet && strings.Contains(r.Request.URL.Path, path) {
				panic(http.ErrAbortHandler)
			}
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	s.Cleanup(server.Close)
	client, err := vault.New(vault.Config{Address: server.URL})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(client.Close)
	return client.WithToken(redact.Bytes(s.sb.RootToken))
}

// left is what an error says of the step at which a plan stopped.
func (s *site) left(err error, part Part) string {
	s.Helper()
	var at *StoppedError
	if !errors.As(err, &at) || at.Step.Part != part {
		s.Fatalf("error %v, want one that stopped at %s", err, part)
	}
	return at.Left
}

// Where an answer is lost, nobody says that nothing was done; and what was done is used
// by the next run.
func TestSetupWhereAnAnswerIsLost(t *testing.T) {
	for _, c := range []struct {
		path, left string
		part       Part
	}{
		{"/sys/policies/acl/", notKnown, PartPolicy},
		{"/sys/auth/", notKnown, PartAuth},
		{"/role/", notKnown, PartRole},
		{"/secret-id", notKnown, PartCredential},
		{"/login", "", PartCredential}, // the new secret_id was destroyed again
	} {
		t.Run(c.path, func(t *testing.T) {
			s := newSite(t)
			plan, facts := s.plan()
			cut := s.ground
			cut.Vault = s.losing(c.path)
			_, err := s.carry(cut, plan, facts)
			if left := s.left(err, c.part); left != c.left || kv.KindOf(err) != kv.Unreachable {
				t.Errorf("left: %q, want %q; %v", left, c.left, err)
			}
			if got := s.methods(); got != "tokenSecretRef" {
				t.Errorf("the store logs in by %s", got)
			}
			s.completes()
		})
	}
}

// A token whose answer was lost is in no Secret. The next run finds it by its metadata and
// tells of it, and so does a removal. It is for a person to say that nobody uses it.
func TestSetupTellsOfATokenThatNobodyHas(t *testing.T) {
	s := newSite(t)
	s.want.Method, s.want.Role, s.want.AuthPath = MethodToken, "", ""
	plan, facts := s.plan()
	cut := s.ground
	cut.Vault = s.losing("/create-orphan")
	_, err := s.carry(cut, plan, facts)
	if left := s.left(err, PartCredential); left != notKnown {
		t.Errorf("left: %q; %v", left, err)
	}
	plan, facts = s.plan()
	if len(facts.Strays) == 0 || !tells(plan, "vault token revoke -accessor "+facts.Strays[0]) {
		t.Fatalf("strays %q, notices %q", facts.Strays, plan.Notices)
	}
	lost := facts.Strays
	if _, err := s.carry(s.ground, plan, facts); err != nil {
		t.Fatal(err)
	}
	if plan, facts = s.plan(); !plan.Empty() || facts.Token == nil || slices.Contains(facts.Strays, facts.Secret.Accessor) {
		t.Errorf("a third run does %q, token %v, strays %q", lines(plan), facts.Token, facts.Strays)
	}
	used := facts.Secret.Accessor

	stores := s.ground.Clients.SecretStores(s.want.Store.Namespace)
	if err := stores.Delete(t.Context(), "vault", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	facts, err = s.ground.RemovalFacts(t.Context(), s.want)
	if err != nil {
		t.Fatal(err)
	}
	removal, err := PlanRemove(s.want, facts)
	if err != nil || !tells(removal, lost[0]) {
		t.Fatalf("notices %q, %v", removal.Notices, err)
	}
	if err := s.ground.Remove(t.Context(), removal, facts, Carry{Say: func(Step, error) {}}); err != nil {
		t.Fatal(err)
	}
	for accessor, lives := range map[string]bool{used: false, lost[0]: true} {
		if _, found, err := s.ground.Vault.LookupAccessor(t.Context(), accessor); err != nil || found != lives {
			t.Errorf("token %s lives: %t, want %t; %v", accessor, found, lives, err)
		}
	}
	if err := s.ground.Vault.RevokeAccessor(t.Context(), lost[0]); err != nil {
		t.Error(err)
	}
}

func tells(plan Plan, text string) bool {
	return slices.ContainsFunc(plan.Notices, func(notice string) bool { return strings.Contains(notice, text) })
}

// A Secret whose answer was lost tells itself whether it holds the credential: one that
// does keeps it, for a store may log in with it.
func TestSetupWhereTheSecretsAnswerIsLost(t *testing.T) {
	s := newSite(t)
	config := s.sb.RESTConfig()
	lost := 0
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil && r.Method != http.MethodGet && strings.Contains(r.URL.Path+"/", "/secrets/") {
				lost++
				resp.Body.Close()
				return nil, io.ErrUnexpectedEOF
			}
			return resp, err
		})
	})
	clients, err := kube.NewClients(config)
	if err != nil {
		t.Fatal(err)
	}
	cut := s.ground
	cut.Clients = clients
	plan, facts := s.plan()
	if _, err := s.carry(cut, plan, facts); err != nil || lost != 1 {
		t.Fatalf("%d answers were lost: %v", lost, err)
	}
	s.completes()
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// What somebody else made or changed while the plan was looked at stays as it is, and the
// run says so; a second one goes by what is there then.
func TestNeverMergesIntoWhatSomebodyElseMade(t *testing.T) {
	s := newSite(t)
	plan, facts := s.plan()
	secrets := s.ground.Clients.Secrets(s.want.Secret.Namespace)
	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: s.want.Secret.Name, Labels: map[string]string{"by": "them"}}, Data: map[string][]byte{"secret-id": []byte("theirs")}}
	if _, err := secrets.Create(t.Context(), theirs, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err := s.carry(s.ground, plan, facts)
	if left := s.left(err, PartCredential); !errors.Is(err, kube.ErrChanged) || left != "" {
		t.Errorf("left: %q; %v", left, err)
	}
	s.secretIDs(0)
	now, err := secrets.Get(t.Context(), theirs.Name, metav1.GetOptions{})
	if err != nil || string(now.Data["secret-id"]) != "theirs" || len(now.Labels) != 1 || len(now.Annotations) > 0 {
		t.Errorf("theirs was written to: %v, %v", now.ObjectMeta, err)
	}
	facts, err = s.ground.Facts(t.Context(), s.want)
	if err != nil {
		t.Fatal(err)
	}
	var conflict *ConflictError
	if _, err := PlanSetup(s.want, facts); !errors.As(err, &conflict) {
		t.Errorf("the next run plans over it: %v", err)
	}
	if err := secrets.Delete(t.Context(), theirs.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	s.completes()

	// The same for what is planned to be changed.
	s.want.Rotate = true
	plan, facts = s.plan()
	if _, err := secrets.Patch(t.Context(), theirs.Name, "application/merge-patch+json", []byte(`{"metadata":{"labels":{"by":"them"}}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.carry(s.ground, plan, facts); !errors.Is(err, kube.ErrChanged) || s.left(err, PartCredential) != "" {
		t.Errorf("changed meanwhile: %v", err)
	}
	s.secretIDs(1)
	s.want.Rotate = false
	s.completes()
}

func (s *site) secretIDs(want int) {
	s.Helper()
	if ids, err := s.ground.Vault.SecretIDs(s.Context(), s.want.AuthPath, s.want.Role); err != nil || len(ids) != want {
		s.Errorf("%d secret_ids, want %d; %v", len(ids), want, err)
	}
}

// A refusal is Vault's or the API server's own word that nothing was done.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{&kv.Error{Kind: kv.Denied, Code: 403}, true},
		{&kv.Error{Kind: kv.BadRequest, Code: 400}, true},
		{&kv.Error{Kind: kv.Sealed, Code: 503}, true},
		{&kv.Error{Kind: kv.Unreachable, Code: 429}, true},
		{&kv.Error{Kind: kv.Unreachable, Code: 500}, false},
		{&kv.Error{Kind: kv.Unreachable}, false},
		{&kv.Error{Kind: kv.BadAnswer, Code: 200}, false},
		{apierrors.NewForbidden(corev1.Resource("secrets"), "x", nil), true},
		{apierrors.NewInternalError(errors.New("x")), false},
		{fmt.Errorf("creating x: %w", kube.ErrChanged), true},
		{&ConflictError{}, true},
		{context.DeadlineExceeded, false},
		{context.Canceled, false},
	} {
		if got := refused(fmt.Errorf("doing it: %w", c.err)); got != c.want {
			t.Errorf("refused(%v) is %t", c.err, got)
		}
	}
}
