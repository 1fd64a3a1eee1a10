package diagnose_test

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

func now() time.Time { return time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC) }

func ago(d time.Duration) metav1.Time { return metav1.NewTime(now().Add(-d)) }

func ptr[T any](v T) *T { return &v }

// healthy is a mapping of a ClusterSecretStore with nothing wrong.
func healthy() *diagnose.Facts {
	es := &eso.ExternalSecret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "api-db", Generation: 1, CreationTimestamp: ago(48 * time.Hour)},
		Spec: eso.ExternalSecretSpec{
			SecretStoreRef:  &eso.StoreRef{Name: "vault", Kind: eso.KindClusterSecretStore},
			RefreshInterval: eso.DurationText("1h"),
			Data:            []eso.Data{{SecretKey: "password", RemoteRef: eso.RemoteRef{Key: "app/db", Property: "password"}}},
		},
	}
	es.Status.SetReady(true, eso.ReasonSynced, eso.MessageSynced, ago(time.Hour))
	es.Status.RefreshTime = ago(10 * time.Minute)
	es.Status.SyncedResourceVersion = eso.SyncedResourceVersion(&es.ObjectMeta)

	object := &eso.ClusterSecretStore{ObjectMeta: metav1.ObjectMeta{Name: "vault"}}
	object.Spec.Provider.Vault = &eso.VaultProvider{
		Server: "https://vault.vault.svc:8200", Path: ptr("secret"), Version: "v2",
		Auth: &eso.VaultAuth{TokenSecretRef: &eso.SecretKeySelector{Name: "vault-token", Namespace: ptr("external-secrets"), Key: "token"}},
	}
	object.Status.SetReady(true, eso.ReasonValid, eso.MessageValid, ago(time.Hour))
	view := object.View()
	s := &diagnose.Store{
		Ref: eso.StoreRef{Name: "vault", Kind: eso.KindClusterSecretStore}, Object: diagnose.Known(&view),
		NamespaceLabels: diagnose.Known(map[string]string{"kubernetes.io/metadata.name": "apps"}),
		References: []diagnose.Reference{{
			Reference: object.Spec.Provider.Vault.References()[0], In: "external-secrets",
			Exists: diagnose.Known(true), Keys: []string{"token"},
		}},
		Vault: diagnose.Vault{
			Address: "https://vault.vault.svc:8200", Via: "port-forward to vault-0", Connect: diagnose.Known(""),
			TLS:  diagnose.Known(diagnose.TLS{NotAfter: now().Add(90 * 24 * time.Hour), Names: []string{"vault.vault.svc"}}),
			Seal: diagnose.Known(diagnose.Seal{Initialized: true, Threshold: 3, Version: "1.21.0", Type: "shamir"}),
		},
		Login: diagnose.Login{
			Method: "tokenSecretRef", Result: diagnose.Known(diagnose.LoginResult{}),
			Token: diagnose.Known(diagnose.Token{Policies: []string{"default", "app-ro"}, Renewable: true, Expires: true, TTL: 20 * time.Hour}),
		},
		Events: diagnose.Known([]diagnose.Event(nil)),
	}
	p := &diagnose.Path{
		Store: s, Data: "secret/data/app/db", Metadata: "secret/metadata/app/db", Mount: "secret", Name: "app/db",
		Entries:      []diagnose.Entry{{Field: "spec.data[0].remoteRef", SecretKey: "password", Property: "password", Found: diagnose.Known(true)}},
		Engine:       diagnose.Known(diagnose.Engine{Type: "kv", Version: 2}),
		Mounts:       []string{"secret"},
		Capabilities: diagnose.Known([]string{"read"}), MetaCapabilities: diagnose.Known([]string{"deny"}),
		Read: diagnose.Known(diagnose.Read{Version: 3, Keys: []string{"password", "user"}}),
	}
	p.Ref.Key = "app/db"
	return &diagnose.Facts{
		Now: now(), Namespace: "apps", Name: "api-db",
		Cluster: diagnose.Cluster{
			Server: "https://127.0.0.1:6443", Version: "v1.37.2",
			Served: diagnose.Known(map[string][]string{
				eso.ExternalSecrets: {"v1", "v1beta1"}, eso.SecretStores: {"v1", "v1beta1"}, eso.ClusterSecretStores: {"v1", "v1beta1"},
			}),
			Controllers: diagnose.Known([]diagnose.Controller{{Kind: "vaultsecret", Namespace: "vaultsecret-system", Name: "vaultsecret-controller", Class: "default", Ready: 1, Wanted: 1}}),
		},
		Mapping: diagnose.Known(es), NamespaceExists: diagnose.Known(true),
		Events: diagnose.Known([]diagnose.Event(nil)),
		Target: diagnose.Known(&diagnose.Target{
			Type: "Opaque", OwnerGroup: eso.Group, OwnerKind: eso.KindExternalSecret, OwnerName: "api-db",
			Keys: []string{"password"}, Changed: now().Add(-24 * time.Hour),
		}),
		Stores: []*diagnose.Store{s}, Paths: []*diagnose.Path{p},
		Render: diagnose.Known(""), Drift: diagnose.Known(diagnose.Drift{}),
		Consumers: diagnose.Known([]diagnose.Workload{{Kind: "deployment", Name: "api", Env: true, Started: now().Add(-time.Hour)}}),
	}
}

// failing is what a controller leaves behind when a mapping cannot be synced: the
// condition without a cause, and an event with it.
func failing(f *diagnose.Facts, cause string) {
	es := f.Mapping.Value
	es.Status.SetReady(false, eso.ReasonSyncError, eso.MessageGetFailed, ago(5*time.Minute))
	f.Events = diagnose.Known([]diagnose.Event{{Warning: true, Reason: eso.EventUpdateFailed, Message: cause, Count: 12, Last: now().Add(-40 * time.Second), Source: "external-secrets"}})
}

func object(f *diagnose.Facts) *eso.Store { return f.Stores[0].Object.Value }

func provider(f *diagnose.Facts) *eso.VaultProvider { return object(f).Spec.Provider.Vault }

func spec(f *diagnose.Facts) *eso.ExternalSecretSpec { return &f.Mapping.Value.Spec }
