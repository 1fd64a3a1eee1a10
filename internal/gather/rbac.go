package gather

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	rbacclient "k8s.io/client-go/kubernetes/typed/rbac/v1"
)

// SecretReader is somebody whom RBAC lets read one Secret.
type SecretReader struct {
	// Kind is User, Group or ServiceAccount; Namespace is the latter's.
	Kind, Namespace, Name string
	// Verbs are those of get, list and watch that are granted, sorted.
	Verbs []string
	// Via is the binding and the role, e.g. "RoleBinding apps/readers to ClusterRole view".
	Via string
}

// String is "ServiceAccount apps/api" or "Group ops".
func (r SecretReader) String() string {
	if r.Namespace != "" {
		return r.Kind + " " + r.Namespace + "/" + r.Name
	}
	return r.Kind + " " + r.Name
}

// access is what RBAC grants that concerns one namespace.
type access struct {
	grants  []grant
	notSeen []string
}

// grant is one binding with the rules of its role.
type grant struct {
	via      string
	subjects []rbacv1.Subject
	rules    []rbacv1.PolicyRule
}

// SecretReaders lists who may read a Secret by RBAC, and what the caller could not see
// of that. It knows nothing of other authorizers (system:masters, webhooks), nor of
// those who may read a Secret by running a Pod that mounts it.
func (g *Gatherer) SecretReaders(ctx context.Context, namespace, secret string) ([]SecretReader, []string) {
	all, _ := g.access.get(namespace, func() (access, error) { return g.accessIn(ctx, namespace), nil })
	var readers []SecretReader
	for _, one := range all.grants {
		verbs := readVerbs(one.rules, secret)
		if len(verbs) == 0 {
			continue
		}
		for _, s := range one.subjects {
			readers = append(readers, SecretReader{Kind: Clean(s.Kind), Namespace: Clean(s.Namespace), Name: Clean(s.Name), Verbs: verbs, Via: one.via})
		}
	}
	slices.SortFunc(readers, func(a, b SecretReader) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Via, b.Via))
	})
	return readers, all.notSeen
}

// readVerbs are the verbs by which rules let a Secret's content be read.
func readVerbs(rules []rbacv1.PolicyRule, secret string) []string {
	var verbs []string
	for _, rule := range rules {
		any := func(list []string, want string) bool {
			return slices.Contains(list, want) || slices.Contains(list, "*")
		}
		if !any(rule.APIGroups, "") || !any(rule.Resources, "secrets") || len(rule.ResourceNames) > 0 && !slices.Contains(rule.ResourceNames, secret) {
			continue
		}
		for _, verb := range []string{"get", "list", "watch"} {
			if any(rule.Verbs, verb) {
				verbs = append(verbs, verb)
			}
		}
	}
	slices.Sort(verbs)
	return slices.Compact(verbs)
}

// accessIn collects the bindings of a namespace and of the cluster, with their roles.
func (g *Gatherer) accessIn(ctx context.Context, namespace string) access {
	ctx, cancel := g.limited(ctx)
	defer cancel()
	var d denials
	a := access{}
	fail := func(act string, err error) {
		if why := d.reason(act, err); why != "you may not "+act { // which reason has noted
			d.add(act + ": " + why)
		}
	}
	client, err := rbacclient.NewForConfig(g.Clients.Config)
	if err != nil {
		return access{notSeen: []string{"RBAC: " + Clean(err.Error())}}
	}
	clusterRoles, roles, failed := rolesIn(ctx, client, namespace)
	for act, err := range failed {
		fail(act, err)
	}
	add := func(via string, ref rbacv1.RoleRef, subjects []rbacv1.Subject) {
		rules, known := clusterRoles[ref.Name]
		if ref.Kind == "Role" {
			rules, known = roles[ref.Name]
		}
		if known {
			a.grants = append(a.grants, grant{via: Clean(fmt.Sprintf("%s to %s %s", via, ref.Kind, ref.Name)), subjects: subjects, rules: rules})
		}
	}
	if err := paged(func(o metav1.ListOptions) (string, error) {
		list, err := client.RoleBindings(namespace).List(ctx, o)
		if err != nil {
			return "", err
		}
		for _, b := range list.Items {
			add("RoleBinding "+b.Namespace+"/"+b.Name, b.RoleRef, b.Subjects)
		}
		return list.Continue, nil
	}); err != nil {
		fail("list rolebindings in "+namespace, err)
	}
	if err := paged(func(o metav1.ListOptions) (string, error) {
		list, err := client.ClusterRoleBindings().List(ctx, o)
		if err != nil {
			return "", err
		}
		for _, b := range list.Items {
			add("ClusterRoleBinding "+b.Name, b.RoleRef, b.Subjects)
		}
		return list.Continue, nil
	}); err != nil {
		fail("list clusterrolebindings", err)
	}
	a.notSeen = d.sorted()
	return a
}

// rolesIn maps the names of ClusterRoles, and of a namespace's Roles, to their rules.
// failed maps what could not be done to why.
func rolesIn(ctx context.Context, client *rbacclient.RbacV1Client, namespace string) (clusterRoles, roles map[string][]rbacv1.PolicyRule, failed map[string]error) {
	clusterRoles, roles, failed = map[string][]rbacv1.PolicyRule{}, map[string][]rbacv1.PolicyRule{}, map[string]error{}
	if err := paged(func(o metav1.ListOptions) (string, error) {
		list, err := client.ClusterRoles().List(ctx, o)
		if err != nil {
			return "", err
		}
		for _, role := range list.Items {
			clusterRoles[role.Name] = role.Rules
		}
		return list.Continue, nil
	}); err != nil {
		failed["list clusterroles"] = err
	}
	if err := paged(func(o metav1.ListOptions) (string, error) {
		list, err := client.Roles(namespace).List(ctx, o)
		if err != nil {
			return "", err
		}
		for _, role := range list.Items {
			roles[role.Name] = role.Rules
		}
		return list.Continue, nil
	}); err != nil {
		failed["list roles in "+namespace] = err
	}
	return clusterRoles, roles, failed
}

// paged lists in chunks until there are no more.
func paged(list func(metav1.ListOptions) (next string, err error)) error {
	options := metav1.ListOptions{Limit: chunk}
	for {
		next, err := list(options)
		if err != nil || next == "" {
			return err
		}
		options.Continue = next
	}
}
