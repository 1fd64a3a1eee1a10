package gather

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/mapping"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

type pathKey struct {
	client *vault.Client
	path   string
}

// pathsOf lists the distinct reads of a mapping, each with the entries that want it.
func pathsOf(es *eso.ExternalSecret, stores []*diagnose.Store) []*diagnose.Path {
	var paths []*diagnose.Path
	add := func(ref eso.StoreRef, find bool, read kv.Ref, entry diagnose.Entry) {
		s := storeFor(stores, ref)
		if s == nil {
			return
		}
		for _, p := range paths {
			if p.Store == s && p.Ref == read && !p.Find && !find {
				p.Entries = append(p.Entries, entry)
				return
			}
		}
		paths = append(paths, &diagnose.Path{Store: s, Ref: read, Find: find, Entries: []diagnose.Entry{entry}})
	}
	for i, d := range es.Spec.Data {
		add(es.DataStore(i), false, refOf(&d.RemoteRef), diagnose.Entry{
			Field: fmt.Sprintf("spec.data[%d].remoteRef", i), SecretKey: d.SecretKey, Property: d.RemoteRef.Property,
		})
	}
	for i, from := range es.Spec.DataFrom {
		switch {
		case from.Extract != nil:
			add(es.DataFromStore(i), false, refOf(from.Extract), diagnose.Entry{
				Field: fmt.Sprintf("spec.dataFrom[%d].extract", i), Property: from.Extract.Property,
			})
		case from.Find != nil:
			add(es.DataFromStore(i), true, kv.Ref{Key: from.Find.Path}, diagnose.Entry{Field: fmt.Sprintf("spec.dataFrom[%d].find", i)})
		}
	}
	return paths
}

func refOf(r *eso.RemoteRef) kv.Ref {
	return kv.Ref{Key: r.Key, Version: r.Version, Metadata: r.MetadataPolicy == eso.MetadataFetch}
}

func storeFor(stores []*diagnose.Store, ref eso.StoreRef) *diagnose.Store {
	for _, s := range stores {
		if s.Ref == ref {
			return s
		}
	}
	return nil
}

// lookAtPaths collects the facts about every path that is read from the store.
func (o *one) lookAtPaths(ctx context.Context, s *diagnose.Store, session *opened) {
	var all sync.WaitGroup
	for _, p := range o.f.Paths {
		if p.Store != s {
			continue
		}
		all.Go(func() { o.lookAtPath(ctx, p, s.Object.Value.Spec.Provider.Vault.KVVersion(), session) })
	}
	all.Wait()
}

// place says of every path that is read from the store where it is, which needs no
// look at Vault.
func (o *one) place(s *diagnose.Store) {
	for _, p := range o.f.Paths {
		if provider := s.Object.Value.Spec.Provider.Vault; p.Store == s {
			place(p, provider.Mount(), provider.KVVersion())
		}
	}
}

// place fills in the request paths, the mount, and the name below it.
func place(p *diagnose.Path, mount string, version int) {
	data, metadata := vault.DataPath(mount, version, p.Ref.Key), vault.MetadataPath(mount, version, p.Ref.Key)
	if version == 2 {
		p.Metadata = metadata
	}
	if !p.Find {
		p.Data = data
	} else if version == 1 {
		p.Metadata = data
	}
	p.Mount = strings.Trim(mount, "/")
	rest := strings.TrimPrefix(strings.TrimPrefix(data, p.Mount), "/")
	if p.Mount == "" {
		p.Mount, rest, _ = strings.Cut(data, "/")
	}
	if version == 2 {
		rest = strings.TrimPrefix(strings.TrimPrefix(rest, "data"), "/")
	}
	p.Name = rest
}

func (o *one) lookAtPath(ctx context.Context, p *diagnose.Path, version int, session *opened) {
	asked := p.Data
	if p.Find || p.Ref.Metadata {
		asked = p.Metadata
	}
	p.Engine, _ = o.engines.get(pathKey{session.client, asked}, func() (diagnose.Fact[diagnose.Engine], error) {
		return o.engine(ctx, session.client, asked), nil
	})
	paths := []string{asked}
	if p.Metadata != "" && p.Metadata != asked {
		paths = append(paths, p.Metadata)
	}
	rights, err := o.rights.get(pathKey{session.client, strings.Join(paths, "\n")}, func() (map[string][]string, error) {
		ctx, cancel := o.limited(ctx)
		defer cancel()
		return session.client.Capabilities(ctx, paths...)
	})
	p.Capabilities = fact(&o.denials, "ask for capabilities", rights[p.Data], err)
	p.MetaCapabilities = fact(&o.denials, "ask for capabilities", rights[p.Metadata], err)
	if !p.Engine.Known || p.Engine.Value.Hidden {
		p.Mounts, _ = o.mounts.get(session.client, func() ([]string, error) {
			ctx, cancel := o.limited(ctx)
			defer cancel()
			return session.client.VisibleMounts(ctx)
		})
	}
	if p.Find {
		o.find(ctx, p, session)
		return
	}
	o.read(ctx, p, version, session)
}

