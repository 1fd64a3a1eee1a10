package kube

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestGitOwner(t *testing.T) {
	managed := func(name string) []metav1.ManagedFieldsEntry { return []metav1.ManagedFieldsEntry{{Manager: name}} }
	for _, c := range []struct {
		name, want string
		meta       metav1.ObjectMeta
	}{
		{name: "a person's", meta: metav1.ObjectMeta{ManagedFields: managed("kubectl-client-side-apply"), Labels: map[string]string{"app.kubernetes.io/instance": "vault"}}},
		{name: "flux", want: "Flux Kustomization flux-system/apps", meta: metav1.ObjectMeta{Labels: map[string]string{
			"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
		}}},
		{name: "flux helm", want: "Flux HelmRelease apps/web", meta: metav1.ObjectMeta{Labels: map[string]string{
			"helm.toolkit.fluxcd.io/name": "web", "helm.toolkit.fluxcd.io/namespace": "apps",
		}}},
		{name: "flux by its manager", want: "Flux (kustomize-controller)", meta: metav1.ObjectMeta{ManagedFields: managed("kustomize-controller")}},
		{name: "argo by annotation", want: "Argo CD application secrets", meta: metav1.ObjectMeta{Annotations: map[string]string{
			"argocd.argoproj.io/tracking-id": "secrets:external-secrets.io/ClusterSecretStore:argocd/vault",
		}}},
		{name: "argo by label", want: "Argo CD application secrets", meta: metav1.ObjectMeta{
			ManagedFields: managed("argocd-controller"), Labels: map[string]string{"app.kubernetes.io/instance": "secrets"},
		}},
		{name: "a hostile name", want: "Argo CD application evil\ufffd[31m", meta: metav1.ObjectMeta{Annotations: map[string]string{
			"argocd.argoproj.io/tracking-id": "evil\x1b[31m:x",
		}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := GitOwner(&c.meta); got != c.want {
				t.Errorf("GitOwner: %q, want %q", got, c.want)
			}
		})
	}
}
