package controller_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// fault is one thing that goes wrong: what the condition and the event must name, and
// what mends it.
type fault struct {
	name string
	// arrange runs before the mapping "db" is made, with change applied to it.
	arrange func(*stage)
	change  func(*eso.ExternalSecret)
	// breaks runs after a first sync; nil: the fault is there from the start.
	breaks func(*stage)
	parts  []string
	mend   func(*stage)
}

func faults() []fault {
	deny := func(s *stage) {
		s.token("vault-token", s.sb.VaultToken(s, `path "elsewhere/*" { capabilities = ["read"] }`))
	}
	allow := func(s *stage) { s.token("vault-token", s.readToken()) }
	put := func(s *stage) {
		s.sb.Put(s, s.mount, "app/db", map[string]any{"user": "app", "password": "s3cr3t", "nope": "found"})
	}
	key := func(key string) func(*eso.ExternalSecret) {
		return func(es *eso.ExternalSecret) { es.Spec.Data[0].RemoteRef.Key = key }
	}
	fix := func(change func(*eso.ExternalSecret)) func(*stage) { return func(s *stage) { s.edit("db", change) } }
	return []fault{
		{
			name: "Vault sealed", breaks: func(s *stage) {
				if err := s.sb.SealVault(s.Context(), 0); err != nil {
					s.Fatal(err)
				}
				s.Cleanup(func() { unseal(s) })
			},
			parts: []string{"spec.data[0]", "sealed", "unseal"}, mend: unseal,
		},
		{
			name: "wrong token", breaks: func(s *stage) { s.token("vault-token", "hvs.not-a-token") },
			parts: []string{"spec.data[0]", "app/db", "spec.provider.vault.auth"}, mend: allow,
		},
		{
			name: "token without the policy", breaks: deny,
			parts: []string{"spec.data[0]", "app/db", "403"}, mend: allow,
		},
		{
			name: "store missing", change: func(es *eso.ExternalSecret) { es.Spec.SecretStoreRef.Name = "gone" },
			parts: []string{`SecretStore "gone"`, "spec.secretStoreRef"},
			mend:  func(s *stage) { s.store(func(store *eso.SecretStore) { store.Name = "gone" }) },
		},
		{
			name: "mount missing", change: func(es *eso.ExternalSecret) { es.Spec.SecretStoreRef.Name = "other" },
			arrange: func(s *stage) {
				mount := "no-such-mount"
				s.token("root-token", s.sb.RootToken)
				s.store(func(store *eso.SecretStore) {
					store.Name = "other"
					store.Spec.Provider.Vault.Path, store.Spec.Provider.Vault.Auth.TokenSecretRef.Name = &mount, "root-token"
				})
			},
			parts: []string{"spec.data[0]", "no-such-mount", "spec.provider.vault.path"},
			mend: func(s *stage) {
				store, err := s.clients.SecretStores(s.namespace).Get(s.Context(), "other", metav1.GetOptions{})
				if err != nil {
					s.Fatal(err)
				}
				store.Spec.Provider.Vault.Path = &s.mount
				if _, err := s.clients.SecretStores(s.namespace).Update(s.Context(), store, metav1.UpdateOptions{}); err != nil {
					s.Fatal(err)
				}
			},
		},
		{
			name: "path missing", change: key("app/nope"), parts: []string{"spec.data[0]", "app/nope", "does not exist"},
			mend: fix(key("app/db")),
		},
		{
			name: "version destroyed", change: func(es *eso.ExternalSecret) { es.Spec.Data[0].RemoteRef.Version = "1" },
			arrange: func(s *stage) {
				put(s)
				if _, err := s.sb.RootVault(s).Logical().Write(s.mount+"/destroy/app/db", map[string]any{"versions": []int{1}}); err != nil {
					s.Fatal(err)
				}
			},
			parts: []string{"spec.data[0]", "app/db", "does not exist"},
			mend:  fix(func(es *eso.ExternalSecret) { es.Spec.Data[0].RemoteRef.Version = "" }),
		},
		{
			name: "property missing", change: func(es *eso.ExternalSecret) { es.Spec.Data[0].RemoteRef.Property = "nope" },
			parts: []string{"spec.data[0]", "app/db", "nope"},
			mend:  fix(func(es *eso.ExternalSecret) { es.Spec.Data[0].RemoteRef.Property = "password" }),
		},
		{
			name: "Secret owned by another ExternalSecret", change: func(es *eso.ExternalSecret) { es.Spec.Target.Name = "taken" },
			arrange: func(s *stage) {
				s.mapping("first", func(es *eso.ExternalSecret) { es.Spec.Target.Name = "taken" })
				s.wait("first", "True", eso.ReasonSynced)
			},
			parts: []string{eso.MessageOwned, "taken", "first", "spec.target.name"},
			mend:  fix(func(es *eso.ExternalSecret) { es.Spec.Target.Name = "own" }),
		},
		{
			name: "immutable Secret", arrange: func(s *stage) {
				yes := true
				_, err := s.clients.Secrets(s.namespace).Create(s.Context(), &corev1.Secret{
					ObjectMeta: metav1.ObjectMeta{Name: "db"}, Immutable: &yes, Data: map[string][]byte{"password": []byte("old")},
				}, metav1.CreateOptions{})
				if err != nil {
					s.Fatal(err)
				}
			},
			parts: []string{eso.MessageImmutable, "secret db", "delete it"},
			mend: func(s *stage) {
				if err := s.clients.Secrets(s.namespace).Delete(s.Context(), "db", metav1.DeleteOptions{}); err != nil {
					s.Fatal(err)
				}
			},
		},
		{
			name: "refreshInterval 1d", change: func(es *eso.ExternalSecret) { es.Spec.RefreshInterval = eso.DurationText("1d") },
			parts: []string{eso.MessageInvalid, "spec.refreshInterval", "1d", "24h"},
			mend:  fix(func(es *eso.ExternalSecret) { es.Spec.RefreshInterval = eso.DurationText("24h") }),
		},
		{
			name: "unknown field", change: func(es *eso.ExternalSecret) {
				es.Annotations = map[string]string{eso.AnnotationLastApplied: `{"spec":{"target":{"creationPolcy":"Merge"}}}`}
			},
			parts: []string{eso.MessageInvalid, "spec.target.creationPolcy"},
			mend:  fix(func(es *eso.ExternalSecret) { es.Annotations = nil }),
		},
		{
			name: "forbidden template type", change: func(es *eso.ExternalSecret) {
				es.Spec.Target.Template = &eso.Template{Type: eso.TypeServiceAccountToken}
			},
			parts: []string{"spec.target.template.type", eso.TypeServiceAccountToken, "not allowed"},
			mend:  fix(func(es *eso.ExternalSecret) { es.Spec.Target.Template = nil }),
		},
		{
			name: "Vault gone", breaks: func(s *stage) {
				s.sb.StopVault(0)
				s.Cleanup(func() { restart(s) })
			},
			parts: []string{"spec.data[0]", "app/db", "connection refused"}, mend: restart,
		},
	}
}

