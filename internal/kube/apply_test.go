package kube_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// What is to be created is not merged into what somebody else made meanwhile; a dry run
// creates nothing.
func TestApplierCreates(t *testing.T) {
	c, namespace, _ := stack(t)
	meta := metav1.ObjectMeta{Namespace: namespace, Name: "x", Labels: map[string]string{"made-by": "us"}}
	wide := metav1.ObjectMeta{Name: namespace, Labels: meta.Labels}
	spec := &eso.StoreSpec{Provider: eso.Provider{Vault: &eso.VaultProvider{Server: "http://vault:8200", Version: "v2", Auth: &eso.VaultAuth{
		TokenSecretRef: &eso.SecretKeySelector{Name: "vault-token", Key: "token"},
	}}}}
	t.Cleanup(func() {
		for _, kind := range []string{"ClusterRoleBinding", eso.KindClusterSecretStore} {
			if made, err := uidOf(context.Background(), c, kind, "", wide.Name); err == nil {
				_ = kube.Applier{Clients: c, Manager: "us"}.Delete(context.Background(), kind, "", wide.Name, made.UID)
			}
		}
	})
	for _, object := range []struct {
		kind, what string
		meta       metav1.ObjectMeta
		create     func(kube.Applier) error
	}{
		{"Secret", "Secret " + namespace + "/x", meta, func(a kube.Applier) error {
			return a.Secret(t.Context(), &corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{"k": []byte("v")}})
		}},
		{"ServiceAccount", "ServiceAccount " + namespace + "/x", meta, func(a kube.Applier) error {
			return a.NewServiceAccount(t.Context(), &corev1.ServiceAccount{ObjectMeta: meta})
		}},
		{"ClusterRoleBinding", "ClusterRoleBinding " + namespace, wide, func(a kube.Applier) error {
			return a.NewClusterRoleBinding(t.Context(), wide, "view", namespace, "x")
		}},
		{eso.KindSecretStore, "SecretStore/" + namespace + "/x", meta, func(a kube.Applier) error {
			return a.NewStore(t.Context(), eso.Store{Kind: eso.KindSecretStore, Meta: &meta, Spec: spec})
		}},
		{eso.KindClusterSecretStore, "ClusterSecretStore/" + namespace, wide, func(a kube.Applier) error {
			return a.NewStore(t.Context(), eso.Store{Kind: eso.KindClusterSecretStore, Meta: &wide, Spec: spec})
		}},
	} {
		if err := object.create(kube.Applier{Clients: c, Manager: "us", DryRun: true}); err != nil {
			t.Errorf("%s, dry run: %v", object.kind, err)
		}
		if _, err := uidOf(t.Context(), c, object.kind, object.meta.Namespace, object.meta.Name); !apierrors.IsNotFound(err) {
			t.Errorf("%s: a dry run wrote: %v", object.kind, err)
		}
		if err := object.create(kube.Applier{Clients: c, Manager: "us"}); err != nil {
			t.Errorf("%s: %v", object.kind, err)
		}
		made, err := uidOf(t.Context(), c, object.kind, object.meta.Namespace, object.meta.Name)
		if err != nil || made.Labels["made-by"] != "us" {
			t.Errorf("%s: %v, %v", object.kind, made, err)
		}
		err = object.create(kube.Applier{Clients: c, Manager: "them"})
		if !errors.Is(err, kube.ErrChanged) || err.Error() != "creating "+object.what+": it changed meanwhile: somebody else made it" {
			t.Errorf("%s is there already: %v", object.kind, err)
		}
		if now, err := uidOf(t.Context(), c, object.kind, object.meta.Namespace, object.meta.Name); err != nil || now.ResourceVersion != made.ResourceVersion {
			t.Errorf("%s was written: %v", object.kind, err)
		}
	}
}

func uidOf(ctx context.Context, c *kube.Clients, kind, namespace, name string) (metav1.ObjectMeta, error) {
	switch kind {
	case "Secret":
		o, err := c.Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
		return o.ObjectMeta, err
	case "ServiceAccount":
		o, err := c.ServiceAccounts(namespace).Get(ctx, name, metav1.GetOptions{})
		return o.ObjectMeta, err
	case eso.KindSecretStore:
		o, err := c.SecretStores(namespace).Get(ctx, name, metav1.GetOptions{})
		return o.ObjectMeta, err
	case eso.KindClusterSecretStore:
		o, err := c.ClusterSecretStores().Get(ctx, name, metav1.GetOptions{})
		return o.ObjectMeta, err
	}
	o, err := c.ClusterRoleBinding(ctx, name)
	if err != nil {
		return metav1.ObjectMeta{}, err
	}
	return o.ObjectMeta, nil
}

// A Secret is written as it was looked at, or not at all.
func TestApplierWritesWhatItLookedAt(t *testing.T) {
	c, namespace, _ := stack(t)
	a := kube.Applier{Clients: c, Manager: "us"}
	secret := func(seen metav1.ObjectMeta, value string) *corev1.Secret {
		return &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "x", UID: seen.UID, ResourceVersion: seen.ResourceVersion, Annotations: map[string]string{"replaced/by": value}},
			Data:       map[string][]byte{"k": []byte(value)},
		}
	}
	look := func() *corev1.Secret {
		t.Helper()
		s, err := c.Secrets(namespace).Get(t.Context(), "x", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if err := a.Secret(t.Context(), secret(metav1.ObjectMeta{}, "first-value")); err != nil {
		t.Fatal(err)
	}
	first := look()
	if err := a.Secret(t.Context(), secret(first.ObjectMeta, "second-value")); err != nil {
		t.Fatal(err)
	}
	second := look()
	if string(second.Data["k"]) != "second-value" || second.UID != first.UID {
		t.Fatalf("it is %v", second.ObjectMeta)
	}
	err := a.Secret(t.Context(), secret(first.ObjectMeta, "third-value"))
	if !errors.Is(err, kube.ErrChanged) || strings.Contains(err.Error(), "value") || string(look().Data["k"]) != "second-value" {
		t.Errorf("it was changed meanwhile: %v", err)
	}
	if err := a.Unannotate(t.Context(), namespace, "x", second.UID, "replaced/by", "first-value"); !errors.Is(err, kube.ErrChanged) {
		t.Errorf("the annotation has another value: %v", err)
	}
	if err := a.Unannotate(t.Context(), namespace, "x", second.UID, "replaced/by", "second-value"); err != nil || look().Annotations["replaced/by"] != "" {
		t.Errorf("the annotation is left: %v", err)
	}
	if err := a.Delete(t.Context(), "Secret", namespace, "x", second.UID); err != nil {
		t.Fatal(err)
	}
	if err := a.Secret(t.Context(), secret(second.ObjectMeta, "fourth-value")); !errors.Is(err, kube.ErrChanged) {
		t.Errorf("it is gone: %v", err)
	}
	if _, err := c.Secrets(namespace).Get(t.Context(), "x", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("a planned change made it anew: %v", err)
	}
	if err := a.Secret(t.Context(), secret(metav1.ObjectMeta{}, "theirs")); err != nil {
		t.Fatal(err)
	}
	if err := a.Secret(t.Context(), secret(second.ObjectMeta, "fifth-value")); !errors.Is(err, kube.ErrChanged) || string(look().Data["k"]) != "theirs" {
		t.Errorf("another one of the name: %v", err)
	}
}
