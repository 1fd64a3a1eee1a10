package store

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// The kubernetes method with Vault's real plugin, which asks the real API server
// whether the ServiceAccount's token is good.
func TestKubernetesMethod(t *testing.T) {
	b := newBench(t)
	namespace, path := b.kubernetes()
	stanza := func(account string, audiences ...string) eso.VaultAuth {
		return eso.VaultAuth{Kubernetes: &eso.KubernetesAuth{Path: path, Role: "app", ServiceAccountRef: &eso.ServiceAccountSelector{Name: account, Audiences: audiences}}}
	}
	b.logsIn("app", stanza("app", "vault"), 1)
	b.mem.put("apps", "jwt", map[string]string{"token": string(b.accountToken(namespace, "app", []string{"vault"}, time.Hour)) + "\n"})
	b.logsIn("secret", eso.VaultAuth{Kubernetes: &eso.KubernetesAuth{Path: path, Role: "app", SecretRef: &eso.SecretKeySelector{Name: "jwt"}}}, 1)
	for name, auth := range map[string]eso.VaultAuth{"another-account": stanza("reviewer", "vault"), "no-audience": stanza("app")} {
		b.mem.add(eso.KindSecretStore, name, b.provider(auth)).Spec.RetrySettings = &eso.RetrySettings{}
		if _, err := b.read(name, "app/db"); kv.KindOf(err) != kv.BadCredential || !strings.Contains(err.Error(), "auth/"+path+"/login: Code: ") {
			t.Errorf("%s: %s: %v", name, kv.KindOf(err), err)
		}
	}
}

// kubernetes enables the method for ServiceAccount app of a namespace of its own, whose
// accounts those of namespace apps stand for.
func (b *bench) kubernetes() (namespace, path string) {
	t := b.t
	t.Helper()
	if err := b.sb.AddVaultAuth(t.Context(), "kubernetes"); err != nil {
		t.Fatal(err)
	}
	namespace, path = b.sb.Namespace(t), b.auth("kubernetes")
	b.account(namespace, "reviewer")
	b.account(namespace, "app")
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "review-" + namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "system:auth-delegator"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: namespace, Name: "reviewer"}},
	}
	bindings := b.sb.Client().RbacV1().ClusterRoleBindings()
	if _, err := bindings.Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bindings.Delete(context.Background(), binding.Name, metav1.DeleteOptions{}) })
	config := b.sb.RESTConfig()
	ca := config.CAData
	if ca == nil {
		var err error
		if ca, err = os.ReadFile(config.CAFile); err != nil {
			t.Fatal(err)
		}
	}
	b.write("auth/"+path+"/config", map[string]any{
		"kubernetes_host": config.Host, "kubernetes_ca_cert": string(ca), "disable_local_ca_jwt": true,
		"token_reviewer_jwt": string(b.accountToken(namespace, "reviewer", nil, time.Hour)),
	})
	b.write("auth/"+path+"/role/app", map[string]any{
		"bound_service_account_names": "app", "bound_service_account_namespaces": namespace, "audience": "vault", "token_policies": b.policy(), "token_ttl": "20m",
	})
	b.mem.sign = func(_, name string, audiences []string, expiry time.Duration) (redact.Bytes, error) {
		return b.accountToken(namespace, name, audiences, expiry), nil
	}
	return namespace, path
}

func (b *bench) account(namespace, name string) {
	b.t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := b.sb.Client().CoreV1().ServiceAccounts(namespace).Create(b.t.Context(), account, metav1.CreateOptions{}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) accountToken(namespace, name string, audiences []string, expiry time.Duration) redact.Bytes {
	b.t.Helper()
	seconds := int64(expiry.Seconds())
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: audiences, ExpirationSeconds: &seconds}}
	answer, err := b.sb.Client().CoreV1().ServiceAccounts(namespace).CreateToken(b.t.Context(), name, request, metav1.CreateOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	return redact.Bytes(answer.Status.Token)
}
