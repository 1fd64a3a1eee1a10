package bootstrap

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// Want is one read that a mapping does through the store.
type Want struct {
	// Mapping is NAMESPACE/NAME.
	Mapping string
	Ref     kv.Ref
	// Find lists the folder Ref.Key and reads below it; Tags reads metadata there, too.
	Find, Tags bool
}

// Wants lists the reads of a mapping that go through the store.
func Wants(es *eso.ExternalSecret, store eso.StoreRef) []Want {
	var wants []Want
	add := func(ref eso.StoreRef, w Want) {
		if ref == store {
			w.Mapping = es.Namespace + "/" + es.Name
			wants = append(wants, w)
		}
	}
	one := func(r *eso.RemoteRef) Want {
		return Want{Ref: kv.Ref{Key: r.Key, Version: r.Version, Metadata: r.MetadataPolicy == eso.MetadataFetch}}
	}
	for i := range es.Spec.Data {
		add(es.DataStore(i), one(&es.Spec.Data[i].RemoteRef))
	}
	for i, from := range es.Spec.DataFrom {
		switch {
		case from.Extract != nil:
			add(es.DataFromStore(i), one(from.Extract))
		case from.Find != nil:
			add(es.DataFromStore(i), Want{Find: true, Tags: len(from.Find.Tags) > 0, Ref: kv.Ref{Key: from.Find.Path}})
		}
	}
	return wants
}

// Rule allows a store something on one path of Vault.
type Rule struct {
	Path         string
	Capabilities []string
	// Why names the mappings that want it, or --path; sorted.
	Why []string
}

// Further is what is allowed beside what the mappings read. Metadata is for KV v2 alone.
type Further struct {
	// Paths are relative to the mount, as in Setup.
	Paths []string
	// Metadata lets the metadata of each path be read too.
	Metadata bool
}

// byMetadata is who wants a rule on metadata that no mapping reads.
const byMetadata = "--with-metadata"

// rules collects rules by path.
type rules map[string]*Rule

func (r rules) allow(path, why string, capabilities ...string) {
	rule, ok := r[path]
	if !ok {
		rule = &Rule{Path: path}
		r[path] = rule
	}
	rule.Capabilities = with(rule.Capabilities, capabilities...)
	rule.Why = with(rule.Why, why)
}

// with adds texts to a sorted set.
func with(set []string, more ...string) []string {
	set = append(set, more...)
	slices.Sort(set)
	return slices.Compact(set)
}

// Rules derives what the store's policy has to allow: what the mappings read, and
// further paths. What must not, or cannot exactly, be granted is left out and told:
//
//	a read of the data        read          MOUNT/data/PATH      (KV v1: MOUNT/PATH)
//	metadataPolicy Fetch      read          MOUNT/metadata/PATH
//	find                      list          MOUNT/metadata/FOLDER/*
//	                          read          MOUNT/data/FOLDER/*
//	                                        (KV v1: both on MOUNT/FOLDER/*)
//	find by tags              also read     MOUNT/metadata/FOLDER/*
//	Further.Metadata          read          MOUNT/metadata/… for each of these
//
// A path counts only below a KV mount of the store's version: mappings are written by
// people who must not widen the policy to the rest of Vault.
func Rules(mount string, version int, wants []Want, further Further, mounts map[string]vault.MountInfo) (sorted []Rule, left []string) {
	found := rules{}
	leave := map[string]bool{}
	for _, w := range wants {
		if why := refuseKey(w, mount, version, mounts); why != "" {
			leave[fmt.Sprintf("%s: key %q is left out: %s", w.Mapping, w.Ref.Key, why)] = true
			continue
		}
		found.want(w, mount, version)
		if path := vault.MetadataPath(mount, version, w.Ref.Key); further.Metadata && w.Find {
			found.allow(path+"/*", byMetadata, "read")
		} else if further.Metadata {
			found.allow(path, byMetadata, "read")
		}
	}
	for _, path := range further.Paths {
		found.allow(vault.DataPath(mount, version, path), "--path "+path, "read")
		if further.Metadata {
			found.allow(vault.MetadataPath(mount, version, path), byMetadata, "read")
		}
	}
	return slices.SortedFunc(values(found), func(a, b Rule) int { return cmp.Compare(a.Path, b.Path) }), slices.Sorted(maps.Keys(leave))
}

func values(found rules) func(func(Rule) bool) {
	return func(yield func(Rule) bool) {
		for _, rule := range found {
			if !yield(*rule) {
				return
			}
		}
	}
}

func (r rules) want(w Want, mount string, version int) {
	data, metadata := vault.DataPath(mount, version, w.Ref.Key), vault.MetadataPath(mount, version, w.Ref.Key)
	switch {
	case w.Find && version == 1:
		r.allow(data+"/*", w.Mapping, "list", "read")
	case w.Find:
		r.allow(metadata+"/*", w.Mapping, "list")
		r.allow(data+"/*", w.Mapping, "read")
		if w.Tags {
			r.allow(metadata+"/*", w.Mapping, "read")
		}
	case w.Ref.Metadata && version == 2:
		r.allow(metadata, w.Mapping, "read")
	default:
		r.allow(data, w.Mapping, "read")
	}
}

// refuseKey says why a mapping's key gets no rule; "" when it does.
func refuseKey(w Want, mount string, version int, mounts map[string]vault.MountInfo) string {
	path := vault.DataPath(mount, version, w.Ref.Key)
	in, ok := mountOf(path, mounts)
	switch {
	case vault.Traverses(w.Ref.Key), vault.Traverses(mount):
		return `".." would leave the mount`
	case !quotable(path):
		return "it holds characters that a policy cannot name"
	case strings.HasSuffix(path, "*") || slices.Contains(strings.Split(path, "/"), "+"):
		return "* and + mean any name in a policy, so it cannot be named exactly; allow it with --path"
	case !ok:
		return "no secrets engine is mounted there"
	case !in.KV():
		return fmt.Sprintf("the mount %s is of type %s, not kv", in.Path, in.Type)
	case in.Version != version:
		return fmt.Sprintf("the mount %s is KV v%d, the store says v%d", in.Path, in.Version, version)
	case !w.Find && path == vault.DataPath(mount, version, ""), path == in.Path && version == 1 && !w.Find:
		return "it names no secret below the mount"
	}
	return ""
}

// mountOf is the mount that a path lies in: the longest that fits.
func mountOf(path string, mounts map[string]vault.MountInfo) (vault.MountInfo, bool) {
	for at := path; at != ""; {
		if m, ok := mounts[at]; ok {
			return m, true
		}
		i := strings.LastIndex(at, "/")
		if i < 0 {
			break
		}
		at = at[:i]
	}
	return vault.MountInfo{}, false
}

// quotable takes texts that stand between quotes in a policy, and mean what they say.
func quotable(text string) bool {
	for _, r := range text {
		if !unicode.IsPrint(r) || strings.ContainsRune(`"\$`, r) {
			return false
		}
	}
	return text != "" && !strings.Contains(text, "{{") && !strings.Contains(text, "}}") // a template to Vault
}