func unseal(s *stage) {
	if err := s.sb.UnsealVault(context.Background()); err != nil {
		s.Fatal(err)
	}
}

func restart(s *stage) {
	if answers(s) {
		return
	}
	if err := s.sb.StartVault(context.Background(), 0); err != nil {
		s.Fatal(err)
	}
	unseal(s)
}

func answers(s *stage) bool {
	resp, err := http.Get(s.sb.VaultAddress(0) + "/v1/sys/health")
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}

// Each fault gives a condition and an event that name the object, the field and the
// fix; the Secret stays as it was; mending is enough.
func TestFaults(t *testing.T) {
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			s := ready(t)
			s.run()
			if f.arrange != nil {
				f.arrange(s)
			}
			s.mapping("db", func(es *eso.ExternalSecret) {
				if f.change != nil {
					f.change(es)
				}
			})
			if f.breaks != nil {
				s.wait("db", "True", eso.ReasonSynced)
				f.breaks(s)
				s.edit("db", func(es *eso.ExternalSecret) { es.Annotations = map[string]string{eso.AnnotationForceSync: "1"} })
			}
			before := s.secret("db")
			s.wait("db", "False", eso.ReasonSyncError, f.parts...)
			s.warning("db", f.parts[1:]...)
			unchanged(s, "db", before)
			mended := time.Now()
			f.mend(s)
			s.wait("db", "True", eso.ReasonSynced)
			t.Logf("synced %s after the mend began", time.Since(mended).Round(time.Millisecond))
		})
	}
}

