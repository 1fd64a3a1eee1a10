package plugin

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// HistoryList is what history prints with -o json and yaml; docs/output.md documents it.
type HistoryList struct {
	metav1.TypeMeta `json:",inline"`
	Items           []MappingHistory `json:"items"`
}

// MappingHistory is one mapping with the paths that it reads.
type MappingHistory struct {
	Namespace string        `json:"namespace"`
	Name      string        `json:"name"`
	Paths     []PathHistory `json:"paths"`
}

// PathHistory is what Vault remembers of one path.
type PathHistory struct {
	Store StoreName `json:"store"`
	Path  string    `json:"path"`
	// KVVersion is 1 or 2; 1 keeps no versions. Absent when the store is not known.
	KVVersion int `json:"kvVersion,omitempty"`
	// InCluster is the version that the Secret was made of; absent when not known.
	InCluster int `json:"inCluster,omitempty"`
	// Versions are those that are kept, oldest first.
	Versions       []VersionHistory  `json:"versions"`
	CustomMetadata map[string]string `json:"customMetadata,omitempty"`
	// Error is why the versions are not known, or not all of them.
	Error string `json:"error,omitempty"`
}

// VersionHistory is one version of a path.
type VersionHistory struct {
	Version int          `json:"version"`
	Created *metav1.Time `json:"created,omitempty"`
	// State is current, available, deleted, destroyed or unknown.
	State string `json:"state"`
	// Deleted is when it was, or will be, deleted.
	Deleted *metav1.Time `json:"deleted,omitempty"`
	// By and DeletedBy are display names of tokens, where Vault tells them.
	By        string `json:"by,omitempty"`
	DeletedBy string `json:"deletedBy,omitempty"`
	InCluster bool   `json:"inCluster"`
}

// DeepCopyObject makes the list printable by cli-runtime; printers only read.
func (l *HistoryList) DeepCopyObject() runtime.Object {
	c := *l
	return &c
}

func newHistoryCommand(o *Options) *cobra.Command {
	l := newLooking(o)
	c := &cobra.Command{
		Use:   "history (NAME… | -l SELECTOR | --all) [-A]",
		Short: "Which versions Vault keeps, and which one is in the cluster",
		Long: "Lists the versions of every path that an ExternalSecret reads, oldest first: when each was written, by whom as far\n" +
			"as Vault tells, whether it can still be read, and which one the Secret was made of. No value is read or printed.\n" +
			"Vault is asked with the store's own credential, which needs \"read\" on the metadata path; KV v1 keeps no versions.\n\n" +
			"Exit codes: 0 all is told, 1 some of it could not be looked at.",
		Example: "  kubectl vaultsecret history -n apps authelia-secrets\n" +
			"  kubectl vaultsecret history -n apps api-db -o wide\n" +
			"  kubectl vaultsecret history -n apps api-db -o jsonpath='{.items[0].paths[0].inCluster}'",
		RunE: func(c *cobra.Command, args []string) error { return l.history(c.Context(), args) },
	}
	l.flags(c)
	return c
}

