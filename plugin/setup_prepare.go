package plugin

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/bootstrap"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	storepkg "vaultsecret.io/kubectl-vaultsecret/internal/store"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// prepare makes of the flags, the store that is there and what an earlier run left the
// full statement of what is wanted, and connects.
func (s *setupOptions) prepare(ctx context.Context) error {
	s.planOut = planPrinter{out: s.text(s.planStream()), remove: s.remove}
	var err error
	if s.clients, err = s.Options.clients(); err != nil {
		return err
	}
	store, err := s.chooseStore(ctx)
	if err != nil {
		return err
	}
	s.ground = bootstrap.Ground{Clients: s.clients, Now: time.Now, VaultAddr: s.VaultAddr, Grace: replacedTokenGrace}
	tunnel := s.tunnel(s.clients)
	s.ground.Dial, s.planOut.via = tunnel.DialContext, tunnel.Via
	if err := s.complete(ctx, store); err != nil {
		return err
	}
	if err := s.want.Check(); err != nil {
		return &usageError{err}
	}
	if err := s.connect(ctx, store); err != nil {
		return err
	}
	return s.ground.Open(ctx)
}

// planStream is where the plan is shown: beside what programs read, not in it.
func (s *setupOptions) planStream() io.Writer {
	if s.output != "" || s.export {
		return s.ErrOut
	}
	return s.Out
}

// complete fills what no flag gives: from what an earlier run left, from the store, else
// with the defaults.
func (s *setupOptions) complete(ctx context.Context, store *eso.Store) error {
	w := &s.want
	w.AuditFile, w.Server = s.audit, s.server
	w.Defaulted = map[bootstrap.Setting]bool{}
	for _, setting := range []bootstrap.Setting{
		bootstrap.TokenTTL, bootstrap.TokenMaxTTL, bootstrap.TokenCIDRs, bootstrap.SecretIDTTL, bootstrap.SecretIDCIDRs, bootstrap.KubernetesHost, bootstrap.WithMetadata,
	} {
		w.Defaulted[setting] = !s.given(string(setting))
	}
	if s.given("path") && slices.Equal(w.Paths, []string{""}) {
		w.Paths = []string{}
	}
	var made bootstrap.Made
	if store != nil {
		was, ours, err := s.ground.Made(ctx, *store)
		if err != nil {
			return err
		}
		if ours && (w.Method == "" || w.Method == was.Method) {
			made = was
		}
		if err := s.fromStore(*store); err != nil {
			return err
		}
	} else if err := s.newStore(ctx); err != nil {
		return err
	}
	name := bootstrap.DefaultName(w.Kind, w.Store)
	w.Method = cmp.Or(w.Method, made.Method, bootstrap.MethodAppRole)
	w.Policy = cmp.Or(w.Policy, made.Policy, name)
	w.Role = cmp.Or(w.Role, made.Role, w.Policy)
	w.AuthPath = strings.Trim(cmp.Or(w.AuthPath, made.AuthPath, w.Method), "/")
	w.Secret = bootstrap.Place{Namespace: cmp.Or(s.secretNamespace, made.Object.Namespace), Name: cmp.Or(s.secretName, made.Object.Name, bootstrap.DefaultSecret(w.Kind, w.Store, w.Method))}
	if err := s.secretPlace(ctx, store); err != nil {
		return err
	}
	w.Account = bootstrap.Place{Namespace: w.Secret.Namespace, Name: cmp.Or(s.account, made.Object.Name, name)}
	w.Cluster = s.clusterID(ctx)
	return s.kubernetes(store)
}

// fromStore takes over what the store says of Vault.
func (s *setupOptions) fromStore(store eso.Store) error {
	v := store.Spec.Provider.Vault
	switch {
	case s.server != "" && s.server != v.Server:
		return usage("--server=%s: %s reads %s; change that in the store", s.server, store, v.Server)
	case s.want.Mount != "" && strings.Trim(s.want.Mount, "/") != strings.Trim(v.Mount(), "/") && v.Mount() != "":
		return usage("--mount=%s: the mount of %s is %s", s.want.Mount, store, v.Mount())
	}
	s.want.Server, s.want.Mount, s.want.VaultNamespace = v.Server, strings.Trim(v.Mount(), "/"), v.VaultNamespace()
	return nil
}

// newStore says where a new store finds Vault.
func (s *setupOptions) newStore(ctx context.Context) error {
	s.want.Mount = strings.Trim(cmp.Or(s.want.Mount, "secret"), "/")
	if s.want.Server == "" {
		server, err := s.service(ctx)
		if err != nil && (!s.remove || s.VaultAddr == "") {
			return err
		}
		s.want.Server = server
	}
	trust, err := vaultTarget{caCert: s.caCert}.trust()
	if err == nil && strings.HasPrefix(s.want.Server, "https://") {
		s.want.CA = trust.CA
	}
	return err
}