// unchanged fails when a Secret was emptied, changed or deleted.
func unchanged(s *stage, name string, before *corev1.Secret) {
	s.Helper()
	after := s.secret(name)
	switch {
	case (before == nil) != (after == nil):
		s.Errorf("secret %s appeared or went during the fault", name)
	case before != nil && before.ResourceVersion != after.ResourceVersion:
		s.Errorf("secret %s was written during the fault", name)
	}
}

// A store of another class is somebody else's: no condition, no event, no finalizer.
func TestStoreOfAnotherClass(t *testing.T) {
	s := ready(t)
	s.store(func(store *eso.SecretStore) { store.Name, store.Spec.Controller = "foreign", "other" })
	s.run()
	s.mapping("db", func(es *eso.ExternalSecret) { es.Spec.SecretStoreRef.Name = "foreign" })
	s.mapping("ours")
	s.wait("ours", "True", eso.ReasonSynced)
	es, err := s.clients.ExternalSecrets(s.namespace).Get(t.Context(), "db", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	store, err := s.clients.SecretStores(s.namespace).Get(t.Context(), "foreign", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if es.Status.Ready() != nil || store.Status.Ready() != nil || len(es.Finalizers) > 0 || s.secret("db") != nil {
		t.Errorf("a foreign mapping was touched: %+v, %+v", es.Status, store.Status)
	}
	// It becomes ours when the class does.
	store.Spec.Controller = ""
	if _, err := s.clients.SecretStores(s.namespace).Update(t.Context(), store, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.wait("db", "True", eso.ReasonSynced)
}

// A missing Merge target is no error, as in ESO, and is filled when it appears.
func TestMergeTargetMissing(t *testing.T) {
	s := ready(t)
	s.run()
	s.mapping("db", func(es *eso.ExternalSecret) { es.Spec.Target.CreationPolicy = eso.CreateMerge })
	s.wait("db", "True", eso.ReasonMissing, eso.MessageMissing)
	_, err := s.clients.Secrets(s.namespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "db"}, Data: map[string][]byte{"log-level": []byte("debug")},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.holds("db", "password", "s3cr3t")
	s.holds("db", "log-level", "debug")
	s.wait("db", "True", eso.ReasonSynced)
}

// Vault goes in the middle of a pass: what was not read yet fails, nothing is emptied,
// and all comes back by itself.
func TestVaultGoneInTheMiddleOfAPass(t *testing.T) {
	s := ready(t)
	names := []string{"a", "b", "c", "d", "e", "f"}
	for _, name := range names {
		s.mapping(name, func(es *eso.ExternalSecret) { es.Spec.Target.DeletionPolicy = eso.DeleteDelete })
	}
	s.run()
	for _, name := range names {
		s.wait(name, "True", eso.ReasonSynced)
	}
	s.Cleanup(func() { restart(s) })
	gone := make(chan struct{})
	go func() { defer close(gone); s.sb.StopVault(0) }()
	for i, name := range names {
		s.edit(name, func(es *eso.ExternalSecret) {
			es.Annotations = map[string]string{eso.AnnotationForceSync: string(rune('0' + i))}
		})
	}
	<-gone
	s.edit("f", func(es *eso.ExternalSecret) { es.Annotations = map[string]string{eso.AnnotationForceSync: "again"} })
	s.wait("f", "False", eso.ReasonSyncError, "connection refused")
	for _, name := range names {
		if secret := s.secret(name); secret == nil || string(secret.Data["password"]) != "s3cr3t" {
			t.Errorf("secret %s was emptied or deleted", name)
		}
	}
	restart(s)
	for _, name := range names {
		s.wait(name, "True", eso.ReasonSynced)
	}
}

// The store's own condition says what is wrong with it, and turns when it is mended.
func TestStoreCondition(t *testing.T) {
	s := newStage(t)
	s.run()
	s.store()
	condition := func(status, reason string) {
		sandbox.Eventually(t, func() error {
			store, err := s.clients.SecretStores(s.namespace).Get(t.Context(), "vault", metav1.GetOptions{})
			if err != nil {
				return err
			}
			if c := store.Status.Ready(); c == nil || string(c.Status) != status || c.Reason != reason {
				return fmt.Errorf("the store is %+v", store.Status)
			}
			return nil
		})
	}
	condition("False", eso.ReasonInvalidProviderConfig)
	s.token("vault-token", s.readToken())
	condition("True", eso.ReasonValid)
	s.token("vault-token", "hvs.not-a-token")
	condition("False", eso.ReasonInvalidProviderConfig)
}
