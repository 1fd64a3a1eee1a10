package diagnose

import (
	"fmt"
	"regexp"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// admits evaluates a ClusterSecretStore's conditions as ESO does: any selector,
// name or regex (unanchored) of any element suffices.
func admits(conditions []eso.StoreCondition, namespace string, namespaceLabels map[string]string) (bool, error) {
	for i, c := range conditions {
		if c.NamespaceSelector != nil && namespaceLabels != nil {
			selector, err := metav1.LabelSelectorAsSelector(c.NamespaceSelector)
			if err != nil {
				return false, fmt.Errorf("spec.conditions[%d].namespaceSelector: %w", i, err)
			}
			if selector.Matches(labels.Set(namespaceLabels)) {
				return true, nil
			}
		}
		if slices.Contains(c.Namespaces, namespace) {
			return true, nil
		}
		for j, expr := range c.NamespaceRegexes {
			re, err := regexp.Compile(expr)
			if err != nil {
				return false, fmt.Errorf("spec.conditions[%d].namespaceRegexes[%d]: %w", i, j, err)
			}
			if re.MatchString(namespace) {
				return true, nil
			}
		}
	}
	return false, nil
}

// Admits reports whether a store's conditions admit a namespace, as far as that is
// known: a selector over labels that are not known admits nobody.
func Admits(s *eso.Store, namespace string, namespaceLabels Fact[map[string]string]) bool {
	if !s.Cluster() || len(s.Spec.Conditions) == 0 {
		return true
	}
	labels := namespaceLabels.Value
	if !namespaceLabels.Known {
		labels = nil
	}
	admitted, err := admits(s.Spec.Conditions, namespace, labels)
	return admitted && err == nil
}

// selects reports whether a condition goes by the namespace's labels.
func selects(conditions []eso.StoreCondition) bool {
	return slices.ContainsFunc(conditions, func(c eso.StoreCondition) bool { return c.NamespaceSelector != nil })
}
