package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/store"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// Ground is what setup stands on: a cluster, and a Vault under the caller's token.
type Ground struct {
	Clients *kube.Clients
	Vault   *vault.Client
	// Dial reaches Vault; nil is the net dialer. VaultAddr, if not empty, takes the
	// place of the store's server where the store is tried out.
	Dial      func(ctx context.Context, network, address string) (net.Conn, error)
	VaultAddr string
	// Now is the clock.
	Now func() time.Time
	// Grace is how long a replaced token is kept for controllers to take up the new one.
	Grace time.Duration
}

// Open makes sure that Vault serves and takes the token.
func (g Ground) Open(ctx context.Context) error {
	status, err := g.Vault.SealStatus(ctx)
	switch {
	case err != nil:
		return err
	case !status.Initialized:
		return &kv.Error{Kind: kv.Uninitialized, Detail: fmt.Sprintf("Vault at %s is not initialized; initialize it: kubectl vaultsecret init", g.Vault.Address())}
	case status.Sealed:
		return &kv.Error{Kind: kv.Sealed, Detail: fmt.Sprintf("Vault at %s is sealed; unseal it: kubectl vaultsecret unseal", g.Vault.Address())}
	}
	_, err = g.Vault.LookupSelf(ctx)
	return err
}

// Facts gathers what a plan takes. It reads only, but for a login with the credential
// that is there, and fails rather than guess.
func (g Ground) Facts(ctx context.Context, s Setup) (Facts, error) {
	f, err := g.look(ctx, s)
	if err != nil {
		return f, err
	}
	if err := g.lookAtStores(ctx, s, &f); err != nil {
		return f, err
	}
	return f, g.tryCredential(ctx, s, &f)
}

// look gathers all but the other stores and what the credential is good for.
func (g Ground) look(ctx context.Context, s Setup) (Facts, error) {
	f := Facts{Now: g.Now()}
	if err := g.Allowed(ctx, readingNeeds(s)); err != nil {
		return f, err
	}
	for _, look := range []func(context.Context, Setup, *Facts) error{
		g.lookAtVault, g.lookAtRole, g.lookAtObjects, g.lookForStrays, g.lookAtStore, g.lookAtMappings,
	} {
		if err := look(ctx, s, &f); err != nil {
			return f, err
		}
	}
	return f, nil
}

func (g Ground) lookAtVault(ctx context.Context, s Setup, f *Facts) (err error) {
	if f.Mounts, err = g.Vault.Mounts(ctx); err != nil {
		return err
	}
	if f.Auth, err = g.Vault.AuthMethods(ctx); err != nil {
		return err
	}
	if f.Audit, err = g.Vault.AuditDevices(ctx); err != nil {
		if kv.KindOf(err) != kv.Denied {
			return err
		}
		f.AuditUnknown = err.Error()
	}
	f.Policy, f.PolicyFound, err = g.Vault.Policy(ctx, s.Policy)
	return err
}

// lookAtRole reads the role; without its auth method there is none.
func (g Ground) lookAtRole(ctx context.Context, s Setup, f *Facts) (err error) {
	if f.Auth[s.AuthPath].Type != s.Method || s.Method == MethodToken {
		return nil
	}
	if s.Method == MethodKubernetes {
		if f.KubernetesConfig, err = g.Vault.KubernetesConfig(ctx, s.AuthPath); err != nil {
			return err
		}
		f.KubernetesRole, err = g.Vault.KubernetesRole(ctx, s.AuthPath, s.Role)
		return err
	}
	if f.AppRole, err = g.Vault.AppRole(ctx, s.AuthPath, s.Role); err != nil || f.AppRole == nil {
		return err
	}
	if f.RoleID, err = g.Vault.RoleID(ctx, s.AuthPath, s.Role); err != nil {
		return err
	}
	f.SecretIDs, err = g.Vault.SecretIDs(ctx, s.AuthPath, s.Role)
	return err
}

func (g Ground) lookAtObjects(ctx context.Context, s Setup, f *Facts) error {
	if s.Method == MethodKubernetes {
		return g.lookAtAccount(ctx, s, f)
	}
	secret, err := g.Clients.Secrets(s.Secret.Namespace).Get(ctx, s.Secret.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return g.namespaceExists(ctx, s.Secret.Namespace, "--secret-namespace")
	case err != nil:
		return fmt.Errorf("reading Secret %s: %w", s.Secret, err)
	}
	f.Secret = objectOf(secret.ObjectMeta)
	f.Secret.Filled = len(secret.Data[s.credentialKey()]) > 0
	if s.Method == MethodToken && f.Secret.Accessor != "" && f.Secret.For == s.StoreName() {
		token, found, err := g.Vault.LookupAccessor(ctx, f.Secret.Accessor)
		if err != nil {
			return err
		}
		if found {
			f.Token = &token
		}
	}
	return nil
}

