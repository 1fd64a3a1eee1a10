package controller_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/controller"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// A referent store logs in by each namespace's own Secret. What is wrong with one, or
// mended, concerns that namespace alone.
func TestNeverHoldsANamespaceForAnothersCredential(t *testing.T) {
	good, bad := ready(t), newStage(t)
	store := &eso.ClusterSecretStore{
		TypeMeta:   metav1.TypeMeta{APIVersion: eso.GroupVersion().String(), Kind: eso.KindClusterSecretStore},
		ObjectMeta: metav1.ObjectMeta{Name: good.namespace},
		Spec: eso.StoreSpec{Provider: eso.Provider{Vault: &eso.VaultProvider{
			Server: good.sb.VaultAddress(0), Path: &good.mount,
			Auth: &eso.VaultAuth{TokenSecretRef: &eso.SecretKeySelector{Name: "vault-token", Key: "token"}},
		}}},
	}
	if _, err := good.clients.ClusterSecretStores().Create(t.Context(), store, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { good.kubectlQuiet("delete", "clustersecretstore", store.Name) })
	of := func(es *eso.ExternalSecret) {
		es.Spec.SecretStoreRef = &eso.StoreRef{Kind: eso.KindClusterSecretStore, Name: store.Name}
	}
	bad.token("vault-token", "hvs.wrong")
	r := good.run(func(c *controller.Config) { c.Namespace = "" })
	bad.mapping("db", of)
	bad.wait("db", "False", eso.ReasonSyncError, "invalid vault credentials")
	good.mapping("db", of)
	good.wait("db", "True", eso.ReasonSynced)
	good.mapping("often", of, func(es *eso.ExternalSecret) { es.Spec.RefreshInterval = eso.NewDuration(time.Second) })
	good.wait("often", "True", eso.ReasonSynced)
	// The one that fails does not stand in the way of a refresh by time.
	good.sb.Put(t, good.mount, "app/db", map[string]any{"password": "second"})
	good.holds("often", "password", "second")

	bad.token("vault-token", good.readToken())
	bad.wait("db", "True", eso.ReasonSynced)
	syncs := r.scrapeLine(t, fmt.Sprintf(`externalsecret_sync_calls_total{name="db",namespace="%s"}`, good.namespace))
	if !strings.HasSuffix(syncs, " 1\n") {
		t.Errorf("%q: a Secret of another namespace made it due", syncs)
	}
}

// Two mappings that add keys to one Secret each have labels and annotations of their
// own, which are copied to it. They must not undo each other, nor kubectl's own record
// of the Secret.
func TestNeverFightsOverCopiedMetadata(t *testing.T) {
	s := ready(t)
	s.kubectl("-n", s.namespace, "create", "secret", "generic", "shared", "--from-literal=own=1", "--save-config")
	record := s.secret("shared").Annotations[eso.AnnotationLastApplied]
	if record == "" {
		t.Fatal("kubectl left no record, so this proves nothing")
	}
	r := s.run()
	for _, name := range []string{"user", "password"} {
		s.mapping(name, func(es *eso.ExternalSecret) {
			es.Labels = map[string]string{"app": name}
			es.Annotations = map[string]string{eso.AnnotationLastApplied: "{\"of\":\"" + name + "\"}", eso.AnnotationForceSync: name, "only-" + name: "yes"}
			es.Spec.Target.Name, es.Spec.Target.CreationPolicy = "shared", eso.CreateMerge
			es.Spec.Data[0].SecretKey, es.Spec.Data[0].RemoteRef.Property = name, name
		})
		s.wait(name, "True", eso.ReasonSynced)
	}
	before := s.secret("shared")
	if before.Annotations[eso.AnnotationLastApplied] != record {
		t.Errorf("kubectl's record of the Secret became %s", before.Annotations[eso.AnnotationLastApplied])
	}
	for _, name := range []string{"only-user", "only-password"} {
		if before.Annotations[name] != "yes" {
			t.Errorf("annotation %s is not copied", name)
		}
	}
	if before.Labels["app"] != "user" {
		t.Errorf("label app=%s, want the first one's", before.Labels["app"])
	}
	s.forceSync("password")
	after := s.secret("shared")
	if after.ResourceVersion != before.ResourceVersion {
		t.Errorf("written again: %v, then %v", before.ObjectMeta, after.ObjectMeta)
	}
	// The first one may still change what it set.
	s.edit("user", func(es *eso.ExternalSecret) { es.Labels["app"] = "changed" })
	sandbox.Eventually(t, func() error {
		if label := s.secret("shared").Labels["app"]; label != "changed" {
			return fmt.Errorf("label app=%s", label)
		}
		return nil
	})
	if n := strings.Count(r.log.String(), "action=Update"); n > 3 {
		t.Errorf("the Secret was written %d times", n)
	}
}
