package kube

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// GitOwner says which GitOps tool keeps an object as Git has it, and would undo a change
// made beside it: "Flux Kustomization flux-system/apps", "Argo CD application vault", …;
// "" when there is no sign of one. It goes by the labels and annotations that the tools
// set on what they apply, and by their field managers.
func GitOwner(m *metav1.ObjectMeta) string {
	flux := func(kind, group string) string {
		if name := m.Labels[group+"/name"]; name != "" {
			return "Flux " + kind + " " + Printable(m.Labels[group+"/namespace"]+"/"+name, 320)
		}
		return ""
	}
	if owner := flux("Kustomization", "kustomize.toolkit.fluxcd.io"); owner != "" {
		return owner
	}
	if owner := flux("HelmRelease", "helm.toolkit.fluxcd.io"); owner != "" {
		return owner
	}
	// APP:GROUP/KIND:NAMESPACE/NAME
	if application, _, _ := strings.Cut(m.Annotations["argocd.argoproj.io/tracking-id"], ":"); application != "" {
		return "Argo CD application " + Printable(application, 253)
	}
	if application := m.Labels["argocd.argoproj.io/instance"]; application != "" {
		return "Argo CD application " + Printable(application, 253)
	}
	for _, entry := range m.ManagedFields {
		switch entry.Manager {
		case "kustomize-controller", "helm-controller":
			return "Flux (" + entry.Manager + ")"
		case "argocd-controller", "argocd-application-controller":
			if application := m.Labels["app.kubernetes.io/instance"]; application != "" {
				return "Argo CD application " + Printable(application, 253)
			}
			return "Argo CD (" + entry.Manager + ")"
		}
	}
	return ""
}
