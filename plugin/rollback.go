package plugin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/mapping"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// rollingBack is one run of rollback.
type rollingBack struct {
	changing
	key   string
	path  string
	to    int
	pin   bool
	unpin bool
}

func newRollbackCommand(o *Options) *cobra.Command {
	r := &rollingBack{changing: newChanging(o)}
	c := &cobra.Command{
		Use:   "rollback NAME --to-version N [--pin]",
		Short: "Bring an older version of a Vault path back into the cluster",
		Long: "Writes the data of an older version to Vault as the newest one, under check-and-set, has the mapping synced and waits\n" +
			"until the Secret holds it. Nothing is lost: the version that it replaces stays, and can be rolled back to.\n\n" +
			"With --pin Vault stays as it is: the mapping is told to read that version (remoteRef.version), by server-side apply;\n" +
			"--unpin lets it follow the newest again. An ExternalSecret that Flux or Argo CD keeps is not written: the manifest\n" +
			"for Git is printed.\n\n" +
			"Vault is written with your own token (--vault-token-file, VAULT_TOKEN, ~/.vault-token, or a hidden prompt), which\n" +
			"needs read and update on the data path and read on the metadata path. --pin needs no token.\n\n" +
			"Exit codes: 0 the cluster has it; 1 nothing was written; 2 it is written and the cluster has it not yet; 124 as 2, in time.",
		Example: "  # Which versions are there?\n  kubectl vaultsecret history -n apps api-db\n\n" +
			"  # Version 3 again, and the workloads restarted with it\n  kubectl vaultsecret rollback -n apps api-db --to-version 3 --restart\n\n" +
			"  # Stay on version 3, whatever is written to Vault\n  kubectl vaultsecret rollback -n apps api-db --to-version 3 --pin\n  kubectl vaultsecret rollback -n apps api-db --unpin",
		Args:              exactly(1),
		ValidArgsFunction: o.completeOneMapping,
		RunE:              func(c *cobra.Command, args []string) error { return r.run(c.Context(), args[0]) },
	}
	f := c.Flags()
	f.IntVar(&r.to, "to-version", 0, "the version whose data come back")
	f.StringVar(&r.path, "path", "", "the path, where the mapping reads several")
	f.StringVar(&r.key, "key", "", "the path of this key of the Secret, where the mapping reads several")
	f.BoolVar(&r.pin, "pin", false, "let the mapping read that version; Vault is not written")
	f.BoolVar(&r.unpin, "unpin", false, "let the mapping follow the newest version again")
	r.changing.addFlags(c)
	_ = c.RegisterFlagCompletionFunc("key", o.completeKeys)
	_ = c.RegisterFlagCompletionFunc("path", o.completePaths)
	return c
}

func (r *rollingBack) validate() error {
	switch {
	case r.pin && r.unpin:
		return usage("--pin and --unpin exclude each other")
	case r.unpin && r.to != 0:
		return usage("--unpin follows the newest version; it takes no --to-version")
	case !r.unpin && r.to < 1:
		return usage("say which version comes back: --to-version N; kubectl vaultsecret history lists them")
	case r.key != "" && r.path != "":
		return usage("--key and --path exclude each other; give one of them")
	}
	return r.changing.validate()
}

func (r *rollingBack) run(ctx context.Context, name string) error {
	if err := r.validate(); err != nil {
		return err
	}
	if err := r.find(ctx, name); err != nil {
		return err
	}
	r.gather = r.gatherer(r.clients, false)
	defer r.close(ctx)
	if why := ignored(r.es, gather.Controller(r.es)); why != "" && !r.local {
		return fail(fmt.Errorf("rolling %s back: %s; nothing was written", r.name(), why), "--local syncs here, without a controller")
	}
	path, err := r.choose(ctx)
	if err != nil {
		return fail(fmt.Errorf("rolling %s back: %w", r.name(), err), "")
	}
	r.result.Path, r.result.Key, r.result.Restores = path.data, r.key, r.to
	if r.pin || r.unpin {
		return r.pinTo(ctx, path)
	}
	if path.pinned() {
		return fail(fmt.Errorf("rolling %s back: it is pinned to version %s of %s, so a new version would not reach the Secret; nothing was written",
			r.name(), gather.Clean(path.refs[0].Version), gather.Clean(path.key)), "choose another version with --pin, or let it follow again with --unpin")
	}
	return r.restore(ctx, path)
}

