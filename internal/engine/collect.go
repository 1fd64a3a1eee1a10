package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/mapping"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// opened holds each store that a mapping uses, or why it could not be opened.
type opened map[eso.StoreRef]openedStore

type openedStore struct {
	reader kv.Reader
	err    error
}

// open opens every store of the mapping. One store of another controller is enough
// to leave the whole mapping to it, whatever is wrong with the others.
func (e Engine) open(ctx context.Context, es *eso.ExternalSecret) (opened, error) {
	stores := opened{}
	for _, ref := range es.StoreRefs() {
		if ref.Name == "" {
			continue // Validate names the field
		}
		reader, err := e.Stores.Open(ctx, ref, es.Namespace)
		stores[ref] = openedStore{reader, err}
	}
	for _, s := range stores {
		if errors.Is(s.err, kv.ErrForeignStore) {
			return nil, s.err
		}
	}
	return stores, nil
}

// failed is the error of the first entry, in the order of the spec, whose store
// could not be opened, wrapped as ESO wraps it.
func (o opened) failed(es *eso.ExternalSecret) error {
	for i := range es.Spec.Data {
		if err := o[es.DataStore(i)].err; err != nil {
			return dataError(es, i, err)
		}
	}
	for i := range es.Spec.DataFrom {
		if err := o[es.DataFromStore(i)].err; err != nil {
			return dataFromError(es, i, err)
		}
	}
	return nil
}

// collect reads all that the mapping asks for and stops at the first entry of which
// nothing is known. A proven absence is an answer, not an error.
func (e Engine) collect(ctx context.Context, es *eso.ExternalSecret, stores opened) (mapping.Inputs, error) {
	var in mapping.Inputs
	for i, data := range es.Spec.Data {
		ref := data.RemoteRef
		fetched, err := read(ctx, stores[es.DataStore(i)].reader, kv.Ref{
			Key: ref.Key, Version: ref.Version, Metadata: ref.MetadataPolicy == metadataFetch,
		})
		if err != nil {
			return in, dataError(es, i, err)
		}
		in.Data = append(in.Data, fetched)
	}
	for i, from := range es.Spec.DataFrom {
		set, err := e.readSet(ctx, stores[es.DataFromStore(i)].reader, from)
		if err != nil {
			return in, dataFromError(es, i, err)
		}
		in.DataFrom = append(in.DataFrom, set)
	}
	var err error
	in.Sources, err = e.sources(ctx, es)
	return in, err
}

const metadataFetch = "Fetch"

func read(ctx context.Context, reader kv.Reader, ref kv.Ref) (mapping.Fetched, error) {
	payload, err := reader.Read(ctx, ref)
	if kv.KindOf(err) == kv.Absent {
		return mapping.Fetched{Absent: true, Proof: err.Error()}, nil
	}
	return mapping.Fetched{Payload: payload}, err
}

func (e Engine) readSet(ctx context.Context, reader kv.Reader, from eso.DataFrom) (mapping.FetchedSet, error) {
	if from.Find != nil {
		return e.find(ctx, reader, from.Find)
	}
	one, err := read(ctx, reader, kv.Ref{
		Key: from.Extract.Key, Version: from.Extract.Version, Metadata: from.Extract.MetadataPolicy == metadataFetch,
	})
	return mapping.FetchedSet{One: one}, err
}

// find lists, selects and reads; more than may be selected are not read. The leading
// slash keeps a secret whose own name starts like the mount from losing that part.
func (e Engine) find(ctx context.Context, reader kv.Reader, spec *eso.Find) (mapping.FetchedSet, error) {
	finder, err := mapping.NewFinder(spec)
	if err != nil {
		return mapping.FetchedSet{}, err
	}
	names, err := reader.List(ctx, spec.Path)
	if kv.KindOf(err) == kv.Absent {
		return mapping.FetchedSet{Absent: true, Proof: err.Error()}, nil
	}
	if err != nil {
		return mapping.FetchedSet{}, err
	}
	var selected []string
	for _, name := range names {
		var metadata *kv.Payload
		if finder.NeedsMetadata() {
			payload, err := reader.Read(ctx, kv.Ref{Key: "/" + name, Metadata: true})
			if err != nil {
				return mapping.FetchedSet{}, err
			}
			metadata = &payload
		}
		if finder.Match(name, metadata) {
			selected = append(selected, name)
		}
	}
	if err := e.Limits.Selected(len(selected)); err != nil {
		return mapping.FetchedSet{}, err
	}
	set := mapping.FetchedSet{Hits: map[string]kv.Payload{}}
	for _, name := range selected {
		hit, err := read(ctx, reader, kv.Ref{Key: "/" + name})
		if err != nil {
			return mapping.FetchedSet{}, err
		}
		if !hit.Absent {
			set.Hits[name] = hit.Payload
		}
	}
	return set, nil
}

func (e Engine) sources(ctx context.Context, es *eso.ExternalSecret) (map[mapping.SourceKey]map[string]redact.Bytes, error) {
	keys := mapping.SourceKeys(es)
	if len(keys) == 0 {
		return nil, nil
	}
	all := map[mapping.SourceKey]map[string]redact.Bytes{}
	for _, key := range keys {
		data, err := e.Sources.Source(ctx, es.Namespace, key.Kind, key.Name)
		if err != nil {
			return nil, writeError{fmt.Errorf("could not apply template: spec.target.template.templateFrom: %w", err)}
		}
		all[key] = data
	}
	return all, nil
}

// dataError and dataFromError are ESO's words around what failed in an entry.
func dataError(es *eso.ExternalSecret, i int, err error) error {
	return fmt.Errorf("error processing spec.data[%d] (key: %s), err: %w", i, es.Spec.Data[i].RemoteRef.Key, located(err, es.DataStore(i)))
}

func dataFromError(es *eso.ExternalSecret, i int, err error) error {
	member := "extract"
	if es.Spec.DataFrom[i].Find != nil {
		member = "find"
	}
	return fmt.Errorf("error processing spec.dataFrom[%d].%s, err: %w", i, member, located(err, es.DataFromStore(i)))
}

// located adds the store and its field to mend, where the cause lies in the store and
// the error does not name it.
func located(err error, ref eso.StoreRef) error {
	var cause *kv.Error
	if !errors.As(err, &cause) {
		return err
	}
	field := cause.Field
	switch cause.Kind {
	case kv.NoMount:
		field = "spec.provider.vault.path"
	case kv.BadCredential:
		field = "spec.provider.vault.auth"
	case kv.Unreachable:
		field = "spec.provider.vault.server"
	}
	if field == "" || strings.Contains(err.Error(), field) {
		return err
	}
	return fmt.Errorf("%w (%s of %s)", err, field, ref)
}
