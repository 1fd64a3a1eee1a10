package gather_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/hashicorp/vault/api"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// write writes to Vault as root.
func (s *stack) write(path string, data map[string]any) *api.Secret {
	s.t.Helper()
	secret, err := s.RootVault(s.t).Logical().WriteWithContext(s.t.Context(), path, data)
	if err != nil {
		s.t.Fatal(err)
	}
	return secret
}

// field writes nothing to a path and returns one field of the answer.
func (s *stack) field(path, name string) string {
	s.t.Helper()
	text, _ := s.write(path, nil).Data[name].(string)
	return text
}

// enable mounts an auth method and returns its path, for one test.
func (s *stack) enable(kind string) string {
	s.t.Helper()
	path, client := kind+"-"+s.mount, s.RootVault(s.t)
	if err := client.Sys().EnableAuthWithOptionsWithContext(s.t.Context(), path, &api.EnableAuthOptions{Type: kind}); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = client.Sys().DisableAuthWithContext(context.Background(), path) })
	return path
}

// plugin makes an auth method known that Vault's minimal build leaves out.
func (s *stack) plugin(kind string) {
	s.t.Helper()
	if err := s.AddVaultAuth(s.t.Context(), kind); err != nil {
		s.t.Fatal(err)
	}
}

// policy lets read the stack's mount.
func (s *stack) policy() string {
	s.t.Helper()
	name := "read-" + s.mount
	if err := s.RootVault(s.t).Sys().PutPolicyWithContext(s.t.Context(), name, fmt.Sprintf(`path "%s/data/*" { capabilities = ["read"] }`, s.mount)); err != nil {
		s.t.Fatal(err)
	}
	return name
}

// shortToken makes a token that may read the mount, with an end and, if not 0, a
// number of uses.
func (s *stack) shortToken(ttl string, uses int) string {
	s.t.Helper()
	secret, err := s.RootVault(s.t).Auth().Token().CreateWithContext(s.t.Context(), &api.TokenCreateRequest{
		Policies: []string{s.policy()}, TTL: ttl, NumUses: uses, NoParent: true,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.made = secret.Auth.ClientToken
	return s.made
}

// useToken uses up the last token that was made.
func (s *stack) useToken() {
	s.t.Helper()
	client := s.RootVault(s.t)
	client.SetToken(s.made)
	if _, err := client.Auth().Token().LookupSelfWithContext(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// tokenGone is nil when the last token that was made is good no more.
func (s *stack) tokenGone() error {
	client := s.RootVault(s.t)
	client.SetToken(s.made)
	if _, err := client.Auth().Token().LookupSelfWithContext(s.t.Context()); err == nil {
		return errors.New("the token is still good")
	}
	return nil
}

// appRole makes a role "app" and returns the method's path and the role's id.
func (s *stack) appRole() (path, role string) {
	s.t.Helper()
	path = s.enable("approle")
	s.write("auth/"+path+"/role/app", map[string]any{"token_policies": s.policy()})
	secret, err := s.RootVault(s.t).Logical().ReadWithContext(s.t.Context(), "auth/"+path+"/role/app/role-id")
	if err != nil {
		s.t.Fatal(err)
	}
	role, _ = secret.Data["role_id"].(string)
	return path, role
}

// jwt makes a role "app" for the audience "vault", and returns the method's path and
// what signs a token.
func (s *stack) jwt() (path string, sign func(audience string, life time.Duration) string) {
	s.t.Helper()
	path = s.enable("jwt")
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write("auth/"+path+"/config", map[string]any{"jwt_validation_pubkeys": []string{string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))}})
	s.write("auth/"+path+"/role/app", map[string]any{"role_type": "jwt", "user_claim": "sub", "bound_audiences": []string{"vault"}, "token_policies": s.policy()})
	return path, func(audience string, life time.Duration) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: private}, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		now := time.Now()
		text, err := jwt.Signed(signer).Claims(jwt.Claims{
			Subject: "app", Audience: []string{audience}, IssuedAt: jwt.NewNumericDate(now.Add(-2 * time.Hour)), Expiry: jwt.NewNumericDate(now.Add(life)),
		}).Serialize()
		if err != nil {
			s.t.Fatal(err)
		}
		return text
	}
}

func (s *stack) account(name string) {
	s.t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := s.Client().CoreV1().ServiceAccounts(s.namespace).Create(s.t.Context(), account, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// kubernetesAuth lets one ServiceAccount of the namespace log in as role "app", and
// returns the method's path. Vault asks the real API server.
func (s *stack) kubernetesAuth(account string) string {
	s.t.Helper()
	s.plugin("kubernetes")
	path := s.enable("kubernetes")
	s.account("reviewer")
	s.account(account)
	bindings := s.Client().RbacV1().ClusterRoleBindings()
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "review-" + s.namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "system:auth-delegator"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: s.namespace, Name: "reviewer"}},
	}
	if _, err := bindings.Create(s.t.Context(), binding, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = bindings.Delete(context.Background(), binding.Name, metav1.DeleteOptions{}) })
	token, err := s.Client().CoreV1().ServiceAccounts(s.namespace).CreateToken(s.t.Context(), "reviewer", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	config := s.RESTConfig()
	ca := config.CAData
	if ca == nil {
		if ca, err = os.ReadFile(config.CAFile); err != nil {
			s.t.Fatal(err)
		}
	}
	s.write("auth/"+path+"/config", map[string]any{
		"kubernetes_host": config.Host, "kubernetes_ca_cert": string(ca), "disable_local_ca_jwt": true, "token_reviewer_jwt": token.Status.Token,
	})
	s.write("auth/"+path+"/role/app", map[string]any{
		"bound_service_account_names": account, "bound_service_account_namespaces": s.namespace, "audience": "vault", "token_policies": s.policy(),
	})
	return path
}

// keyPair is a client certificate that signs itself, and its key.
func keyPair(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "app"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: text}))
}
