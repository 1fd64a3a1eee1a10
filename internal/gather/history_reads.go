package gather

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/mapping"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// historyReads are the keys of a mapping, each once: those it names, and those that its
// finds selected when the Secret was made, which are asked of the find's own store. What
// an entry names, too, stands there. A find whose store cannot be seen stands by
// its folder alone: which of the paths are its own is not known then.
func (g *Gatherer) historyReads(ctx context.Context, es *eso.ExternalSecret, inCluster map[string]int) []wantedRead {
	var reads []wantedRead
	add := func(store eso.StoreRef, key string) {
		if r := (wantedRead{store, kv.Ref{Key: key}}); !slices.Contains(reads, r) {
			reads = append(reads, r)
		}
	}
	named := map[string]bool{}
	for _, r := range readsOf(es) {
		add(r.store, r.ref.Key)
		if v := g.vaultOf(ctx, r.store, es.Namespace); v != nil {
			named[vault.DataPath(v.Mount(), v.KVVersion(), r.ref.Key)] = true
		}
	}
	for i, from := range es.Spec.DataFrom {
		if from.Find == nil {
			continue
		}
		ref := es.DataFromStore(i)
		v := g.vaultOf(ctx, ref, es.Namespace)
		if v == nil {
			add(ref, cmp.Or(from.Find.Path, "find"))
			continue
		}
		for _, path := range slices.Sorted(maps.Keys(inCluster)) {
			if !named[path] && selects(from.Find, v, path) {
				add(ref, path)
			}
		}
	}
	return reads
}

// vaultOf is the provider of a store; nil when it cannot be seen or is no Vault.
func (g *Gatherer) vaultOf(ctx context.Context, ref eso.StoreRef, namespace string) *eso.VaultProvider {
	s, err := g.storeOf(ctx, ref, namespace)
	if err != nil || s == nil {
		return nil
	}
	return s.Spec.Provider.Vault
}

// selects reports whether a find over a store's mount may have selected a path: it lies
// in the find's folder, and the find matches its name. Tags are not asked for.
func selects(find *eso.Find, v *eso.VaultProvider, path string) bool {
	mount, version := v.Mount(), v.KVVersion()
	root := vault.DataPath(mount, version, "")
	name, within := strings.CutPrefix(path, strings.TrimSuffix(root, "/")+"/")
	if mount == "" { // names are as keys are written, with their mount
		name, within = strings.Replace(path, "/data/", "/", 1), version == 1 || strings.Contains(path, "/data/")
	}
	folder := strings.TrimSuffix(vault.DataPath(mount, version, find.Path), "/") + "/"
	if !within || find.Path != "" && !strings.HasPrefix(path, folder) {
		return false
	}
	finder, err := mapping.NewFinder(find)
	return err == nil && (finder.NeedsMetadata() || finder.Match(name, nil))
}
