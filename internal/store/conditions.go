package store

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// admits applies a ClusterSecretStore's conditions: any selector, name or regular
// expression in any of them suffices, as in ESO. Expressions are not anchored.
func (p *Pass) admits(ctx context.Context, store eso.Store, namespace string) error {
	if !store.Cluster() || len(store.Spec.Conditions) == 0 {
		return nil
	}
	for i, c := range store.Spec.Conditions {
		field := fmt.Sprintf("spec.conditions[%d]", i)
		if slices.Contains(c.Namespaces, namespace) {
			return nil
		}
		for _, expr := range c.NamespaceRegexes {
			matcher, err := regexp.Compile(expr)
			if err != nil {
				return &kv.Error{Kind: kv.BadConfig, Field: field + ".namespaceRegexes", Detail: fmt.Sprintf("%s of %s: %s", field+".namespaceRegexes", store, err)}
			}
			if matcher.MatchString(namespace) {
				return nil
			}
		}
		if c.NamespaceSelector == nil {
			continue
		}
		selector, err := metav1.LabelSelectorAsSelector(c.NamespaceSelector)
		if err != nil {
			return &kv.Error{Kind: kv.BadConfig, Field: field + ".namespaceSelector", Detail: fmt.Sprintf("%s of %s: %s", field+".namespaceSelector", store, err)}
		}
		set, err := p.Objects.NamespaceLabels(ctx, namespace)
		if err != nil {
			return &kv.Error{Kind: kv.Unreachable, Err: err, Detail: fmt.Sprintf("reading the labels of namespace %s: %s", namespace, vault.Cause(err))}
		}
		if selector.Matches(labels.Set(set)) {
			return nil
		}
	}
	return &kv.Error{Kind: kv.Denied, Field: "spec.conditions", Detail: fmt.Sprintf(
		"using cluster store %q is not allowed from namespace %q: denied by spec.condition", store.Meta.Name, namespace)}
}
