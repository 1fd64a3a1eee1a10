package plugin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// selection says which mappings a command is about: NAME…, -l, or --all.
type selection struct {
	chosen        []string
	selector      string
	all           bool
	allNamespaces bool
	store         string
}

func (s *selection) selectFlags(o *Options, c *cobra.Command) {
	c.Flags().StringVarP(&s.selector, "selector", "l", "", "label selector of the ExternalSecrets")
	c.Flags().BoolVar(&s.all, "all", false, "every ExternalSecret of the namespace")
	c.Flags().BoolVarP(&s.allNamespaces, "all-namespaces", "A", false, "in all namespaces")
	c.Flags().StringVar(&s.store, "store", "", "only those of this store: NAME, SecretStore/NAME or ClusterSecretStore/NAME")
	c.ValidArgsFunction = o.completeMappings
	_ = c.RegisterFlagCompletionFunc("store", o.completeStores)
}

// complete takes the arguments in. mayBeEmpty lets no choice at all mean --all.
func (s *selection) complete(args []string, mayBeEmpty bool) error {
	s.chosen = args
	chosen := 0
	for _, is := range []bool{len(args) > 0, s.selector != "", s.all} {
		if is {
			chosen++
		}
	}
	if chosen == 0 && (mayBeEmpty || s.allNamespaces) {
		s.all = true
		chosen = 1
	}
	switch {
	case chosen == 0:
		return usage("name ExternalSecrets, or choose them by -l or --all")
	case chosen > 1:
		return usage("names, -l and --all exclude each other; give one of them")
	case len(args) > 0 && s.allNamespaces:
		return usage("names are of one namespace; -A goes with -l or --all")
	}
	return nil
}

// found are the mappings that a selection means, and the names that do not exist.
type found struct {
	mappings []*eso.ExternalSecret
	missing  []string
	// namespace is where names were looked up; "" for all.
	namespace string
	// version is the resourceVersion that a list shows, "" of names.
	version string
}

// find looks the mappings up, in chunks, ordered by namespace and name.
func (s *selection) find(ctx context.Context, o *Options, clients *kube.Clients) (found, error) {
	var mappings []*eso.ExternalSecret
	f, err := s.each(ctx, o, clients, func(chunk []*eso.ExternalSecret, _ int64) error {
		mappings = append(mappings, chunk...)
		return nil
	})
	f.mappings = mappings
	return f, err
}

// each is find that keeps nothing: take gets the mappings chunk by chunk, with how many
// are still to come (see gather.MappingChunks). The result's mappings are nil.
func (s *selection) each(ctx context.Context, o *Options, clients *kube.Clients, take func(chunk []*eso.ExternalSecret, left int64) error) (found, error) {
	namespace, _, err := o.namespace()
	if err != nil {
		return found{}, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	if s.allNamespaces {
		namespace = ""
	}
	f := found{namespace: namespace}
	if len(s.chosen) > 0 {
		var named []*eso.ExternalSecret
		for _, name := range s.chosen {
			es, err := clients.ExternalSecrets(namespace).Get(ctx, name, metav1.GetOptions{})
			switch {
			case apierrors.IsNotFound(err):
				f.missing = append(f.missing, name)
			case err != nil:
				return f, fmt.Errorf("reading ExternalSecret %s/%s: %w", namespace, name, err)
			case s.admits(es):
				named = append(named, es)
			}
		}
		return f, take(named, 0)
	}
	err = gather.MappingChunks(ctx, clients, namespace, s.selector, func(list *eso.ExternalSecretList, left int64) error {
		if f.version == "" {
			f.version = list.ResourceVersion // of the first chunk: a later one may be newer
		}
		chunk := make([]*eso.ExternalSecret, 0, len(list.Items))
		for i := range list.Items {
			if s.admits(&list.Items[i]) {
				chunk = append(chunk, &list.Items[i])
			}
		}
		return take(chunk, left)
	})
	if apierrors.IsNotFound(err) {
		return f, fail(fmt.Errorf("listing ExternalSecrets: the cluster does not serve %s/%s", eso.Group, eso.Version), "kubectl apply -k manifests/crds")
	}
	if err != nil {
		return f, fmt.Errorf("listing ExternalSecrets: %w", err)
	}
	return f, nil
}

// admits applies --store.
func (s *selection) admits(es *eso.ExternalSecret) bool {
	if s.store == "" {
		return true
	}
	return slices.ContainsFunc(es.StoreRefs(), func(ref eso.StoreRef) bool {
		return s.store == ref.Name || strings.EqualFold(s.store, ref.String())
	})
}

// nothing is the sentence for an empty answer.
func (f found) nothing() string {
	if f.namespace == "" {
		return "No ExternalSecrets found."
	}
	return "No ExternalSecrets found in namespace " + f.namespace + "."
}

// gatherer looks with the caller's rights, through a port-forward where needed.
func (o *Options) gatherer(clients *kube.Clients, noLogin bool) *gather.Gatherer {
	if o.VaultAddr != "" && !noLogin {
		o.redirected.Do(func() {
			fmt.Fprintf(o.ErrOut, "warning: Vault at %s takes the place of every store's server (--vault-addr or VAULT_ADDR); the stores' credentials are sent there\n", gather.Clean(o.VaultAddr))
		})
	}
	tunnel := o.tunnel(clients)
	return gather.New(gather.Config{
		Clients: clients, Dial: tunnel.DialContext, Via: tunnel.Via,
		Unresolved: func(address string) bool {
			host, _, _ := strings.Cut(address, ":")
			return o.PortForward == kube.ForwardNever && (strings.Contains(host, ".svc.") || strings.HasSuffix(host, ".svc"))
		},
		VaultAddr: o.VaultAddr, NoLogin: noLogin,
	})
}
