package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// mappingCreate is one run of mapping create.
type mappingCreate struct {
	mapWriting
	store    string
	from     []string
	extract  []string
	refresh  string
	target   string
	policy   string
	deletion string
	export   bool
	yes      bool
}

func newMappingCreateCommand(o *Options) *cobra.Command {
	m := &mappingCreate{mapWriting: newMapWriting(o)}
	c := &cobra.Command{
		Use:   "create NAME --store STORE (--from PATH#PROPERTY=KEY | --extract PATH)…",
		Short: "Make an ExternalSecret, after its paths were read in Vault",
		Long: "Reads every path with the store's own credential, says what would become of the Secret, and applies the ExternalSecret\n" +
			"server-side under the field manager " + pluginManager + ". Run again with other flags it changes what it made. An object\n" +
			"that somebody else keeps is not changed: it is said who does, and the manifest for Git is printed.",
		Example: "  # Two keys of one path\n  kubectl vaultsecret mapping create api-db -n apps --store vault \\\n    --from secret/app/db#password=DB_PASSWORD --from secret/app/db#user=DB_USER\n\n" +
			"  # Every key of a path, into a Secret that is there already\n  kubectl vaultsecret mapping create api-db -n apps --store ClusterSecretStore/vault --extract secret/app/db --target api --policy Merge\n\n" +
			"  # The manifest for Git; nothing is written\n  kubectl vaultsecret mapping create api-db -n apps --store vault --extract secret/app/db --export > api-db.yaml",
		Args:              exactly(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(c *cobra.Command, args []string) error { return m.run(c.Context(), args[0]) },
	}
	f := c.Flags()
	f.StringVar(&m.store, "store", "", "the store: NAME, SecretStore/NAME or ClusterSecretStore/NAME")
	f.StringArrayVar(&m.from, "from", nil, "PATH#PROPERTY=KEY: one key of the Secret; may be repeated")
	f.StringArrayVar(&m.extract, "extract", nil, "PATH: every key of that path; may be repeated")
	f.StringVar(&m.refresh, "refresh", "1h", "how often it is read again; 0 reads once")
	f.StringVar(&m.target, "target", "", "name of the Secret; NAME when empty")
	f.StringVar(&m.policy, "policy", string(eso.CreateOwner), "creationPolicy: Owner, Orphan, Merge, CreateOrMerge or None")
	f.StringVar(&m.deletion, "deletion", string(eso.DeleteRetain), "deletionPolicy: Retain, Delete or Merge")
	f.BoolVar(&m.export, "export", false, "print the manifest for Git and write nothing")
	f.BoolVarP(&m.yes, "yes", "y", false, "do not ask before a Secret that exists is changed")
	m.addFlags(c)
	m.addCheckFlag(c)
	_ = c.RegisterFlagCompletionFunc("store", o.completeStores)
	_ = c.RegisterFlagCompletionFunc("policy", cobra.FixedCompletions(creationPolicies(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("deletion", cobra.FixedCompletions(deletionPolicies(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

func creationPolicies() []string {
	return []string{string(eso.CreateOwner), string(eso.CreateOrphan), string(eso.CreateMerge), string(eso.CreateOrMerge), string(eso.CreateNone)}
}

func deletionPolicies() []string {
	return []string{string(eso.DeleteRetain), string(eso.DeleteDelete), string(eso.DeleteMerge)}
}

func (m *mappingCreate) run(ctx context.Context, name string) error {
	es, err := m.build(name)
	if err != nil {
		return err
	}
	if err := m.connect(); err != nil {
		return err
	}
	defer m.close(ctx)
	if es.Namespace, _, err = m.namespace(); err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	ref, err := m.storeNamed(ctx, m.store, es.Namespace)
	if err != nil {
		return err
	}
	es.Spec.SecretStoreRef = &ref
	changes, err := m.check(ctx, es)
	if err != nil {
		return err
	}
	if m.export {
		return m.printManifest(kube.MappingManifest(es))
	}
	return m.apply(ctx, es, changes)
}

// build makes the ExternalSecret of the flags alone, and judges it as a controller would.
func (m *mappingCreate) build(name string) (*eso.ExternalSecret, error) {
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		return nil, usage("%q is no name of an ExternalSecret: %s", name, problems[0])
	}
	if problems := validation.IsDNS1123Subdomain(m.target); m.target != "" && len(problems) > 0 {
		return nil, usage("--target=%s is no name of a Secret: %s", m.target, problems[0])
	}
	switch {
	case m.store == "":
		return nil, usage("say which store is read: --store NAME")
	case len(m.from)+len(m.extract) == 0:
		return nil, usage("say what is read: --from PATH#PROPERTY=KEY or --extract PATH")
	case !slices.Contains(creationPolicies(), m.policy):
		return nil, usage("--policy=%s: want one of %s", m.policy, strings.Join(creationPolicies(), ", "))
	case !slices.Contains(deletionPolicies(), m.deletion):
		return nil, usage("--deletion=%s: want one of %s", m.deletion, strings.Join(deletionPolicies(), ", "))
	}
	es := &eso.ExternalSecret{ObjectMeta: metav1.ObjectMeta{Name: name}}
	es.Spec.RefreshInterval = eso.DurationText(m.refresh)
	es.Spec.Target = eso.Target{Name: m.target, CreationPolicy: eso.CreationPolicy(m.policy), DeletionPolicy: eso.DeletionPolicy(m.deletion)}
	es.Spec.SecretStoreRef = &eso.StoreRef{Name: "unknown"}
	seen := map[string]bool{}
	for _, text := range m.from {
		data, err := parseFrom(text)
		if err != nil {
			return nil, err
		}
		if seen[data.SecretKey] {
			return nil, usage("--from=%s: key %s is made twice", text, data.SecretKey)
		}
		seen[data.SecretKey] = true
		es.Spec.Data = append(es.Spec.Data, data)
	}
	for _, path := range m.extract {
		if strings.Trim(path, "/") == "" || strings.Contains(path, "#") {
			return nil, usage("--extract=%s: want a path of Vault alone, e.g. secret/app/db", path)
		}
		es.Spec.DataFrom = append(es.Spec.DataFrom, eso.DataFrom{Extract: &eso.RemoteRef{Key: path}})
	}
	if errs := eso.Validate(es); len(errs) > 0 {
		return nil, usage("%s", errs.ToAggregate())
	}
	return es, m.validate()
}

// apply asks where a Secret that exists would change, and applies.
func (m *mappingCreate) apply(ctx context.Context, es *eso.ExternalSecret, changes string) error {
	current, err := m.clients.ExternalSecrets(es.Namespace).Get(ctx, es.Name, metav1.GetOptions{})
	exists := err == nil
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("reading ExternalSecret %s/%s: %w", es.Namespace, es.Name, err)
	}
	if exists {
		if owner := keeper(&current.ObjectMeta); owner != "" {
			return m.forGit(kube.MappingManifest(es), fmt.Errorf("ExternalSecret %s/%s exists and is kept by %s; nothing was written", es.Namespace, es.Name, owner))
		}
	}
	if changes != "" && m.dryRun == "none" && !m.yes {
		if err := m.confirm(ctx, fmt.Sprintf("Make Secret %s/%s this mapping's, with what stands in it?", es.Namespace, es.TargetName())); err != nil {
			return err
		}
	}
	if m.dryRun == "client" {
		return m.done(es, verbOf(exists, false))
	}
	applied, _, err := m.clients.ApplyMapping(ctx, es.Namespace, es.Name, kube.MappingManifest(es), kube.MappingApply{
		Manager: pluginManager, DryRun: m.dryRun == "server", TakeFrom: func(manager string) bool { return manager == pinManager },
	})
	var conflict *kube.ConflictError
	if errors.As(err, &conflict) {
		return m.forGit(kube.MappingManifest(es), fmt.Errorf("%w; nothing was written", err))
	}
	if err != nil {
		return err
	}
	return m.done(applied, verbOf(exists, exists && applied.ResourceVersion == current.ResourceVersion))
}

// keeper says who keeps an ExternalSecret that is not this program's: a GitOps tool, or
// the managers of its spec when this program never applied it.
func keeper(m *metav1.ObjectMeta) string {
	if owner := kube.GitOwner(m); owner != "" {
		return owner
	}
	managers := kube.SpecManagers(m)
	if slices.Contains(managers, pluginManager) {
		return "" // of what else is in it the API server tells, field by field
	}
	return strings.Join(managers, ", ")
}

func verbOf(exists, same bool) string {
	switch {
	case same:
		return "unchanged"
	case exists:
		return "configured"
	}
	return "created"
}

// printManifest prints YAML for Git.
func (o *Options) printManifest(manifest map[string]any) error {
	doc, err := yaml.Marshal(manifest)
	if err == nil {
		_, err = o.Out.Write(doc)
	}
	return err
}
