package controller

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/engine"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// bareLoop has mappings and stores, and nothing to sync them with.
func bareLoop() *loop {
	return &loop{
		concurrency: 1, mappings: map[types.NamespacedName]*entry{}, groups: map[string]*group{},
		stores: map[string]*storeEntry{}, users: map[object][]*entry{},
	}
}

// Only an answer of Vault says that a store is up again.
func TestBreakerClosesOnlyOnAnAnswer(t *testing.T) {
	down := engine.Outcome{Err: &kv.Error{Kind: kv.Sealed}, Class: engine.StoreDown}
	for name, c := range map[string]struct {
		outcome engine.Outcome
		closes  bool
	}{
		"synced":                        {engine.Outcome{Class: engine.OK, Answered: true}, true},
		"a path that is denied":         {engine.Outcome{Class: engine.NeedsChange, Err: errors.New("403"), Answered: true}, true},
		"a Secret that was not written": {engine.Outcome{Class: engine.Transient, Err: errors.New("conflict"), Answered: true}, true},
		"an invalid mapping":            {engine.Outcome{Class: engine.NeedsChange, Err: errors.New("spec")}, false},
		"a namespace not admitted":      {engine.Outcome{Class: engine.NeedsChange, Err: &kv.Error{Kind: kv.Denied}}, false},
		"another controller's":          {engine.Outcome{Class: engine.OK, Skipped: true, Err: kv.ErrForeignStore}, false},
		"a mapping that was let go":     {engine.Outcome{Class: engine.Transient, Skipped: true}, false},
	} {
		l := bareLoop()
		e := &entry{key: types.NamespacedName{Namespace: "apps", Name: "db"}, uses: []object{{"Secret", "apps", "db"}}}
		l.mappings[e.key] = e
		at := task{entry: e, group: l.group("SecretStore/apps/vault"), es: example(eso.RefreshPeriodic, "1h"), at: time.Now()}
		l.settle(at, down)
		if !at.group.breaker.isOpen() {
			t.Fatal("the breaker did not open")
		}
		at.group.breaker.probing = true
		l.settle(at, c.outcome)
		if at.group.breaker.isOpen() == c.closes {
			t.Errorf("%s: open=%v", name, at.group.breaker.isOpen())
		}
		if at.group.breaker.probing {
			t.Errorf("%s: the probe never ends", name)
		}
	}
}

// clusterStore is one that logs in with a token from the namespace, "" for the
// mapping's own.
func clusterStore(name, namespace string) eso.Store {
	ref := &eso.SecretKeySelector{Name: "token", Key: "token"}
	if namespace != "" {
		ref.Namespace = &namespace
	}
	s := &eso.ClusterSecretStore{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}}
	s.Spec.Provider.Vault = &eso.VaultProvider{Server: "https://vault.example", Auth: &eso.VaultAuth{TokenSecretRef: ref}}
	return s.View()
}

func TestReferentStoresAreGroupedByNamespace(t *testing.T) {
	referent, shared := clusterStore("referent", ""), clusterStore("shared", "vault")
	own := &eso.SecretStore{ObjectMeta: metav1.ObjectMeta{Name: "own", Namespace: "apps"}, Spec: *referent.Spec}
	l := bareLoop()
	for _, s := range []eso.Store{referent, shared, own.View()} {
		l.stores[s.String()] = &storeEntry{store: s}
	}
	for _, c := range []struct {
		stores, namespace, group string
	}{
		{"ClusterSecretStore/referent", "apps", "ClusterSecretStore/referent for apps"},
		{"ClusterSecretStore/shared", "apps", "ClusterSecretStore/shared"},
		{"SecretStore/apps/own", "apps", "SecretStore/apps/own"},
		{"ClusterSecretStore/unknown", "apps", "ClusterSecretStore/unknown"},
		{"ClusterSecretStore/shared,ClusterSecretStore/referent", "web", "ClusterSecretStore/shared,ClusterSecretStore/referent for web"},
	} {
		if got := groupOf(c.stores, c.namespace, l.referent); got != c.group {
			t.Errorf("%s in %s: %q, want %q", c.stores, c.namespace, got, c.group)
		}
	}
	if g := l.group("ClusterSecretStore/shared,ClusterSecretStore/referent for web"); !g.has("ClusterSecretStore/referent") || !g.has("ClusterSecretStore/shared") || g.has("ClusterSecretStore/ref") {
		t.Error("a group does not know its stores")
	}
	for _, c := range []struct {
		store eso.Store
		in    string
		want  reach
	}{
		{referent, "apps", forItsNamespace},
		{shared, "apps", forNobody},
		{shared, "vault", forAll},
		{own.View(), "apps", forAll},
		{own.View(), "web", forNobody},
	} {
		if got := refersTo(c.store, object{"Secret", c.in, "token"}); got != c.want {
			t.Errorf("Secret %s/token reaches %v of %s, want %v", c.in, got, c.store, c.want)
		}
		if got := refersTo(c.store, object{"Secret", c.in, "other"}); got != forNobody {
			t.Errorf("Secret %s/other reaches %v of %s", c.in, got, c.store)
		}
	}
}
