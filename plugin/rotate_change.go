package plugin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/mapping"
	"vaultsecret.io/kubectl-vaultsecret/internal/plan"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// changing is what rotate and rollback share: one mapping, a new version of one of its
// paths, and the way of that version into the cluster.
type changing struct {
	*Options
	token   vaultToken
	trust   serverTrust
	yes     bool
	dryRun  string
	output  string
	print   *genericclioptions.PrintFlags
	wait    bool
	timeout time.Duration
	local   bool
	restart bool

	clients *kube.Clients
	gather  *gather.Gatherer
	es      *eso.ExternalSecret
	inputs  mapping.Inputs
	result  VaultChange
	// state is what a failure after the write leaves.
	state string
}

func newChanging(o *Options) changing {
	return changing{Options: o, print: genericclioptions.NewPrintFlags("")}
}

func (c *changing) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVarP(&c.yes, "yes", "y", false, "do not ask before Vault is written")
	f.StringVar(&c.dryRun, "dry-run", "none", "none; client shows what would be done; server also asks Vault whether your token may")
	f.StringVarP(&c.output, "output", "o", "", "json, yaml, jsonpath=…, go-template=…")
	f.BoolVar(&c.wait, "wait", true, "wait until the Secret holds it")
	f.DurationVar(&c.timeout, "timeout", 2*time.Minute, "how long to wait for that")
	f.BoolVar(&c.local, "local", false, "run the sync here; no controller is needed")
	f.BoolVar(&c.restart, "restart", false, "then restart the workloads that use the Secret")
	c.token.addFlags(cmd)
	c.trust.addFlags(cmd, c.Options)
	_ = cmd.RegisterFlagCompletionFunc("dry-run", cobra.FixedCompletions([]string{"none", "client", "server"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
}

func (c *changing) validate() error {
	if !slices.Contains([]string{"none", "client", "server"}, c.dryRun) {
		return usage("--dry-run=%s: want none, client or server", c.dryRun)
	}
	if !c.wait && (c.local || c.restart) {
		return usage("--wait=false goes neither with --local nor with --restart")
	}
	if err := c.trust.validate(); err != nil {
		return err
	}
	return checkOutput(c.print, c.output)
}

// open finds the mapping and reads what it reads, with the store's own credential.
func (c *changing) open(ctx context.Context, name string) error {
	if err := c.find(ctx, name); err != nil {
		return err
	}
	c.gather = c.gatherer(c.clients, false)
	var err error
	if c.inputs, err = c.gather.Local().Inputs(ctx, c.es); err != nil {
		c.close(ctx)
		return fail(fmt.Errorf("reading what %s reads: %w; nothing was written", c.name(), err), "kubectl vaultsecret diagnose -n "+c.es.Namespace+" "+c.es.Name)
	}
	return nil
}

// find finds the mapping.
func (c *changing) find(ctx context.Context, name string) error {
	var err error
	if c.clients, err = c.Options.clients(); err != nil {
		return err
	}
	c.es, err = c.Options.mapping(ctx, c.clients, name)
	return err
}

// mapping reads one ExternalSecret of the namespace.
func (o *Options) mapping(ctx context.Context, clients *kube.Clients, name string) (*eso.ExternalSecret, error) {
	namespace, _, err := o.namespace()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	es, err := clients.ExternalSecrets(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, fail(fmt.Errorf("there is no ExternalSecret %s in namespace %s", name, namespace), "kubectl vaultsecret status -A lists them")
	}
	if err != nil {
		return nil, fmt.Errorf("reading ExternalSecret %s/%s: %w", namespace, name, err)
	}
	return es, nil
}

func (c *changing) close(ctx context.Context) { c.gather.Close(context.WithoutCancel(ctx)) }

func (c *changing) name() string { return c.es.Namespace + "/" + c.es.Name }

// ownVault opens the store's Vault under the caller's own token.
func (c *changing) ownVault(ctx context.Context, ref eso.StoreRef) (ownVault, error) {
	c.result.Store = ref.String()
	return openOwn(ctx, c.gather, ref, c.es.Namespace, func(store eso.Store) (redact.Bytes, error) {
		return c.token.sendTo(ctx, c.Options, c.clients, store, c.trust)
	})
}

// vaultChange is one version that is to be written.
type vaultChange struct {
	origin mapping.Origin
	own    ownVault
	fields map[string]any
	cas    int
	// same: the newest version holds this already, and nothing is written.
	same bool
	// expect is what the keys of the Secret shall be that are made of the path; nil
	// where a template gives something else each time.
	expect map[string]redact.Bytes
}

// foresee computes what the change does to the Secret, before anything is written: a
// mapping that could not be rendered any more is refused.
func (c *changing) foresee(ctx context.Context, change *vaultChange) error {
	after, err := mapping.Compute(c.es, c.inputs.Replaced(c.es, change.origin, change.fields), mapping.Limits{})
	if err != nil {
		return fmt.Errorf("%s: with the new version the Secret could not be made: %w; nothing was written", c.name(), err)
	}
	if err := c.writable(ctx, after); err != nil {
		return err
	}
	c.result.Changes = c.differs(ctx, after)
	if !after.Volatile {
		change.expect = after.Data
	}
	return nil
}

// differs names the keys that will not be what they are: in the Secret, or where that
// may not be seen, in what the mapping makes now.
func (c *changing) differs(ctx context.Context, after mapping.Desired) []string {
	now := map[string][]byte{}
	current, err := c.clients.Secrets(c.es.Namespace).Get(ctx, c.es.TargetName(), metav1.GetOptions{})
	switch {
	case err == nil:
		now = current.Data
	case !apierrors.IsNotFound(err):
		if before, err := mapping.Compute(c.es, c.inputs, mapping.Limits{}); err == nil {
			for key, value := range before.Data {
				now[key] = value.Reveal()
			}
		}
	}
	changes := []string{}
	for _, key := range slices.Sorted(maps.Keys(after.Data)) {
		if old, had := now[key]; !had || !bytes.Equal(old, after.Data[key].Reveal()) {
			changes = append(changes, key)
		}
	}
	if policy := c.es.CreationPolicy(); policy != eso.CreateOwner && policy != eso.CreateOrphan {
		return changes // keys of others stay
	}
	for _, key := range slices.Sorted(maps.Keys(now)) {
		if _, has := after.Data[key]; !has {
			changes = append(changes, key)
		}
	}
	return changes
}

// writable refuses a change whose way ends before the Secret: an immutable one, or one
// of another owner. A Secret that may not be seen is left to the controller's judgement.
func (c *changing) writable(ctx context.Context, want mapping.Desired) error {
	current, err := c.clients.Secrets(c.es.Namespace).Get(ctx, c.es.TargetName(), metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return nil
	}
	if apierrors.IsNotFound(err) {
		current = nil
	}
	if planned := plan.Decide(c.es, want, current); planned.Action == plan.Blocked || planned.Action == plan.Conflict {
		return fmt.Errorf("%s: the Secret would not take the new version: %s; nothing was written", c.name(), gather.Clean(planned.Err.Error()))
	}
	return nil
}

// carryOut shows the plan, asks, writes, and sees the version into the cluster. what
// says in a few words what the new version is.
func (c *changing) carryOut(ctx context.Context, change vaultChange, what string) error {
	r := &c.result
	r.TypeMeta = metav1.TypeMeta{APIVersion: "vaultsecret.io/v1", Kind: "VaultChange"}
	r.Namespace, r.Name, r.From, r.To = c.es.Namespace, c.es.Name, change.cas, change.cas+1
	if change.same {
		r.To = change.cas
		fmt.Fprintf(c.ErrOut, "%s holds this already (version %d); nothing to write\n", gather.Clean(r.Path), change.cas)
	} else {
		fmt.Fprintf(c.text(c.ErrOut), "%s: version %d → %d: %s\n", gather.Clean(r.Path), r.From, r.To, what)
	}
	fmt.Fprintf(c.ErrOut, "Secret %s/%s: %s\n", c.es.Namespace, c.es.TargetName(), changesOf(r.Changes))
	if c.dryRun != "none" {
		r.DryRun = true
		if c.dryRun == "server" && !change.same {
			if err := change.own.mayWrite(ctx, r.Path, "update"); err != nil {
				return err
			}
		}
		return c.printResult()
	}
	if !change.same {
		if !c.yes {
			if err := c.confirm(ctx, "Write it?"); err != nil {
				return err
			}
		}
		if err := c.write(ctx, change); err != nil {
			return err
		}
	}
	return c.deliver(ctx, change.expect)
}

func (c *changing) write(ctx context.Context, change vaultChange) error {
	version, err := change.own.write(ctx, change.origin.Key, change.fields, change.cas)
	if err != nil {
		var e *exitError
		if errors.As(err, &e) {
			return fail(fmt.Errorf("%s: %w", c.name(), e.err), e.hint)
		}
		return fmt.Errorf("%s: %w", c.name(), err)
	}
	c.result.Written, c.result.To = true, version.Number
	if c.output == "" {
		fmt.Fprintf(c.Out, "%s %s version %d written\n", c.marks().OK, gather.Clean(c.result.Path), version.Number)
	}
	return nil
}

// changesOf says which keys of a Secret change.
func changesOf(keys []string) string {
	if len(keys) == 0 {
		return "no key changes"
	}
	shown := make([]string, len(keys))
	for i, key := range keys {
		shown[i] = gather.Clean(key)
	}
	return "changes " + strings.Join(shown, ", ")
}