// restore writes the old version's data as the newest.
func (r *rollingBack) restore(ctx context.Context, path readPath) error {
	own, err := r.ownVault(ctx, path.store)
	if err != nil {
		return err
	}
	versions, err := own.client.Versions(ctx, own.mount, path.key)
	if err != nil {
		return own.explained(err)
	}
	if err := r.restorable(versions, own.mount, path); err != nil {
		return err
	}
	old, err := own.client.Read(ctx, own.mount, 2, kv.Ref{Key: path.key, Version: strconv.Itoa(r.to)})
	if err != nil {
		return own.explained(err)
	}
	now, err := own.client.Read(ctx, own.mount, 2, kv.Ref{Key: path.key})
	switch {
	case errors.Is(err, kv.ErrDeleted), errors.Is(err, kv.ErrDestroyed):
		now = kv.NewPayload(path.data, versions.Current, nil)
	case err != nil:
		return own.explained(err)
	}
	if r.inputs, err = r.gather.Local().Inputs(ctx, r.es); err != nil {
		return fail(fmt.Errorf("reading what %s reads: %w; nothing was written", r.name(), err), "kubectl vaultsecret diagnose -n "+r.es.Namespace+" "+r.es.Name)
	}
	change := vaultChange{
		origin: mapping.Origin{Field: path.field, Store: path.store, Key: path.key, Payload: now},
		own:    own, fields: old.Copy(), cas: now.Version, same: reflect.DeepEqual(now.Fields(), old.Fields()),
	}
	if err := r.foresee(ctx, &change); err != nil {
		return err
	}
	written, _ := versions.Version(r.to)
	return r.carryOut(ctx, change, fmt.Sprintf("the data of version %d of %s; %s", r.to, written.Created.UTC().Format(time.RFC3339), fieldChanges(now.Fields(), old.Fields())))
}

// restorable says of a version that cannot come back why, and what can be done.
func (r *rollingBack) restorable(all vault.Versions, mount string, path readPath) error {
	what := fmt.Sprintf("version %d of %s", r.to, gather.Clean(path.data))
	version, kept := all.Version(r.to)
	var readable []string
	now := time.Now()
	for _, v := range all.All {
		if v.Gone(now) == nil {
			readable = append(readable, strconv.Itoa(v.Number))
		}
	}
	others := "versions that can be: " + strings.Join(readable, ", ")
	if len(readable) == 0 {
		others = "no version of it can be read any more"
	}
	switch {
	case !kept && r.to > all.Current:
		return fail(fmt.Errorf("there is no %s; the newest is %d; nothing was written", what, all.Current), others)
	case !kept:
		return fail(fmt.Errorf("%s is no longer kept (the oldest is %d); nothing was written", what, all.All[0].Number), others)
	case version.Destroyed:
		return fail(fmt.Errorf("%s is destroyed: its data are gone for good; nothing was written", what), others)
	case version.Gone(now) != nil:
		return fail(fmt.Errorf("%s is deleted since %s; nothing was written", what, version.Deleted.UTC().Format(time.RFC3339)),
			fmt.Sprintf("bring it back first: vault kv undelete -mount=%s -versions=%d %s", diagnose.Quote(mount), r.to, diagnose.Quote(below(path.data, mount))))
	}
	return nil
}

// below is the name of a secret below its mount, as the vault command takes it.
func below(data, mount string) string {
	rest := strings.TrimPrefix(strings.TrimPrefix(data, strings.Trim(mount, "/")), "/")
	return strings.TrimPrefix(rest, "data/")
}

// fieldChanges names the fields that differ.
func fieldChanges(now, then map[string]any) string {
	var parts []string
	add := func(verb string, names []string) {
		if len(names) > 0 {
			parts = append(parts, verb+" "+firstOf(names, 8))
		}
	}
	var changed, back, gone []string
	for _, name := range slices.Sorted(maps.Keys(then)) {
		value, has := now[name]
		switch {
		case !has:
			back = append(back, gather.Clean(name))
		case !reflect.DeepEqual(value, then[name]):
			changed = append(changed, gather.Clean(name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if _, has := then[name]; !has {
			gone = append(gone, gather.Clean(name))
		}
	}
	add("changes", changed)
	add("brings back", back)
	add("drops", gone)
	if len(parts) == 0 {
		return "no field differs"
	}
	return strings.Join(parts, ", ")
}
