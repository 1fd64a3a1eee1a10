package plugin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/mapping"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// readPath is one path that a mapping reads by spec.data or extract, with the entries
// that read it. What a find selects has none: it cannot be pinned, nor named beforehand.
type readPath struct {
	store eso.StoreRef
	// key is the path as the first entry writes it; data is the request path.
	key, data string
	// field is the first entry's.
	field string
	// keys are the Secret's keys that spec.data makes of it.
	keys []string
	// refs are the entries' own, to be changed.
	refs []*eso.RemoteRef
}

// pinned reports whether any entry names a version.
func (p readPath) pinned() bool {
	return slices.ContainsFunc(p.refs, func(r *eso.RemoteRef) bool { return r.Version != "" })
}

// is reports whether a person may have meant this path: as the mapping writes it, as the
// request path, or as the vault command shows it.
func (p readPath) is(path string) bool {
	return path == p.key || path == p.data || path == strings.Replace(p.data, "/data/", "/", 1)
}

// readPaths lists the paths of a mapping, in the order of its spec. refs point into es.
func readPaths(ctx context.Context, g *gather.Gatherer, es *eso.ExternalSecret) ([]readPath, error) {
	var paths []readPath
	add := func(ref eso.StoreRef, field, secretKey string, r *eso.RemoteRef) error {
		if r.MetadataPolicy == eso.MetadataFetch {
			return nil
		}
		store, err := g.Store(ctx, ref, es.Namespace)
		switch {
		case err != nil:
			return fmt.Errorf("reading %s: %w", ref, err)
		case store == nil:
			return fmt.Errorf("%s does not exist", ref)
		case store.Spec.Provider.Vault == nil:
			return fmt.Errorf("%s is no store of Vault", ref)
		}
		v := store.Spec.Provider.Vault
		data := vault.DataPath(v.Mount(), v.KVVersion(), r.Key)
		i := slices.IndexFunc(paths, func(p readPath) bool { return p.store == ref && p.data == data })
		if i < 0 {
			paths = append(paths, readPath{store: ref, key: r.Key, data: data, field: field})
			i = len(paths) - 1
		}
		paths[i].refs = append(paths[i].refs, r)
		if secretKey != "" {
			paths[i].keys = append(paths[i].keys, secretKey)
		}
		return nil
	}
	for i := range es.Spec.Data {
		d := &es.Spec.Data[i]
		if err := add(es.DataStore(i), fmt.Sprintf("spec.data[%d].remoteRef", i), d.SecretKey, &d.RemoteRef); err != nil {
			return nil, err
		}
	}
	for i := range es.Spec.DataFrom {
		if extract := es.Spec.DataFrom[i].Extract; extract != nil {
			if err := add(es.DataFromStore(i), fmt.Sprintf("spec.dataFrom[%d].extract", i), "", extract); err != nil {
				return nil, err
			}
		}
	}
	return paths, nil
}

// choose finds the one path that is meant.
func (r *rollingBack) choose(ctx context.Context) (readPath, error) {
	paths, err := readPaths(ctx, r.gather, r.es)
	if err != nil {
		return readPath{}, err
	}
	var names []string
	for _, p := range paths {
		names = append(names, gather.Clean(p.key))
	}
	fits := func(readPath) bool { return true }
	switch {
	case r.path != "":
		fits = func(p readPath) bool { return p.is(strings.Trim(r.path, "/")) }
	case r.key != "":
		if fits, err = r.ofKey(ctx, paths); err != nil {
			return readPath{}, err
		}
	}
	var found []readPath
	for _, p := range paths {
		if fits(p) {
			found = append(found, p)
		}
	}
	switch {
	case len(paths) == 0:
		return readPath{}, fmt.Errorf("it reads no path by spec.data or extract; what find selects is rolled back with vault kv rollback")
	case len(found) == 0:
		return readPath{}, fmt.Errorf("this mapping does not read %s; it reads %s", gather.Clean(r.path), strings.Join(names, ", "))
	case len(found) > 1:
		return readPath{}, fmt.Errorf("it reads several paths: %s; choose one with --path or --key", strings.Join(names, ", "))
	}
	return found[0], nil
}

// ofKey is the path of one key: spec.data says it itself, else what is read tells.
func (r *rollingBack) ofKey(ctx context.Context, paths []readPath) (func(readPath) bool, error) {
	if slices.ContainsFunc(paths, func(p readPath) bool { return slices.Contains(p.keys, r.key) }) {
		return func(p readPath) bool { return slices.Contains(p.keys, r.key) }, nil
	}
	in, err := r.gather.Local().Inputs(ctx, r.es)
	if err != nil {
		return nil, err
	}
	origin, err := mapping.OriginOf(r.es, in, r.key)
	if err != nil {
		return nil, err
	}
	return func(p readPath) bool { return p.store == origin.Store && p.data == origin.Payload.Path }, nil
}
