package gather

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// History is what Vault remembers of one path that a mapping reads.
type History struct {
	Store eso.StoreRef
	// Path and Metadata are request paths below /v1/; Metadata is "" for KV v1.
	Path, Metadata string
	// KVVersion is the store's; 0 when the store could not be seen. KV v1 keeps no
	// versions.
	KVVersion int
	Versions  diagnose.Fact[vault.Versions]
	// Denied says that Vault refused the metadata to the store's credential.
	Denied bool
	// Newest is the newest version as a read of the data tells it, where the
	// metadata was denied.
	Newest diagnose.Fact[int]
	// InCluster is the version that the Secret was made of.
	InCluster diagnose.Fact[int]
}

// History asks Vault for the versions of every path of a mapping, by the store's own
// credential.
func (g *Gatherer) History(ctx context.Context, es *eso.ExternalSecret) []History {
	var d denials
	secret := g.secretOverview(ctx, es, &d)
	inCluster := madeOf(secret)
	var all []History
	for _, r := range g.historyReads(ctx, es, inCluster.Value) {
		h := History{Store: r.store, Path: Clean(r.ref.Key), InCluster: diagnose.Unknown[int](inCluster.Why)}
		s, err := g.storeOf(ctx, r.store, es.Namespace)
		switch {
		case err != nil:
			h.Versions = diagnose.Unknown[vault.Versions](d.reason("get "+plural(r.store.Kind), err))
		case s == nil:
			h.Versions = diagnose.Unknown[vault.Versions](r.store.String() + " does not exist")
		case s.Spec.Provider.Vault == nil:
			h.Versions = diagnose.Unknown[vault.Versions]("the provider of " + r.store.String() + " is not vault")
		default:
			h.look(ctx, g, &d, *s, es.Namespace, r.ref.Key)
			if version, told := inCluster.Value[h.Path]; told {
				h.InCluster = diagnose.Known(version)
			} else if inCluster.Known {
				h.InCluster = diagnose.Unknown[int]("the Secret's annotation " + eso.AnnotationSource + " does not name it")
			}
		}
		if !slices.ContainsFunc(all, func(other History) bool { return other.Store == h.Store && other.Path == h.Path }) {
			all = append(all, h) // a find may have selected what is also named
		}
	}
	return all
}

// madeOf are the versions that the Secret was made of, by path.
func madeOf(secret diagnose.Fact[SecretOverview]) diagnose.Fact[map[string]int] {
	switch {
	case !secret.Known:
		return diagnose.Unknown[map[string]int](secret.Why)
	case !secret.Value.Exists:
		return diagnose.Unknown[map[string]int]("there is no Secret")
	case secret.Value.source == "":
		return diagnose.Unknown[map[string]int]("the Secret has no annotation " + eso.AnnotationSource + "; External Secrets Operator writes none")
	}
	versions := map[string]int{}
	for _, item := range strings.Split(secret.Value.source, ",") {
		path, version := cutVersion(item)
		versions[path] = version
	}
	return diagnose.Known(versions)
}

// look fills in what the store's Vault tells of a key.
func (h *History) look(ctx context.Context, g *Gatherer, d *denials, s eso.Store, namespace, key string) {
	v := s.Spec.Provider.Vault
	h.KVVersion = v.KVVersion()
	h.Path = Clean(vault.DataPath(v.Mount(), h.KVVersion, key))
	if h.KVVersion == 1 {
		h.Versions = diagnose.Unknown[vault.Versions]("KV version 1 keeps no versions")
		return
	}
	h.Metadata = Clean(vault.MetadataPath(v.Mount(), h.KVVersion, key))
	session, err := g.admitted(ctx, s, namespace)
	if err != nil {
		h.Versions = diagnose.Unknown[vault.Versions](d.reason("use what the store names", err))
		return
	}
	ctx, cancel := g.limited(ctx)
	defer cancel()
	versions, err := session.client.Versions(ctx, v.Mount(), key)
	if err == nil {
		h.Versions = diagnose.Known(versions)
		return
	}
	h.Versions = diagnose.Unknown[vault.Versions](d.reason(fmt.Sprintf("read %s", h.Metadata), err))
	if h.Denied = kv.KindOf(err) == kv.Denied; h.Denied {
		payload, err := session.reader.Read(ctx, kv.Ref{Key: key})
		h.Newest = fact(d, "read "+h.Path, payload.Version, err)
	}
}
