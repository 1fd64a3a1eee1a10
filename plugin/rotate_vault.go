package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// ownVault is the Vault of a store, reached as the store says, under the caller's own
// token: a store's credential is there to read and never writes.
type ownVault struct {
	client *vault.Client
	mount  string
	store  eso.Store
}

// openOwn connects to the Vault of a store. Only KV v2 is taken. token is asked for once it
// is known which store it goes to.
func openOwn(ctx context.Context, g *gather.Gatherer, ref eso.StoreRef, namespace string, token func(eso.Store) (redact.Bytes, error)) (ownVault, error) {
	store, err := g.Store(ctx, ref, namespace)
	switch {
	case err != nil:
		return ownVault{}, fmt.Errorf("reading %s: %w", ref, err)
	case store == nil:
		return ownVault{}, fail(fmt.Errorf("%s does not exist", ref), "kubectl vaultsecret diagnose tells what there is")
	case store.Spec.Provider.Vault == nil:
		return ownVault{}, fmt.Errorf("%s is no store of Vault; this command writes Vault alone", ref)
	case store.Spec.Provider.Vault.KVVersion() == 1:
		return ownVault{}, fail(fmt.Errorf("%s is of KV v1, which keeps no versions: a write could neither be checked nor taken back; nothing was written", ref),
			"write it with vault kv put, then kubectl vaultsecret sync-now; or move to KV v2: vault kv enable-versioning "+diagnose.Quote(store.Spec.Provider.Vault.Mount()))
	}
	client, err := g.Vault(ctx, *store, namespace)
	if err != nil {
		return ownVault{}, err
	}
	own, err := token(*store)
	if err != nil {
		return ownVault{}, err
	}
	return ownVault{client: client.WithToken(own), mount: store.Spec.Provider.Vault.Mount(), store: *store}, nil
}

// read reads the newest version with the caller's own token.
func (v ownVault) read(ctx context.Context, key string) (kv.Payload, error) {
	payload, err := v.client.Read(ctx, v.mount, 2, kv.Ref{Key: key})
	if err != nil {
		return kv.Payload{}, v.explained(err)
	}
	return payload, nil
}

// explained adds the next step to an error of Vault about the caller's own token.
func (v ownVault) explained(err error) error {
	switch kv.KindOf(err) {
	case kv.BadCredential:
		return fail(err, "log in again: vault login; or give another token with --vault-token-file")
	case kv.Denied:
		return fail(err, "your own Vault token lacks the right; the store's credential is never used to write")
	}
	return err
}

// mayWrite asks Vault, without writing, whether the token may update a path.
func (v ownVault) mayWrite(ctx context.Context, path, right string) error {
	may, err := v.client.Capabilities(ctx, path)
	if err != nil {
		return v.explained(err)
	}
	if !slices.Contains(may[path], right) && !slices.Contains(may[path], "root") {
		return v.explained(&kv.Error{Kind: kv.Denied, Path: path, Detail: fmt.Sprintf("your Vault token may not write: its policies must allow %q on %s", right, gather.Clean(path))})
	}
	return nil
}

// write writes under check-and-set and explains a conflict: who wrote, and when.
func (v ownVault) write(ctx context.Context, key string, fields map[string]any, cas int) (vault.Version, error) {
	version, err := v.client.Write(ctx, v.mount, key, fields, cas)
	switch {
	case errors.Is(err, vault.ErrConflict):
		return version, fail(fmt.Errorf("%w: %s", err, v.newest(ctx, key)), "look at it (kubectl vaultsecret history), then run this again to write on top of it")
	case errors.Is(err, vault.ErrUnsure):
		return version, fail(err, "look at the path's versions before you run this again: vault kv metadata get -mount="+diagnose.Quote(v.mount)+" "+diagnose.Quote(below(vault.DataPath(v.mount, 2, key), v.mount)))
	case err != nil:
		return version, v.explained(err)
	}
	return version, nil
}

// newest tells who wrote the newest version and when, as far as the token may know.
func (v ownVault) newest(ctx context.Context, key string) string {
	versions, err := v.client.Versions(context.WithoutCancel(ctx), v.mount, key)
	if err != nil {
		return "who wrote is not known (" + gather.Clean(err.Error()) + ")"
	}
	last, _ := versions.Version(versions.Current)
	by := ""
	if last.By != "" {
		by = " by " + last.By
	}
	return fmt.Sprintf("version %d was written%s at %s", versions.Current, by, last.Created.UTC().Format(time.RFC3339))
}
