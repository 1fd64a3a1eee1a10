package plugin

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// mappingImport is one run of mapping import.
type mappingImport struct {
	mapWriting
	token     vaultToken
	trust     serverTrust
	store     string
	path      string
	name      string
	refresh   string
	policy    string
	overwrite bool
	export    bool
	yes       bool
	timeout   time.Duration
}

func newMappingImportCommand(o *Options) *cobra.Command {
	m := &mappingImport{mapWriting: newMapWriting(o)}
	c := &cobra.Command{
		Use:   "import SECRET --store STORE --path PATH",
		Short: "Move a Kubernetes Secret into Vault and map it from there",
		Long: "Writes the Secret's data to a path of Vault, makes an ExternalSecret that gives exactly this Secret, and applies it. The\n" +
			"Secret is never absent meanwhile: Vault is written first, what the store then reads is compared with the Secret, and\n" +
			"only then the mapping takes the Secret over, as it stands. If it breaks off, run it again: what is done is kept.\n\n" +
			"A value that is no text (UTF-8) is stored as base64 and decoded on its way back (decodingStrategy Base64). A path\n" +
			"that exists with other data is left alone without --overwrite. Vault is written with your own token.",
		Example: "  kubectl vaultsecret mapping import -n apps api-db --store vault --path secret/app/db\n\n" +
			"  # Vault is written, the ExternalSecret goes to Git\n  kubectl vaultsecret mapping import -n apps api-db --store vault --path secret/app/db --export --yes > api-db.yaml",
		Args:              exactly(1),
		ValidArgsFunction: o.completeSecrets,
		RunE:              func(c *cobra.Command, args []string) error { return m.run(c.Context(), args[0]) },
	}
	f := c.Flags()
	f.StringVar(&m.store, "store", "", "the store: NAME, SecretStore/NAME or ClusterSecretStore/NAME")
	f.StringVar(&m.path, "path", "", "the path of Vault to write, e.g. secret/app/db")
	f.StringVar(&m.name, "name", "", "name of the ExternalSecret; the Secret's own when empty")
	f.StringVar(&m.refresh, "refresh", "1h", "how often it is read again; 0 reads once")
	f.StringVar(&m.policy, "policy", string(eso.CreateOwner), "creationPolicy: Owner, Orphan, Merge or CreateOrMerge")
	f.BoolVar(&m.overwrite, "overwrite", false, "write a path that exists with other data, as a new version")
	f.BoolVar(&m.export, "export", false, "write Vault, and print the ExternalSecret for Git instead of applying it")
	f.BoolVarP(&m.yes, "yes", "y", false, "do not ask")
	f.DurationVar(&m.timeout, "timeout", 2*time.Minute, "how long to wait for the first sync")
	m.addFlags(c)
	m.token.addFlags(c)
	m.trust.addFlags(c, o)
	_ = c.RegisterFlagCompletionFunc("store", o.completeStores)
	_ = c.RegisterFlagCompletionFunc("policy", cobra.FixedCompletions(creationPolicies()[:4], cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (m *mappingImport) validate() error {
	switch {
	case m.store == "":
		return usage("say which store is read: --store NAME")
	case strings.Trim(m.path, "/") == "" || strings.Contains(m.path, "#"):
		return usage("say which path of Vault is written: --path PATH, e.g. secret/app/db")
	case !slices.Contains(creationPolicies()[:4], m.policy):
		return usage("--policy=%s: want one of %s", m.policy, strings.Join(creationPolicies()[:4], ", "))
	}
	if err := m.trust.validate(); err != nil {
		return err
	}
	return m.mapWriting.validate()
}

func (m *mappingImport) run(ctx context.Context, name string) error {
	if err := m.validate(); err != nil {
		return err
	}
	if err := m.connect(); err != nil {
		return err
	}
	defer m.close(ctx)
	namespace, _, err := m.namespace()
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	ref, err := m.storeNamed(ctx, m.store, namespace)
	if err != nil {
		return err
	}
	secret, err := m.importable(ctx, namespace, name)
	if err != nil {
		return err
	}
	es, data := m.mappingFor(secret, ref)
	if errs := eso.Validate(es); len(errs) > 0 {
		return usage("%s", errs.ToAggregate())
	}
	if err := m.free(ctx, es, secret); err != nil {
		return err
	}
	written, err := m.writeVault(ctx, es, ref, data)
	if err != nil || m.dryRun != "none" && !written {
		return err
	}
	if m.dryRun != "none" {
		return m.done(es, "created")
	}
	return m.takeOver(ctx, es, secret)
}

// importable reads the Secret and refuses those that no mapping may write.
func (m *mappingImport) importable(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	secret, err := m.clients.Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	what := fmt.Sprintf("Secret %s/%s", namespace, name)
	switch {
	case apierrors.IsNotFound(err):
		return nil, fail(fmt.Errorf("there is no %s", what), "kubectl get secrets -n "+namespace+" lists them")
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", what, err)
	case eso.ForbiddenType(string(secret.Type)):
		return nil, fmt.Errorf("%s is of type %s, a credential of the cluster itself that no mapping may write; nothing was written", what, secret.Type)
	case len(secret.Data) == 0:
		return nil, fmt.Errorf("%s is empty; there is nothing to import", what)
	case secret.DeletionTimestamp != nil:
		return nil, fmt.Errorf("%s is being deleted; nothing was written", what)
	}
	return secret, nil
}

// free makes sure that nobody else keeps the Secret, and that the ExternalSecret's name
// is free or this program's own.
func (m *mappingImport) free(ctx context.Context, es *eso.ExternalSecret, secret *corev1.Secret) error {
	what := fmt.Sprintf("Secret %s/%s", secret.Namespace, secret.Name)
	if owner := kube.GitOwner(&secret.ObjectMeta); owner != "" && !m.export {
		return m.forGit(kube.MappingManifest(es), fmt.Errorf("%s is kept by %s, which would go on writing it; remove it there without pruning it, and import it then; nothing was written", what, owner))
	}
	if owner := metav1.GetControllerOf(secret); owner != nil && !(owner.Kind == eso.KindExternalSecret && owner.Name == es.Name) {
		return fail(fmt.Errorf("%s belongs to %s %s, which keeps it up to date; nothing was written", what, gather.Clean(owner.Kind), gather.Clean(owner.Name)), "remove that owner first, or take another Secret")
	}
	return gather.Mappings(ctx, m.clients, es.Namespace, "", func(chunk []eso.ExternalSecret) error {
		for i := range chunk {
			other := &chunk[i]
			if other.Name != es.Name && other.TargetName() == secret.Name {
				return fmt.Errorf("ExternalSecret %s/%s writes %s already; nothing was written", other.Namespace, other.Name, what)
			}
			if other.Name != es.Name {
				continue
			}
			if owner := keeper(&other.ObjectMeta); owner != "" {
				return m.forGit(kube.MappingManifest(es), fmt.Errorf("ExternalSecret %s/%s exists and is kept by %s; nothing was written", other.Namespace, other.Name, owner))
			}
		}
		return nil
	})
}

// writeVault writes the data under check-and-set. written is false where a dry run ends.
func (m *mappingImport) writeVault(ctx context.Context, es *eso.ExternalSecret, ref eso.StoreRef, data map[string]any) (written bool, err error) {
	own, err := openOwn(ctx, m.gather, ref, es.Namespace, func(store eso.Store) (redact.Bytes, error) {
		return m.token.sendTo(ctx, m.Options, m.clients, store, m.trust)
	})
	if err != nil {
		return false, err
	}
	path := vault.DataPath(own.mount, 2, m.path)
	if err := m.storeReads(ctx, own, es.Namespace, path); err != nil {
		return false, err
	}
	cas, same, err := m.version(ctx, own, data)
	if err != nil {
		return false, err
	}
	switch {
	case same:
		fmt.Fprintf(m.ErrOut, "%s %s holds these data already (version %d)\n", m.marks().OK, gather.Clean(path), cas)
		return true, nil
	case m.dryRun != "none":
		fmt.Fprintf(m.text(m.ErrOut), "%s: version %d → %d: %s\n", gather.Clean(path), cas, cas+1, count(len(data), "field"))
		if m.dryRun == "server" {
			right := "create"
			if cas > 0 {
				right = "update"
			}
			err = own.mayWrite(ctx, path, right)
		}
		return err == nil, err
	case !m.yes:
		if err := m.confirm(ctx, fmt.Sprintf("Write %s to %s of Vault, as version %d?", count(len(data), "field"), gather.Clean(path), cas+1)); err != nil {
			return false, err
		}
	}
	version, err := own.write(ctx, m.path, data, cas)
	if err != nil {
		return false, err
	}
	fmt.Fprintf(m.ErrOut, "%s %s version %d written\n", m.marks().OK, gather.Clean(path), version.Number)
	return true, nil
}

// storeReads asks, before anything is written, whether the store's own credential may
// read the path.
func (m *mappingImport) storeReads(ctx context.Context, own ownVault, namespace, path string) error {
	_, client, err := m.gather.Open(ctx, own.store, namespace)
	if err != nil {
		return fail(fmt.Errorf("logging in as %s does: %w; nothing was written", own.store, err), "kubectl vaultsecret diagnose --preflight")
	}
	may, err := client.Capabilities(ctx, path)
	if err != nil {
		return fmt.Errorf("asking what the store's credential may: %w; nothing was written", err)
	}
	if !slices.Contains(may[path], "read") && !slices.Contains(may[path], "root") {
		return fail(fmt.Errorf("the credential of %s may not read %s, so the mapping would fail; nothing was written", own.store, gather.Clean(path)),
			"let its policy allow \"read\" on that path (kubectl vaultsecret setup)")
	}
	return nil
}

// version is what the path's newest version is, and whether it holds the data already.
// Other data are refused without --overwrite.
func (m *mappingImport) version(ctx context.Context, own ownVault, data map[string]any) (cas int, same bool, err error) {
	now, err := own.client.Read(ctx, own.mount, 2, kv.Ref{Key: m.path})
	switch {
	case err == nil && reflect.DeepEqual(now.Fields(), data):
		return now.Version, true, nil
	case err == nil && m.overwrite:
		return now.Version, false, nil
	case err == nil:
		return 0, false, fail(fmt.Errorf("%s exists (version %d) with other data: %s; nothing was written", gather.Clean(now.Path), now.Version, fieldChanges(now.Fields(), data)),
			"choose another --path, or write a new version of it with --overwrite")
	case errors.Is(err, kv.ErrDeleted), errors.Is(err, kv.ErrDestroyed):
		versions, e := own.client.Versions(ctx, own.mount, m.path)
		if e != nil {
			return 0, false, own.explained(e)
		}
		if !m.overwrite {
			return 0, false, fail(fmt.Errorf("%s exists, and its newest version (%d) is deleted; nothing was written", gather.Clean(m.path), versions.Current), "choose another --path, or write a new version of it with --overwrite")
		}
		return versions.Current, false, nil
	case kv.KindOf(err) == kv.Absent:
		return 0, false, nil
	}
	return 0, false, own.explained(err)
}
