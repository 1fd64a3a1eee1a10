package plugin

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
)

// DiffList is what diff prints with -o json and yaml; docs/output.md documents it.
type DiffList struct {
	metav1.TypeMeta `json:",inline"`
	Items           []MappingDiff `json:"items"`
}

// MappingDiff is how one Secret differs from what Vault holds: names, no values.
type MappingDiff struct {
	Namespace string       `json:"namespace"`
	Name      string       `json:"name"`
	Secret    SecretStatus `json:"secret"`
	// Action is what a sync would do: Create, Update, Delete, None, Conflict,
	// Blocked, or Unknown.
	Action    string        `json:"action"`
	Added     []string      `json:"added"`
	Changed   []string      `json:"changed"`
	Removed   []string      `json:"removed"`
	Unchanged []string      `json:"unchanged"`
	Metadata  []string      `json:"metadata"`
	Sources   []PathVersion `json:"sources"`
	// Error is why the Secret cannot be written, or why nothing is known.
	Error string `json:"error,omitempty"`
}

// PathVersion is one path in Vault and the version that was read; none for KV v1.
type PathVersion struct {
	Path    string `json:"path"`
	Version int    `json:"version,omitempty"`
}

// DeepCopyObject makes the list printable by cli-runtime; printers only read.
func (l *DiffList) DeepCopyObject() runtime.Object {
	c := *l
	return &c
}

// differs is diff's exit code for a difference; trouble is ExitBad there, as diff(1)
// has it.
const differs = 1

func newDiffCommand(o *Options) *cobra.Command {
	l := newLooking(o)
	c := &cobra.Command{
		Use:   "diff (NAME… | -l SELECTOR | --all) [-A]",
		Short: "How the Secret differs from what Vault holds, by key",
		Long: "Computes the Secret anew from Vault, by the engine that the controller runs and with the store's own credential,\n" +
			"and compares it with the one in the cluster. Nothing is written. Values are masked: *** stands for one, in lines\n" +
			"that say which keys a sync would add, change or remove.\n\n" +
			"Exit codes: 0 the same, 1 different, 2 trouble: a mapping is missing, its Secret cannot be written, or nothing is known.",
		Example: "  kubectl vaultsecret diff -n apps authelia-secrets\n" +
			"  kubectl vaultsecret diff --all -A && echo everything is in sync",
		Annotations: map[string]string{troubleCode: "2"},
		RunE:        func(c *cobra.Command, args []string) error { return l.diff(c.Context(), args) },
	}
	l.flags(c)
	return c
}

func (l *looking) diff(ctx context.Context, args []string) error {
	clients, f, err := l.choose(ctx, args, false)
	if err != nil {
		return err
	}
	g := l.gatherer(clients, false)
	defer g.Close(context.WithoutCancel(ctx))
	list := &DiffList{TypeMeta: listMeta("DiffList"), Items: []MappingDiff{}}
	worst, same, unknown := 0, 0, 0
	if len(f.missing) > 0 {
		worst = ExitBad
	}
	gather.Each(16, f.mappings, func(es *eso.ExternalSecret) gather.Difference { return g.Diff(ctx, es) }, func(i int, d gather.Difference) {
		item := mappingDiff(f.mappings[i], d)
		if d.Action == "" {
			unknown++
		}
		switch {
		case item.Error != "":
			worst = ExitBad
		case d.Differs():
			worst = max(worst, differs)
		default:
			same++
		}
		if l.people() {
			l.printDiff(item)
			return
		}
		list.Items = append(list.Items, item)
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	switch {
	case !l.people():
		if err := l.write(list, f.mappings); err != nil {
			return err
		}
	case len(f.mappings) > 0:
		footer := fmt.Sprintf("%s: %d as Vault has it", count(len(f.mappings), "mapping"), same)
		if unknown > 0 {
			footer += fmt.Sprintf(", %d unknown", unknown)
		}
		fmt.Fprintln(l.ErrOut, footer+".")
	}
	if worst == 0 {
		return nil
	}
	return exit(worst)
}

func mappingDiff(es *eso.ExternalSecret, d gather.Difference) MappingDiff {
	m := MappingDiff{
		Namespace: es.Namespace, Name: es.Name, Secret: SecretStatus{Name: es.TargetName()}, Action: string(d.Action),
		Added: notNil(d.Added), Changed: notNil(d.Changed), Removed: notNil(d.Removed), Unchanged: notNil(d.Same),
		Metadata: notNil(d.Metadata), Sources: []PathVersion{}, Error: d.Refused,
	}
	if d.Action == "" {
		m.Action, m.Error = "Unknown", "there is nothing to compare with: "+d.Unknown
		m.Secret.Error = d.Unknown
	} else {
		m.Secret.Exists = &d.Exists
	}
	for _, s := range d.Sources {
		m.Sources = append(m.Sources, PathVersion{s.Path, s.Version})
	}
	return m
}

// printDiff prints a mapping as diff -u would, with every value masked. One that is
// the same prints nothing.
func (l *looking) printDiff(d MappingDiff) {
	name := d.Namespace + "/" + d.Name
	if d.Error != "" {
		fmt.Fprintf(l.ErrOut, "error: %s: %s\nhint: kubectl vaultsecret diagnose -n %s %s\n", name, d.Error, d.Namespace, d.Name)
		return
	}
	if d.Action == "None" {
		return
	}
	old, new := "Secret "+d.Namespace+"/"+d.Secret.Name, "as Vault has it"
	if !*d.Secret.Exists {
		old = "no Secret " + d.Namespace + "/" + d.Secret.Name
	}
	var sources []SourceVersion
	for _, s := range d.Sources {
		sources = append(sources, SourceVersion{Path: s.Path, Version: s.Version})
	}
	if len(sources) > 0 {
		new += ": " + kvColumn(sources)
	}
	l.diffLine("", "--- "+old)
	l.diffLine("", "+++ "+new)
	l.diffLine("", "@@ "+d.Action+", for ExternalSecret "+name+" @@")
	for _, key := range d.Removed {
		l.diffLine(red, "- "+key+": ***")
	}
	for _, key := range d.Changed {
		l.diffLine(red, "- "+key+": *** (before)")
		l.diffLine(green, "+ "+key+": *** (after)")
	}
	for _, key := range d.Added {
		l.diffLine(green, "+ "+key+": ***")
	}
	for _, key := range d.Unchanged {
		l.diffLine("", "  "+key+": ***")
	}
	if len(d.Metadata) > 0 {
		l.diffLine("", "~ metadata: "+strings.Join(d.Metadata, ", "))
	}
}

// Colours of a diff's lines.
const (
	red   = "\x1b[31m"
	green = "\x1b[32m"
)

func (l *looking) diffLine(color, line string) {
	if color != "" && l.colored(l.Out) {
		line = color + line + "\x1b[0m"
	}
	fmt.Fprintln(l.text(l.Out), line)
}