func (o *one) engine(ctx context.Context, client *vault.Client, path string) diagnose.Fact[diagnose.Engine] {
	ctx, cancel := o.limited(ctx)
	defer cancel()
	mount, err := client.Mount(ctx, path)
	switch {
	case err == nil:
		return diagnose.Known(diagnose.Engine{Type: Clean(mount.Type), Version: mount.Version})
	case kv.KindOf(err) == kv.NoMount:
		return diagnose.Known(diagnose.Engine{Missing: true})
	case vault.IsHidden(err):
		return diagnose.Known(diagnose.Engine{Hidden: true})
	}
	return diagnose.Unknown[diagnose.Engine](Clean(asKV(err).Detail))
}

// read reads the path as the controller would, and keeps names only.
func (o *one) read(ctx context.Context, p *diagnose.Path, version int, session *opened) {
	ctx, cancel := o.limited(ctx)
	defer cancel()
	payload, err := session.reader.Read(ctx, p.Ref)
	if err == nil {
		p.Read = diagnose.Known(diagnose.Read{Version: payload.Version, Keys: payload.Keys()})
		o.entries(p, payload)
		return
	}
	e := asKV(err)
	if e.Kind == "" || e.Kind.Down() {
		p.Read = diagnose.Unknown[diagnose.Read](Clean(e.Detail))
		return
	}
	p.Read = diagnose.Known(diagnose.Read{
		Kind: e.Kind, Code: e.Code, Detail: Clean(e.Detail),
		Deleted: errors.Is(err, kv.ErrDeleted), Destroyed: errors.Is(err, kv.ErrDestroyed),
	})
	if e.Kind == kv.Absent {
		p.Siblings = o.beside(ctx, p, version, session)
	}
}

// beside lists the names next to a path, where the token may; names only.
func (o *one) beside(ctx context.Context, p *diagnose.Path, version int, session *opened) []string {
	folder := ""
	if i := strings.LastIndex(p.Name, "/"); i >= 0 {
		folder = p.Name[:i+1]
	}
	names, _ := o.siblings.get(pathKey{session.client, p.Mount + "/" + folder}, func() ([]string, error) {
		return session.client.List(ctx, p.Mount, version, folder)
	})
	var clean []string
	for _, n := range names {
		clean = append(clean, Clean(strings.TrimSuffix(n, "/")))
	}
	return clean
}

// find counts what a find selects.
func (o *one) find(ctx context.Context, p *diagnose.Path, session *opened) {
	ctx, cancel := o.limited(ctx)
	defer cancel()
	names, err := session.reader.List(ctx, p.Ref.Key)
	if err != nil && kv.KindOf(err) != kv.Absent {
		p.Matches = diagnose.Unknown[int](Clean(asKV(err).Detail))
		return
	}
	finder, err := mapping.NewFinder(o.findOf(p))
	if err != nil {
		p.Matches = diagnose.Unknown[int](Clean(err.Error()))
		return
	}
	count := 0
	for _, name := range names {
		var metadata *kv.Payload
		if finder.NeedsMetadata() {
			payload, err := session.reader.Read(ctx, kv.Ref{Key: name, Metadata: true})
			if err != nil {
				p.Matches = diagnose.Unknown[int](Clean(asKV(err).Detail))
				return
			}
			metadata = &payload
		}
		if finder.Match(name, metadata) {
			count++
		}
	}
	p.Matches = diagnose.Known(count)
}

func (o *one) findOf(p *diagnose.Path) *eso.Find {
	for i, from := range o.f.Mapping.Value.Spec.DataFrom {
		if from.Find != nil && p.Entries[0].Field == fmt.Sprintf("spec.dataFrom[%d].find", i) {
			return from.Find
		}
	}
	return &eso.Find{}
}

// entries judges each entry of a path alone, by the very code that makes the Secret.
func (o *one) entries(p *diagnose.Path, payload kv.Payload) {
	for i := range p.Entries {
		e := &p.Entries[i]
		alone, in := single(o.f.Mapping.Value, e.Field, mapping.Fetched{Payload: payload})
		_, err := mapping.Compute(alone, in, mapping.Limits{})
		e.Found = diagnose.Known(true)
		var flaw *mapping.Error
		switch {
		case !errors.As(err, &flaw):
		case strings.HasSuffix(flaw.Field, ".property"):
			e.Found = diagnose.Known(false)
		default:
			e.Flaw = Clean(flaw.Detail)
		}
	}
}

// single is the mapping with nothing but one entry, and that entry's input.
func single(es *eso.ExternalSecret, field string, fetched mapping.Fetched) (*eso.ExternalSecret, mapping.Inputs) {
	alone := &eso.ExternalSecret{ObjectMeta: es.ObjectMeta}
	for i, d := range es.Spec.Data {
		if field == fmt.Sprintf("spec.data[%d].remoteRef", i) {
			alone.Spec.Data = []eso.Data{d}
			return alone, mapping.Inputs{Data: []mapping.Fetched{fetched}}
		}
	}
	for i, from := range es.Spec.DataFrom {
		if field == fmt.Sprintf("spec.dataFrom[%d].extract", i) {
			from.Rewrite = nil
			alone.Spec.DataFrom = []eso.DataFrom{from}
			return alone, mapping.Inputs{DataFrom: []mapping.FetchedSet{{One: fetched}}}
		}
	}
	return alone, mapping.Inputs{}
}
