package plugin

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
)

// TreeList is what tree prints with -o json and yaml; docs/output.md documents it.
type TreeList struct {
	metav1.TypeMeta `json:",inline"`
	Items           []TreeNode `json:"items"`
}

// TreeNode is one object of a tree; the items of a TreeList are ExternalSecrets.
type TreeNode struct {
	// Kind is Kubernetes' own, or VaultPath.
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Status is ok, warn, fail or unknown; absent where there is nothing to judge.
	Status   diagnose.Status `json:"status,omitempty"`
	Message  string          `json:"message,omitempty"`
	Children []TreeNode      `json:"children,omitempty"`
}

// DeepCopyObject makes the list printable by cli-runtime; printers only read.
func (l *TreeList) DeepCopyObject() runtime.Object {
	c := *l
	return &c
}

func newTreeCommand(o *Options) *cobra.Command {
	l := newLooking(o)
	c := &cobra.Command{
		Use:   "tree (NAME… | -l SELECTOR | --all) [-A]",
		Short: "What an ExternalSecret hangs on, and what hangs on it",
		Long: "Prints each ExternalSecret with its stores, their credentials and the paths in Vault on one side, and its Secret\n" +
			"with the workloads that use it on the other. Only Kubernetes is asked: nothing logs in to Vault.\n\n" +
			"Exit codes: 0 the tree is whole, 1 it could not be looked at, 2 something in it is missing or not Ready.",
		Example: "  kubectl vaultsecret tree -n apps authelia-secrets\n" +
			"  kubectl vaultsecret tree --all -A --store ClusterSecretStore/vault\n" +
			"  kubectl vaultsecret tree -n apps api-db -o json",
		RunE: func(c *cobra.Command, args []string) error { return l.tree(c.Context(), args) },
	}
	l.flags(c)
	return c
}

func (l *looking) tree(ctx context.Context, args []string) error {
	clients, f, err := l.choose(ctx, args, false)
	if err != nil {
		return err
	}
	g := l.gatherer(clients, true)
	list, bad := &TreeList{TypeMeta: listMeta("TreeList"), Items: []TreeNode{}}, false
	gather.Each(16, f.mappings, func(es *eso.ExternalSecret) TreeNode { return treeNode(g.Tree(ctx, es)) }, func(i int, n TreeNode) {
		bad = bad || n.fails()
		if !l.people() {
			list.Items = append(list.Items, n)
			return
		}
		if i > 0 {
			fmt.Fprintln(l.Out)
		}
		treePrinter{out: l.text(l.Out), mark: l.marker(l.Out), namespace: n.Namespace}.print(n)
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	if !l.people() {
		if err := l.write(list, f.mappings); err != nil {
			return err
		}
	}
	switch {
	case len(f.missing) > 0:
		return exit(ExitFailed)
	case bad:
		return exit(ExitBad)
	}
	return nil
}

// fails reports whether anything in the tree is missing or not Ready.
func (n TreeNode) fails() bool {
	return n.Status == diagnose.StatusFail || slices.ContainsFunc(n.Children, TreeNode.fails)
}

func treeNode(n gather.Node) TreeNode {
	node := TreeNode{Kind: n.Kind, Namespace: n.Namespace, Name: n.Name, Status: n.Status, Message: n.Message}
	for _, child := range n.Children {
		node.Children = append(node.Children, treeNode(child))
	}
	return node
}

// treePrinter draws a tree. Names are without their namespace where that is the
// mapping's own.
type treePrinter struct {
	out       io.Writer
	mark      func(diagnose.Status) string
	namespace string
}

// print draws a mapping: one line an object, the messages in a column of their own.
func (p treePrinter) print(root TreeNode) {
	var lines []treeLine
	p.walk(root, root.Kind+" "+root.Namespace+"/"+root.Name, "", &lines)
	width := 0
	for _, l := range lines {
		width = max(width, len([]rune(l.text)))
	}
	for _, l := range lines {
		line := pad(l.text, width) + "   " + strings.TrimSpace(p.markOf(l.node.Status)+" "+l.node.Message)
		fmt.Fprintln(p.out, strings.TrimRight(line, " "))
	}
}

type treeLine struct {
	text string
	node TreeNode
}

func (p treePrinter) walk(n TreeNode, text, indent string, lines *[]treeLine) {
	*lines = append(*lines, treeLine{text, n})
	for i, child := range n.Children {
		branch, below := "├── ", "│   "
		if i == len(n.Children)-1 {
			branch, below = "└── ", "    "
		}
		p.walk(child, indent+branch+p.label(child), indent+below, lines)
	}
}

func (p treePrinter) label(n TreeNode) string {
	switch {
	case n.Kind == gather.KindVaultPath:
		return "Vault " + n.Name
	case n.Namespace == "" || n.Namespace == p.namespace:
		return n.Kind + " " + n.Name
	}
	return n.Kind + " " + n.Namespace + "/" + n.Name
}

func (p treePrinter) markOf(s diagnose.Status) string {
	if s == "" {
		return ""
	}
	return p.mark(s)
}
