package plugin

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// looking is what the commands share that look at mappings one by one: which ones,
// and in which form the answer is printed.
type looking struct {
	*Options
	selection
	print  *genericclioptions.PrintFlags
	output string
}

func newLooking(o *Options) looking {
	return looking{Options: o, print: genericclioptions.NewPrintFlags("")}
}

// flags adds the flags of selection and output.
func (l *looking) flags(c *cobra.Command) {
	l.selectFlags(l.Options, c)
	c.Flags().StringVarP(&l.output, "output", "o", "", "wide, json, yaml, name, jsonpath=…, go-template=…")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"wide", "json", "yaml", "name"}, cobra.ShellCompDirectiveNoFileComp))
}

// people reports whether the answer is text for people.
func (l *looking) people() bool { return l.output == "" || l.output == "wide" }

// choose finds the mappings that the command line means, and says what is not there.
// Where nothing is selected mayBeEmpty, a sentence says so and the list is empty.
func (l *looking) choose(ctx context.Context, args []string, mayBeEmpty bool) (*kube.Clients, found, error) {
	if err := l.complete(args, mayBeEmpty); err != nil {
		return nil, found{}, err
	}
	clients, err := l.clients()
	if err != nil {
		return nil, found{}, err
	}
	f, err := l.find(ctx, l.Options, clients)
	if err != nil {
		return nil, found{}, err
	}
	f.sayMissing(l.ErrOut)
	if len(f.mappings) == 0 && len(f.missing) == 0 && l.people() {
		fmt.Fprintln(l.ErrOut, f.nothing())
	}
	return clients, f, nil
}

// sayMissing names what was named and is not there.
func (f found) sayMissing(w io.Writer) {
	for _, name := range f.missing {
		fmt.Fprintf(w, "error: there is no ExternalSecret %s in namespace %s\n", gather.Clean(name), f.namespace)
	}
}

// write prints a list for machines.
func (l *looking) write(list runtime.Object, mappings []*eso.ExternalSecret) error {
	if l.output != "name" {
		return printObject(l.print, l.output, list, l.Out)
	}
	for _, es := range mappings {
		fmt.Fprintf(l.Out, "externalsecret.%s/%s\n", eso.Group, es.Name)
	}
	return nil
}

// listMeta is the head of a printed list.
func listMeta(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: "vaultsecret.io/v1", Kind: kind}
}

// joined is a list of names for a line, "-" for none.
func joined(names []string) string { return orDash(strings.Join(names, ", ")) }

// notNil makes an empty list print as [] and not as null.
func notNil(names []string) []string { return append([]string{}, names...) }
