package plugin

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
)

// MappingList is what mapping list and mapping get print with -o json and yaml;
// docs/output.md tells its fields.
type MappingList struct {
	metav1.TypeMeta `json:",inline"`
	Items           []Mapping `json:"items"`
}

// Mapping is one ExternalSecret as a table of keys and paths.
type Mapping struct {
	Namespace string         `json:"namespace"`
	Name      string         `json:"name"`
	Secret    string         `json:"secret"`
	Creation  string         `json:"creationPolicy"`
	Deletion  string         `json:"deletionPolicy"`
	Refresh   string         `json:"refresh"`
	Entries   []MappingEntry `json:"entries"`
}

// MappingEntry is one entry of the spec: a key and where it comes from.
type MappingEntry struct {
	// Key is "*" for every key of a path.
	Key      string `json:"key"`
	Path     string `json:"path"`
	Property string `json:"property,omitempty"`
	Version  string `json:"version,omitempty"`
	Store    string `json:"store,omitempty"`
	Field    string `json:"field"`
}

// DeepCopyObject makes it a runtime.Object for cli-runtime's printers.
func (l *MappingList) DeepCopyObject() runtime.Object {
	out := *l
	out.Items = slices.Clone(l.Items)
	for i := range out.Items {
		out.Items[i].Entries = slices.Clone(out.Items[i].Entries)
	}
	return &out
}

func newMappingListCommand(o *Options) *cobra.Command {
	l := newLooking(o)
	c := &cobra.Command{
		Use:     "list [NAME… | -l SELECTOR | --all] [-A]",
		Short:   "Which key of which Secret comes from which path of Vault",
		Long:    "One row a key, as the ExternalSecrets say; Vault is not asked. \"*\" is every key of a path.",
		Example: "  kubectl vaultsecret mapping list -A\n\n  # Who reads this path?\n  kubectl vaultsecret mapping list -A | grep secret/app/db",
		RunE: func(c *cobra.Command, args []string) error {
			_, f, err := l.choose(c.Context(), args, true)
			if err != nil {
				return err
			}
			if err := l.printMappings(f.mappings); err != nil {
				return err
			}
			if len(f.missing) > 0 {
				return exit(ExitFailed)
			}
			return nil
		},
	}
	l.flags(c)
	return c
}

func (l *looking) printMappings(mappings []*eso.ExternalSecret) error {
	list := &MappingList{TypeMeta: listMeta("MappingList"), Items: []Mapping{}}
	for _, es := range mappings {
		list.Items = append(list.Items, mappingOf(es))
	}
	if !l.people() {
		return l.write(list, mappings)
	}
	if len(list.Items) == 0 {
		return nil
	}
	header := []string{"MAPPING", "SECRET", "KEY", "PATH", "PROPERTY"}
	if l.output == "wide" {
		header = append(header, "VERSION", "STORE", "ENTRY")
	}
	if l.allNamespaces {
		header = slices.Insert(header, 0, "NAMESPACE")
	}
	var rows [][]string
	for _, m := range list.Items {
		for _, e := range m.Entries {
			row := []string{m.Name, m.Secret, e.Key, e.Path, dash(e.Property)}
			if l.output == "wide" {
				row = append(row, dash(e.Version), dash(e.Store), e.Field)
			}
			if l.allNamespaces {
				row = slices.Insert(row, 0, m.Namespace)
			}
			rows = append(rows, row)
		}
	}
	return table(l.text(l.Out), header, rows)
}

// mappingOf lists the entries of a mapping, in the order of its spec; keys that a
// template renders come last.
func mappingOf(es *eso.ExternalSecret) Mapping {
	m := Mapping{
		Namespace: es.Namespace, Name: es.Name, Secret: gather.Clean(es.TargetName()), Creation: gather.Clean(string(es.CreationPolicy())),
		Deletion: gather.Clean(string(es.DeletionPolicy())), Refresh: interval(es), Entries: []MappingEntry{},
	}
	add := func(key string, store eso.StoreRef, r eso.RemoteRef, field string) {
		property := gather.Clean(r.Property)
		if r.MetadataPolicy == eso.MetadataFetch {
			property = "(metadata) " + property
		}
		m.Entries = append(m.Entries, MappingEntry{
			Key: gather.Clean(key), Path: gather.Clean(r.Key), Property: property, Version: gather.Clean(r.Version),
			Store: gather.Clean(store.String()), Field: field,
		})
	}
	for i, from := range es.Spec.DataFrom {
		switch {
		case from.Extract != nil:
			add("*", es.DataFromStore(i), *from.Extract, fmt.Sprintf("spec.dataFrom[%d].extract", i))
		case from.Find != nil:
			add("*", es.DataFromStore(i), eso.RemoteRef{Key: from.Find.Path + "*"}, fmt.Sprintf("spec.dataFrom[%d].find", i))
		}
	}
	for i, d := range es.Spec.Data {
		add(d.SecretKey, es.DataStore(i), d.RemoteRef, fmt.Sprintf("spec.data[%d]", i))
	}
	if t := es.Spec.Target.Template; t != nil {
		for _, key := range slices.Sorted(maps.Keys(t.Data)) {
			m.Entries = append(m.Entries, MappingEntry{Key: gather.Clean(key), Path: "(template)", Field: "spec.target.template.data[" + gather.Clean(key) + "]"})
		}
	}
	return m
}

func newMappingGetCommand(o *Options) *cobra.Command {
	l := newLooking(o)
	c := &cobra.Command{
		Use:               "get NAME",
		Short:             "One mapping: its Secret, policies and state, its keys and their paths",
		Example:           "  kubectl vaultsecret mapping get -n apps api-db\n  kubectl vaultsecret mapping get -n apps api-db -o yaml",
		Args:              exactly(1),
		ValidArgsFunction: o.completeOneMapping,
		RunE:              func(c *cobra.Command, args []string) error { return l.get(c.Context(), args[0]) },
	}
	c.Flags().StringVarP(&l.output, "output", "o", "", "wide, json, yaml, name, jsonpath=…, go-template=…")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"wide", "json", "yaml", "name"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (l *looking) get(ctx context.Context, name string) error {
	clients, err := l.clients()
	if err != nil {
		return err
	}
	es, err := l.mapping(ctx, clients, name)
	if err != nil {
		return err
	}
	if l.people() {
		m := mappingOf(es)
		ready := "not looked at by any controller yet"
		if c := es.Status.Ready(); c != nil {
			ready = gather.Clean(fmt.Sprintf("%s, %s: %s", c.Status, c.Reason, c.Message))
		}
		owner := keeper(&es.ObjectMeta)
		if owner == "" {
			owner = pluginManager
		}
		fmt.Fprintf(l.Out, "Mapping:   %s/%s\nSecret:    %s (creationPolicy %s, deletionPolicy %s)\nRefresh:   %s\nReady:     %s\nKept by:   %s\n\n",
			m.Namespace, m.Name, m.Secret, m.Creation, m.Deletion, m.Refresh, ready, owner)
	}
	return l.printMappings([]*eso.ExternalSecret{es})
}