func (l *looking) history(ctx context.Context, args []string) error {
	clients, f, err := l.choose(ctx, args, false)
	if err != nil {
		return err
	}
	g := l.gatherer(clients, false)
	defer g.Close(context.WithoutCancel(ctx))
	list := &HistoryList{TypeMeta: listMeta("HistoryList"), Items: []MappingHistory{}}
	now := time.Now()
	gather.Each(16, f.mappings, func(es *eso.ExternalSecret) MappingHistory { return mappingHistory(es, g.History(ctx, es), now) }, func(_ int, m MappingHistory) {
		list.Items = append(list.Items, m)
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.people() {
		err = l.printHistory(list.Items, now)
	} else {
		err = l.write(list, f.mappings)
	}
	if err != nil {
		return err
	}
	if len(f.missing) > 0 || slices.ContainsFunc(list.Items, MappingHistory.incomplete) {
		return exit(ExitFailed)
	}
	return nil
}

func (m MappingHistory) incomplete() bool {
	return slices.ContainsFunc(m.Paths, func(p PathHistory) bool { return p.Error != "" })
}

func mappingHistory(es *eso.ExternalSecret, all []gather.History, now time.Time) MappingHistory {
	m := MappingHistory{Namespace: es.Namespace, Name: es.Name, Paths: []PathHistory{}}
	for _, h := range all {
		p := PathHistory{Store: StoreName{h.Store.Kind, h.Store.Name}, Path: h.Path, KVVersion: h.KVVersion, InCluster: h.InCluster.Value, Versions: []VersionHistory{}}
		switch {
		case h.Versions.Known:
			p.CustomMetadata = h.Versions.Value.Custom
			for _, v := range h.Versions.Value.All {
				p.Versions = append(p.Versions, versionHistory(v, h.Versions.Value.Current, p.InCluster, now))
			}
		case h.KVVersion == 1:
		default:
			p.Error = h.Versions.Why
			p.guess(h, es.Namespace)
		}
		m.Paths = append(m.Paths, p)
	}
	return m
}

// guess fills in the two versions that are known without the metadata.
func (p *PathHistory) guess(h gather.History, namespace string) {
	if h.Denied {
		p.Error = fmt.Sprintf("the store's credential may not read %s, so only the newest version is known; it needs: path %q { capabilities = [\"read\"] }", h.Metadata, h.Metadata)
		p.Error += "; where setup made its policy: kubectl vaultsecret setup -n " + namespace + " --store " + h.Store.String() + " --with-metadata"
	}
	if p.InCluster > 0 && p.InCluster != h.Newest.Value {
		p.Versions = append(p.Versions, VersionHistory{Version: p.InCluster, State: "unknown", InCluster: true})
	}
	if h.Newest.Known && h.Newest.Value > 0 {
		p.Versions = append(p.Versions, VersionHistory{Version: h.Newest.Value, State: "current", InCluster: h.Newest.Value == p.InCluster})
	}
}

func versionHistory(v vault.Version, current, inCluster int, now time.Time) VersionHistory {
	h := VersionHistory{
		Version: v.Number, Created: timeOf(v.Created), State: "available", Deleted: timeOf(v.Deleted),
		By: gather.Clean(v.By), DeletedBy: gather.Clean(v.DeletedBy), InCluster: v.Number == inCluster,
	}
	switch {
	case v.Destroyed:
		h.State = "destroyed"
	case v.Gone(now) != nil:
		h.State = "deleted"
	case v.Number == current:
		h.State = "current"
	}
	return h
}

func (l *looking) printHistory(items []MappingHistory, now time.Time) error {
	header := []string{"NAME", "PATH", "VERSION", "CREATED", "STATE", "BY", "IN CLUSTER"}
	if l.allNamespaces {
		header = append([]string{"NAMESPACE"}, header...)
	}
	if l.output == "wide" {
		header = append(header, "DELETED", "DELETED BY", "CUSTOM METADATA")
	}
	var rows [][]string
	for _, m := range items {
		for _, p := range m.Paths {
			for _, v := range p.Versions {
				rows = append(rows, l.historyRow(m, p, v, now))
			}
		}
	}
	if len(rows) > 0 {
		if err := table(l.text(l.Out), header, rows); err != nil {
			return err
		}
	}
	for _, m := range items {
		for _, p := range m.Paths {
			switch {
			case p.Error != "":
				fmt.Fprintf(l.ErrOut, "error: %s/%s: %s: %s\n", m.Namespace, m.Name, p.Path, p.Error)
			case p.KVVersion == 1:
				fmt.Fprintf(l.ErrOut, "%s/%s: %s has no history: KV version 1 keeps no versions.\n", m.Namespace, m.Name, p.Path)
			case p.InCluster == 0:
				fmt.Fprintf(l.ErrOut, "%s/%s: which version of %s is in the cluster is not known: the Secret, where there is one, does not tell.\n", m.Namespace, m.Name, p.Path)
			}
		}
	}
	return nil
}

func (l *looking) historyRow(m MappingHistory, p PathHistory, v VersionHistory, now time.Time) []string {
	inCluster := "-"
	if v.InCluster {
		inCluster = "yes"
	}
	row := []string{m.Name, p.Path, fmt.Sprint(v.Version), ageOf(v.Created, now), v.State, orDash(v.By), inCluster}
	if l.allNamespaces {
		row = append([]string{m.Namespace}, row...)
	}
	if l.output == "wide" {
		var custom []string
		for _, name := range slices.Sorted(maps.Keys(p.CustomMetadata)) {
			custom = append(custom, name+"="+p.CustomMetadata[name])
		}
		row = append(row, ageOf(v.Deleted, now), orDash(v.DeletedBy), joined(custom))
	}
	return row
}

// ageOf is "3h ago", "in 2d", or "-" when the time is not known.
func ageOf(at *metav1.Time, now time.Time) string {
	switch {
	case at == nil:
		return "-"
	case at.After(now):
		return "in " + duration.HumanDuration(at.Sub(now))
	}
	return duration.HumanDuration(now.Sub(at.Time)) + " ago"
}
