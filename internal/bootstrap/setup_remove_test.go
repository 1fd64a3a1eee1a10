package bootstrap

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// as is a user with the rights of the rules in the namespaces given.
func (s *site) as(user string, rules []rbacv1.PolicyRule, namespaces ...string) *kube.Clients {
	s.Helper()
	for _, namespace := range namespaces {
		role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: user}, Rules: rules}
		if _, err := s.sb.Client().RbacV1().Roles(namespace).Create(s.Context(), role, metav1.CreateOptions{}); err != nil {
			s.Fatal(err)
		}
		if _, err := s.sb.Client().RbacV1().RoleBindings(namespace).Create(s.Context(), &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: user}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user},
			Subjects: []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: user}},
		}, metav1.CreateOptions{}); err != nil {
			s.Fatal(err)
		}
	}
	config := s.sb.RESTConfig()
	config.Impersonate.UserName = user
	clients, err := kube.NewClients(config)
	if err != nil {
		s.Fatal(err)
	}
	return clients
}

// removal plans a removal with the rights of clients.
func (s *site) removal(clients *kube.Clients) (Plan, error) {
	s.Helper()
	ground := s.ground
	ground.Clients = clients
	facts, err := ground.RemovalFacts(s.Context(), s.want)
	if err != nil {
		s.Fatal(err)
	}
	return PlanRemove(s.want, facts)
}

// A login that a store of another namespace uses is not removed; where not all stores can
// be seen, that is not taken for none.
func TestNeverRemovesALoginThatAnotherNamespaceUses(t *testing.T) {
	s := newSite(t)
	s.completes()
	own := s.want.Store.Namespace
	if err := s.ground.Clients.ExternalSecrets(own).Delete(t.Context(), "db", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	store, err := s.ground.Clients.SecretStores(own).Get(t.Context(), "vault", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ground.Clients.SecretStores(own).Delete(t.Context(), "vault", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	reading := []rbacv1.PolicyRule{
		{APIGroups: []string{eso.Group}, Resources: []string{eso.ExternalSecrets, eso.SecretStores}, Verbs: []string{"get", "list"}},
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}},
	}
	limited := s.as("one-namespace", reading, own)

	// Nobody else is seen, and not everybody can be.
	_, err = s.removal(limited)
	var conflict *ConflictError
	if !errors.As(err, &conflict) || !strings.Contains(err.Error(), "is not known: you may not list ClusterSecretStores, the namespaces that there are") || !strings.Contains(conflict.Fix, "--assume-unused") {
		t.Errorf("error %v, want that it is not known", err)
	}
	s.want.AssumeUnused = true
	plan, err := s.removal(limited)
	if err != nil || plan.Empty() || !strings.Contains(strings.Join(plan.Notices, "\n"), "is not known: you may not list ClusterSecretStores") {
		t.Errorf("with --assume-unused: %q, notices %q, %v", lines(plan), plan.Notices, err)
	}
	s.want.AssumeUnused = false
	if plan, err = s.removal(s.ground.Clients); err != nil || plan.Empty() || strings.Contains(strings.Join(plan.Notices, "\n"), "not known") {
		t.Errorf("seen by an administrator: %q, notices %q, %v", lines(plan), plan.Notices, err)
	}

	// A store of another namespace logs in by the role.
	other := s.sb.Namespace(t)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: store.Spec.Provider.Vault.Auth.AppRole.SecretRef.Name}, Data: map[string][]byte{"secret-id": []byte("x")}}
	if _, err := s.ground.Clients.Secrets(other).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ground.Clients.SecretStores(other).Create(t.Context(), &eso.SecretStore{ObjectMeta: metav1.ObjectMeta{Name: "theirs"}, Spec: store.Spec}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	used := "SecretStore/" + other + "/theirs still logs in with what would be removed"
	if _, err = s.removal(s.ground.Clients); !errors.As(err, &conflict) || conflict.What != used {
		t.Errorf("error %v, want %s", err, used)
	}
	// The same for one who may look into both namespaces alone, with and without the flag.
	two := s.as("two-namespaces", reading, own, other)
	lists := "lists-namespaces-of-" + own
	t.Cleanup(func() {
		rbac := s.sb.Client().RbacV1()
		_ = rbac.ClusterRoles().Delete(context.Background(), lists, metav1.DeleteOptions{})
		_ = rbac.ClusterRoleBindings().Delete(context.Background(), lists, metav1.DeleteOptions{})
	})
	if _, err := s.sb.Client().RbacV1().ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: lists}, Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"list"}}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.sb.Client().RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: lists}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: lists},
		Subjects: []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: "two-namespaces"}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, s.want.AssumeUnused = range []bool{false, true} {
		if _, err = s.removal(two); !errors.As(err, &conflict) || conflict.What != used {
			t.Errorf("--assume-unused=%t: error %v, want %s", s.want.AssumeUnused, err, used)
		}
	}
	if err := s.ground.Clients.SecretStores(other).Delete(t.Context(), "theirs", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	s.want.AssumeUnused = false
	if _, err = s.removal(two); err == nil || !strings.Contains(err.Error(), "SecretStores of namespace default") || strings.Contains(err.Error(), "namespace "+own) {
		t.Errorf("error %v, want the namespaces that it may not look into", err)
	}
}
