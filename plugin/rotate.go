package plugin

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/mapping"
)

// rotating is one run of rotate.
type rotating struct {
	changing
	value    newValue
	key      string
	path     string
	property string
}

func newRotateCommand(o *Options) *cobra.Command {
	r := &rotating{changing: newChanging(o)}
	c := &cobra.Command{
		Use:   "rotate NAME --key KEY [--generate LENGTH | --value-file FILE|-]",
		Short: "Write a new value to Vault and see it into the cluster",
		Long: "Finds out which field of which Vault path a key of the Secret is made of, writes a new version of that path under\n" +
			"check-and-set (all other fields stay as they are), has the mapping synced and waits until the Secret holds the value.\n" +
			"Where somebody else wrote meanwhile nothing is overwritten, and it is said who did and when.\n\n" +
			"Vault is read to find the field with the store's own credential, and written with your own token alone: from\n" +
			"--vault-token-file, VAULT_TOKEN, ~/.vault-token, or a hidden prompt. It needs read and update on the path.\n\n" +
			"The value is generated, read from a file or standard input (the line end of a single line is dropped), or asked for,\n" +
			"hidden. A key that a template renders is no single field: name the field by --path and --property then.\n\n" +
			"Exit codes: 0 the cluster has it; 1 nothing was written; 2 Vault has it and the cluster not yet; 124 as 2, in time.",
		Example: "  # A new random password, and the workloads restarted with it\n  kubectl vaultsecret rotate -n apps api-db --key password --generate 32 --restart\n\n" +
			"  # A value from another program; it is in no argument and no environment\n  pass show db/api | kubectl vaultsecret rotate -n apps api-db --key password --value-file - --yes\n\n" +
			"  # What would happen?\n  kubectl vaultsecret rotate -n apps api-db --key password --generate 32 --dry-run=server\n\n" +
			"  # The key url is rendered by a template: name the field of which it is made\n  kubectl vaultsecret rotate -n apps api-db --path secret/app/db --property password --generate 32",
		Args:              exactly(1),
		ValidArgsFunction: o.completeOneMapping,
		RunE:              func(c *cobra.Command, args []string) error { return r.run(c.Context(), args[0]) },
	}
	f := c.Flags()
	f.StringVar(&r.key, "key", "", "key of the Secret that gets a new value")
	f.StringVar(&r.path, "path", "", "in place of --key: a path that the mapping reads")
	f.StringVar(&r.property, "property", "", "with --path: the field that gets a new value")
	r.value.addFlags(c)
	r.changing.addFlags(c)
	_ = c.RegisterFlagCompletionFunc("key", o.completeKeys)
	_ = c.RegisterFlagCompletionFunc("path", o.completePaths)
	return c
}

func (r *rotating) run(ctx context.Context, name string) error {
	if err := r.validate(); err != nil {
		return err
	}
	if err := r.open(ctx, name); err != nil {
		return err
	}
	defer r.close(ctx)
	if why := ignored(r.es, gather.Controller(r.es)); why != "" && !r.local {
		return fail(fmt.Errorf("rotating %s: %s; nothing was written", r.name(), why), "--local syncs here, without a controller")
	}
	origin, err := r.origin()
	if err != nil {
		return fail(fmt.Errorf("rotating %s: %w", r.name(), err), "")
	}
	own, err := r.ownVault(ctx, origin.Store)
	if err != nil {
		return err
	}
	value, err := r.value.read(ctx, r.Options)
	if err != nil {
		return err
	}
	now, err := own.read(ctx, origin.Key)
	if err != nil {
		return err
	}
	origin.Payload = now
	text, err := origin.Encode(value)
	if err != nil {
		return fail(fmt.Errorf("rotating %s: %w", r.name(), err), "")
	}
	fields := now.Copy()
	if err := origin.Set(fields, text); err != nil {
		return fail(fmt.Errorf("rotating %s: %w", r.name(), err), "")
	}
	r.result.Path, r.result.Property, r.result.Key = now.Path, origin.Property(), r.key
	change := vaultChange{origin: origin, own: own, fields: fields, cas: now.Version, same: origin.Holds(now.Fields(), text)}
	if err := r.foresee(ctx, &change); err != nil {
		return err
	}
	return r.carryOut(ctx, change, fmt.Sprintf("a new value for %s; the other fields stay", gather.Clean(origin.Property())))
}

func (r *rotating) validate() error {
	switch {
	case r.key != "" && r.path != "":
		return usage("--key and --path exclude each other; give one of them")
	case r.key == "" && r.path == "":
		return usage("say which key of the Secret gets a new value: --key KEY")
	case (r.path == "") != (r.property == ""):
		return usage("--path and --property go together")
	case r.value.file == "-" && r.token.file == "-":
		return usage("standard input holds one thing: --value-file - and --vault-token-file - exclude each other")
	}
	if err := r.value.validate(); err != nil {
		return err
	}
	return r.changing.validate()
}

func (r *rotating) origin() (mapping.Origin, error) {
	if r.path != "" {
		return mapping.OriginAt(r.es, r.inputs, strings.Trim(r.path, "/"), r.property)
	}
	return mapping.OriginOf(r.es, r.inputs, r.key)
}
