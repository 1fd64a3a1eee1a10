package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/vault/api"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// atOnce is how many requests the bare loop, and whatever prepares the work, have
// under way.
const atOnce = 50

// stage is a sandbox with the work laid out in it: everything but the mappings.
type stage struct {
	work
	sandbox    *sandbox.Sandbox
	clients    *kube.Clients
	vault      *api.Client
	asked      *requests
	kubeconfig string // of the controller
	turn       int    // of the payloads
}

// account is the controller's. It may do everything, so that any controller can run.
const account = "controller"

func newStage(ctx context.Context, w work, sb *sandbox.Sandbox) (*stage, error) {
	clients, err := kube.NewClients(sb.RESTConfig())
	if err != nil {
		return nil, err
	}
	vault, err := sb.VaultClient(0)
	if err != nil {
		return nil, err
	}
	s := &stage{work: w, sandbox: sb, clients: clients, vault: vault}
	for _, prepare := range []func(context.Context) error{s.prepareAccount, s.prepareVault, s.prepareStores} {
		if err := prepare(ctx); err != nil {
			return nil, err
		}
	}
	log, err := sb.EnableVaultAudit(ctx)
	if err != nil {
		return nil, fmt.Errorf("enabling Vault's audit log: %w", err)
	}
	s.asked = &requests{
		vault: logFile{path: log}, kubernetes: logFile{path: sb.KubernetesAuditLog()},
		user: "system:serviceaccount:" + system + ":" + account,
	}
	return s, nil
}

func (s *stage) prepareAccount(ctx context.Context) error {
	names := []string{system, floorNamespace}
	for i := range s.Namespaces {
		names = append(names, s.namespace(i))
	}
	for _, name := range names {
		if _, err := s.clients.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	user := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: account}}
	if _, err := s.clients.ServiceAccounts(system).Create(ctx, user, metav1.CreateOptions{}); err != nil {
		return err
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: system},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: system, Name: account}},
	}
	if _, err := s.sandbox.Client().RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		return err
	}
	var err error
	s.kubeconfig, err = s.sandbox.ServiceAccountKubeconfig(ctx, system, account)
	return err
}

func (s *stage) prepareVault(ctx context.Context) error {
	if err := s.vault.Sys().MountWithContext(ctx, mount, &api.MountInput{Type: "kv", Options: map[string]string{"version": "2"}}); err != nil {
		return fmt.Errorf("mounting KV: %w", err)
	}
	for { // it upgrades itself for a moment after it was mounted
		if _, err := s.vault.Logical().ReadWithContext(ctx, mount+"/config"); err == nil {
			break
		} else if ctx.Err() != nil {
			return err
		}
	}
	rules := fmt.Sprintf("path \"%s/*\" { capabilities = [\"read\", \"list\"] }", mount)
	if err := s.vault.Sys().PutPolicyWithContext(ctx, "bench", rules); err != nil {
		return fmt.Errorf("writing a policy: %w", err)
	}
	return s.put(ctx, 0, s.Paths)
}

// put gives paths from..to new values.
func (s *stage) put(ctx context.Context, from, to int) error {
	s.turn++
	return each(ctx, from, to, atOnce/2, func(ctx context.Context, i int) error {
		_, err := s.vault.KVv2(mount).Put(ctx, s.path(i), s.payload(s.turn))
		return err
	})
}

func (s *stage) prepareStores(ctx context.Context) error {
	data, err := s.credentials(ctx)
	if err != nil {
		return err
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "vault"}, StringData: data}
	if _, err := s.clients.Secrets(system).Create(ctx, secret, metav1.CreateOptions{}); err != nil {
		return err
	}
	for i := range s.Stores {
		if _, err := s.clients.ClusterSecretStores().Create(ctx, s.store(i, s.sandbox.VaultAddress(0)), metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) credentials(ctx context.Context) (map[string]string, error) {
	policies := []string{"bench"}
	if s.Auth == byToken {
		made, err := s.vault.Auth().Token().CreateWithContext(ctx, &api.TokenCreateRequest{Policies: policies, TTL: "24h", DisplayName: "bench"})
		if err != nil {
			return nil, fmt.Errorf("making a token: %w", err)
		}
		return map[string]string{"token": made.Auth.ClientToken}, nil
	}
	if err := s.vault.Sys().EnableAuthWithOptionsWithContext(ctx, "approle", &api.EnableAuthOptions{Type: "approle"}); err != nil {
		return nil, fmt.Errorf("enabling AppRole: %w", err)
	}
	const role = "auth/approle/role/bench"
	if _, err := s.vault.Logical().WriteWithContext(ctx, role, map[string]any{"token_policies": policies, "token_ttl": "1h"}); err != nil {
		return nil, err
	}
	id, err := s.vault.Logical().ReadWithContext(ctx, role+"/role-id")
	if err != nil {
		return nil, err
	}
	secret, err := s.vault.Logical().WriteWithContext(ctx, role+"/secret-id", nil)
	if err != nil {
		return nil, err
	}
	return map[string]string{"role-id": id.Data["role_id"].(string), "secret-id": secret.Data["secret_id"].(string)}, nil
}

// apply creates mappings from..to.
func (s *stage) apply(ctx context.Context, from, to int) error {
	return each(ctx, from, to, atOnce, func(ctx context.Context, i int) error {
		es := s.mapping(i)
		_, err := s.clients.ExternalSecrets(es.Namespace).Create(ctx, es, metav1.CreateOptions{})
		return err
	})
}

// each does something for from..to, so many at once.
func each(ctx context.Context, from, to, atOnce int, do func(context.Context, int) error) error {
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(atOnce)
	for i := from; i < to; i++ {
		all.Go(func() error { return do(ctx, i) })
	}
	return all.Wait()
}

// controllerBinary is the one given, else the repository's own.
func controllerBinary(given string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	root, err := sandbox.Root()
	if err != nil {
		return "", err
	}
	own := filepath.Join(root, "bin", "vaultsecret-controller")
	if _, err := os.Stat(own); err != nil {
		return "", fmt.Errorf("the controller is not built, run make build: %w", err)
	}
	return own, nil
}

// fill puts the run's values into an argument of the controller.
func fill(argument, kubeconfig string, port, debug int) string {
	return strings.NewReplacer("{kubeconfig}", kubeconfig, "{port}", fmt.Sprint(port), "{debug}", fmt.Sprint(debug)).Replace(argument)
}

// forceAll asks for a sync of mappings from..to at once.
func (s *stage) force(ctx context.Context, i int, tag string) error {
	es := s.mapping(i)
	return forceOne(ctx, s.clients, es, tag)
}

func forceOne(ctx context.Context, clients *kube.Clients, es *eso.ExternalSecret, tag string) error {
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, eso.AnnotationForceSync, tag)
	_, err := clients.ExternalSecrets(es.Namespace).Patch(ctx, es.Name, mergePatch, patch, metav1.PatchOptions{})
	return err
}