// service is the address of Vault's Service in namespace vault, as HashiCorp's Helm
// chart names it.
func (s *setupOptions) service(ctx context.Context) (string, error) {
	const namespace, name = "vault", "vault"
	hint := "say where the store's controller reaches Vault with --server, e.g. https://vault.example:8200"
	service, err := s.clients.Services(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", fail(fmt.Errorf("looking for Vault's Service: %w", err), hint)
	}
	for _, port := range service.Spec.Ports {
		if port.Name == "http" || port.Name == "https" {
			return fmt.Sprintf("%s://%s.%s.svc:%d", port.Name, name, namespace, port.Port), nil
		}
	}
	return "", fail(fmt.Errorf("the Service %s/%s has no port named http or https", namespace, name), hint)
}

// secretPlace finds a namespace for the credential: that of a SecretStore; for others
// where the old credential is, else where a controller is.
func (s *setupOptions) secretPlace(ctx context.Context, store *eso.Store) error {
	w := &s.want
	if w.Kind == eso.KindSecretStore {
		if s.secretNamespace != "" && s.secretNamespace != w.Store.Namespace {
			return usage("--secret-namespace=%s: a SecretStore reads its own namespace only, %s", s.secretNamespace, w.Store.Namespace)
		}
		w.Secret.Namespace = w.Store.Namespace
	}
	if w.Secret.Namespace == "" && store != nil {
		for _, ref := range store.Spec.Provider.Vault.References() {
			if strings.HasPrefix(ref.Field, "auth.") && ref.Namespace != nil {
				w.Secret.Namespace = *ref.Namespace
				break
			}
		}
	}
	for _, candidate := range []string{"external-secrets", "vaultsecret-system"} {
		if w.Secret.Namespace != "" {
			return nil
		}
		if _, err := s.clients.Namespaces().Get(ctx, candidate, metav1.GetOptions{}); err == nil {
			w.Secret.Namespace = candidate
		}
	}
	if w.Secret.Namespace == "" {
		return usage("name the namespace of the credential with --secret-namespace: there is neither external-secrets nor vaultsecret-system")
	}
	return nil
}

// clusterID is the UID of namespace kube-system, which no two clusters share; "" where
// the caller may not read it.
func (s *setupOptions) clusterID(ctx context.Context) string {
	m, err := s.clients.Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return ""
	}
	return string(m.UID)
}

// kubernetes says how Vault reaches the Kubernetes API. One that the store reaches by a
// name of this cluster runs in it, unless --kubernetes-host says otherwise.
func (s *setupOptions) kubernetes(store *eso.Store) error {
	w := &s.want
	if w.Method != bootstrap.MethodKubernetes {
		return nil
	}
	server, err := url.Parse(w.Server)
	if w.KubernetesHost == "" && err == nil && kube.InCluster(server.Hostname()) {
		return nil
	}
	config, err := s.Flags.ToRESTConfig()
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	w.KubernetesHost, w.KubernetesCA = cmp.Or(w.KubernetesHost, config.Host), config.CAData
	file := cmp.Or(s.kubernetesCA, config.CAFile)
	if file != "" {
		if w.KubernetesCA, err = os.ReadFile(file); err != nil {
			return fmt.Errorf("reading the CA of the Kubernetes API: %w", err)
		}
	}
	w.KubernetesCA = bytes.TrimSpace(w.KubernetesCA)
	return nil
}

// connect makes the client of Vault, reached as the store reaches it unless flags say
// otherwise, under the caller's token.
func (s *setupOptions) connect(ctx context.Context, store *eso.Store) error {
	config := vault.Config{Address: s.want.Server, CA: s.want.CA}
	if store != nil {
		var err error
		resolver := storepkg.Resolver{Cluster: &kube.Cluster{Clients: s.clients}}
		if config, err = resolver.Connection(ctx, *store, s.want.Store.Namespace); err != nil {
			return err
		}
	}
	trust, err := vaultTarget{caCert: s.caCert}.trust()
	if err != nil {
		return err
	}
	if s.VaultAddr != "" {
		config.Address, config.ServerName = s.VaultAddr, trust.ServerName
	}
	if trust.CA != nil && (s.caCert != "" || s.VaultAddr != "") {
		config.CA = trust.CA
	}
	config.Dial = s.ground.Dial
	client, err := vault.New(config)
	if err != nil {
		return err
	}
	s.planOut.address = client.Address()
	if store != nil && s.server == "" { // --server is the store's own: see fromStore
		if err := s.trust.allow(ctx, s.Options, s.clients, *store); err != nil {
			return err
		}
	}
	token, err := s.token.read(ctx, s.Options)
	if err != nil {
		return err
	}
	s.ground.Vault = client.WithToken(token)
	return nil
}
