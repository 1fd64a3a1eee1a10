package eso_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

func TestEffectiveValues(t *testing.T) {
	type effective struct {
		Target   string
		Creation eso.CreationPolicy
		Deletion eso.DeletionPolicy
		Refresh  eso.RefreshPolicy
		Interval time.Duration
	}
	for name, c := range map[string]struct {
		spec string
		want effective
	}{
		"empty": {"{}", effective{"app", "Owner", "Retain", "Periodic", time.Hour}},
		"given": {
			"{refreshPolicy: OnChange, refreshInterval: 5m, target: {name: t, creationPolicy: Merge, deletionPolicy: Delete}}",
			effective{"t", "Merge", "Delete", "OnChange", 5 * time.Minute},
		},
	} {
		es := decode(t, "metadata: {name: app}\nspec: "+c.spec)
		interval, err := es.RefreshInterval()
		if err != nil {
			t.Fatal(err)
		}
		got := effective{es.TargetName(), es.CreationPolicy(), es.DeletionPolicy(), es.RefreshPolicy(), interval}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A sourceRef replaces secretStoreRef wholly: its kind is not inherited.
func TestStoreRefs(t *testing.T) {
	for name, c := range map[string]struct {
		spec string
		want []string
	}{
		"nothing":     {"{}", nil},
		"no entries":  {"{secretStoreRef: {name: a}}", []string{"SecretStore/a"}},
		"one for all": {"{secretStoreRef: {name: a, kind: ClusterSecretStore}, data: [{}, {}], dataFrom: [{}]}", []string{"ClusterSecretStore/a"}},
		"its own kind": {
			"{secretStoreRef: {name: a, kind: ClusterSecretStore}, data: [{sourceRef: {storeRef: {name: a}}}, {}]}",
			[]string{"SecretStore/a", "ClusterSecretStore/a"},
		},
		"unused default":  {"{secretStoreRef: {name: a}, data: [{sourceRef: {storeRef: {name: b}}}]}", []string{"SecretStore/b"}},
		"no store at all": {"{data: [{}]}", []string{"SecretStore/"}},
	} {
		var got []string
		for _, ref := range decode(t, "spec: "+c.spec).StoreRefs() {
			got = append(got, ref.String())
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestVaultDefaults(t *testing.T) {
	empty := new(eso.VaultProvider)
	if empty.Mount() != "" || empty.KVVersion() != 2 || empty.VaultNamespace() != "" || empty.LoginNamespace() != "" {
		t.Errorf("of an empty provider: %q, %d, %q, %q", empty.Mount(), empty.KVVersion(), empty.VaultNamespace(), empty.LoginNamespace())
	}
	given := store(t, "{path: kv, version: v1, namespace: team, auth: {namespace: root}}").Spec.Provider.Vault
	if given.Mount() != "kv" || given.KVVersion() != 1 || given.VaultNamespace() != "team" || given.LoginNamespace() != "root" {
		t.Errorf("of a full provider: %q, %d, %q, %q", given.Mount(), given.KVVersion(), given.VaultNamespace(), given.LoginNamespace())
	}
	given.Auth = nil
	if got := given.LoginNamespace(); got != "team" {
		t.Errorf("without auth.namespace the login goes to %q, want the reads' team", got)
	}
}

// The order is that in which ESO v2.9.0 takes the first.
func TestMethods(t *testing.T) {
	all := store(t, "{auth: {gcp: {}, iam: {}, cert: {}, jwt: {}, userPass: {}, ldap: {}, kubernetes: {}, appRole: {}, tokenSecretRef: {}}}")
	want := []string{"tokenSecretRef", "appRole", "kubernetes", "ldap", "userPass", "jwt", "cert", "iam", "gcp"}
	if diff := cmp.Diff(want, all.Spec.Provider.Vault.Auth.Methods()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := (*eso.VaultAuth)(nil).Methods(); got != nil {
		t.Errorf("no auth has methods %v", got)
	}
}

func TestServed(t *testing.T) {
	s := store(t, "{server: 'https://v'}")
	for class, want := range map[string]bool{"": true, "default": true, "other": false} {
		s.Spec.Controller = class
		if s.Served("default") != want {
			t.Errorf("class %q: served is %t", class, !want)
		}
	}
}

func TestSchemeKnowsBothVersions(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := eso.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"v1", "v1beta1"} {
		for _, kind := range []string{"ExternalSecret", "SecretStore", "ClusterSecretStore"} {
			for _, suffix := range []string{"", "List"} {
				gvk := schema.GroupVersionKind{Group: "external-secrets.io", Version: version, Kind: kind + suffix}
				if !scheme.Recognizes(gvk) {
					t.Errorf("%s is not known", gvk)
				}
			}
		}
	}
	if got := eso.Resource(eso.ExternalSecrets).String(); got != "external-secrets.io/v1, Resource=externalsecrets" {
		t.Errorf("Resource = %s", got)
	}
}