func (g Ground) lookAtAccount(ctx context.Context, s Setup, f *Facts) error {
	account, err := g.Clients.ServiceAccounts(s.Account.Namespace).Get(ctx, s.Account.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		if err := g.namespaceExists(ctx, s.Account.Namespace, "--secret-namespace"); err != nil {
			return err
		}
	case err != nil:
		return fmt.Errorf("reading ServiceAccount %s: %w", s.Account, err)
	default:
		f.Account = objectOf(account.ObjectMeta)
	}
	f.APIAudience = g.apiAudience(ctx)
	if !s.selfReview(f) {
		return nil
	}
	binding, err := g.Clients.ClusterRoleBinding(ctx, s.bindingName())
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("reading ClusterRoleBinding %s: %w", s.bindingName(), err)
	}
	f.Binding = objectOf(binding.ObjectMeta)
	return nil
}

// namespaceExists fails for a namespace that is proven not to be there.
func (g Ground) namespaceExists(ctx context.Context, name, flag string) error {
	_, err := g.Clients.Namespaces().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return &ConflictError{What: "the namespace " + name + " does not exist", Fix: "kubectl create namespace " + name + ", or name another one with " + flag}
	}
	return nil
}

// apiAudience is the audience of the Kubernetes API: its issuer, unless somebody set it
// otherwise.
func (g Ground) apiAudience(ctx context.Context) string {
	var document struct {
		Issuer string `json:"issuer"`
	}
	raw, err := g.Clients.Raw(ctx, "/.well-known/openid-configuration")
	if err == nil && json.Unmarshal(raw, &document) == nil && document.Issuer != "" {
		return document.Issuer
	}
	return "https://kubernetes.default.svc.cluster.local"
}

func (g Ground) lookAtStore(ctx context.Context, s Setup, f *Facts) error {
	found, ok, err := kube.Objects{Clients: g.Clients}.Store(ctx, s.storeRef(), s.Store.Namespace)
	switch {
	case err != nil:
		return fmt.Errorf("reading %s: %w", s.StoreName(), err)
	case !ok:
		return nil
	case found.Spec.Provider.Vault == nil || found.Spec.Provider.Undecoded != nil:
		return &ConflictError{What: s.StoreName() + " is no store of Vault that can be read", Fix: "name another one with --store"}
	}
	if v := found.Spec.Provider.Vault; v.LoginNamespace() != v.VaultNamespace() {
		return &ConflictError{
			What: s.StoreName() + " logs in at another Vault namespace than it reads from (auth.namespace), which setup cannot do",
			Fix:  "name another store with --store",
		}
	}
	f.Store, f.GitOwner = &found, kube.GitOwner(found.Meta)
	login, ours, err := g.Made(ctx, found)
	if ours {
		f.Login = login
	}
	return err
}

// lookAtMappings collects what the mappings read from the store. A mapping that the
// store's conditions keep out wants nothing.
func (g Ground) lookAtMappings(ctx context.Context, s Setup, f *Facts) error {
	admitted := map[string]bool{}
	err := gather.Mappings(ctx, g.Clients, s.Store.Namespace, "", func(chunk []eso.ExternalSecret) error {
		for i := range chunk {
			wants := Wants(&chunk[i], s.storeRef())
			if len(wants) == 0 {
				continue
			}
			namespace := chunk[i].Namespace
			if _, known := admitted[namespace]; !known && f.Store != nil {
				err := store.Admits(ctx, kube.Objects{Clients: g.Clients}, *f.Store, namespace)
				if err != nil && kv.KindOf(err) != kv.Denied {
					return err
				}
				admitted[namespace] = err == nil
			}
			if f.Store == nil || admitted[namespace] {
				f.Wants = append(f.Wants, wants...)
			}
		}
		return nil
	})
	if apierrors.IsNotFound(err) {
		return &ConflictError{
			What: fmt.Sprintf("the cluster does not serve %s/%s", eso.Group, eso.Version),
			Fix:  "kubectl apply -k manifests/crds",
		}
	}
	if err != nil {
		return fmt.Errorf("listing ExternalSecrets, of which the policy is made: %w", err)
	}
	return nil
}

// tryCredential logs in with the credential that is there.
func (g Ground) tryCredential(ctx context.Context, s Setup, f *Facts) error {
	switch {
	case s.bound(), f.Secret.Exists && f.Secret.For != s.StoreName():
		return nil
	case s.Method == MethodAppRole && f.AppRole != nil && f.Secret.Filled,
		s.Method == MethodToken && f.Secret.Filled,
		s.Method == MethodKubernetes && f.KubernetesRole != nil && f.Account.Exists && (f.Binding.Exists || !s.selfReview(f)):
	default:
		return nil
	}
	_, err := g.try(ctx, WantedStore(s, *f), nil)
	if kind := kv.KindOf(err); kind == kv.BadCredential || kind == kv.BadConfig {
		var e *kv.Error
		errors.As(err, &e)
		f.Refused = e.Detail
		return nil
	}
	return err
}
