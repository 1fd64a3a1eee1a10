package sandbox

import (
	"context"
	"os"
	"testing"

	"github.com/hashicorp/vault/api"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A ServiceAccount logs in to Vault by its token, which Vault has reviewed by the
// cluster: the whole round that the kubernetes auth method makes.
func TestKubernetesAuthLogsAServiceAccountIn(t *testing.T) {
	sb := shared.Sandbox(t)
	ctx, root, namespace := t.Context(), sb.RootVault(t), sb.Namespace(t)
	for range 2 { // it may be added again
		if err := sb.AddVaultAuth(ctx, "kubernetes"); err != nil {
			t.Fatal(err)
		}
	}
	mount := unique("kubernetes")
	if err := root.Sys().EnableAuthWithOptionsWithContext(ctx, mount, &api.EnableAuthOptions{Type: "kubernetes"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := root.Sys().DisableAuthWithContext(context.Background(), mount); err != nil {
			t.Error(err)
		}
	})
	ca, err := os.ReadFile(sb.RESTConfig().CAFile)
	if err != nil {
		t.Fatal(err)
	}
	reviewer := accountToken(t, sb, namespace, "reviewer")
	bindReviewer(t, sb, namespace)
	for path, body := range map[string]map[string]any{
		"config":   {"kubernetes_host": sb.RESTConfig().Host, "kubernetes_ca_cert": string(ca), "token_reviewer_jwt": reviewer},
		"role/app": {"bound_service_account_names": "app", "bound_service_account_namespaces": namespace, "policies": "default"},
	} {
		if _, err := root.Logical().WriteWithContext(ctx, "auth/"+mount+"/"+path, body); err != nil {
			t.Fatal(err)
		}
	}
	tokens := map[string]string{"app": accountToken(t, sb, namespace, "app"), "other": accountToken(t, sb, namespace, "other")}
	login := func(account string) error {
		_, err := root.Logical().WriteWithContext(ctx, "auth/"+mount+"/login", map[string]any{"role": "app", "jwt": tokens[account]})
		return err
	}
	Eventually(t, func() error { return login("app") }) // once the API server knows the reviewer's right
	if err := login("other"); err == nil {
		t.Error("another ServiceAccount logs in with the role")
	}
}

func accountToken(t *testing.T, sb *Sandbox, namespace, name string) string {
	t.Helper()
	accounts := sb.Client().CoreV1().ServiceAccounts(namespace)
	if _, err := accounts.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	token, err := accounts.CreateToken(t.Context(), name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return token.Status.Token
}

// bindReviewer lets the ServiceAccount "reviewer" review tokens.
func bindReviewer(t *testing.T, sb *Sandbox, namespace string) {
	t.Helper()
	bindings := sb.Client().RbacV1().ClusterRoleBindings()
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "system:auth-delegator"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "reviewer"}},
	}
	if _, err := bindings.Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bindings.Delete(context.Background(), namespace, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
}
