// Package plugin is the face: one file a verb, with its flags, prompts, printing and
// exit codes.
//
// Rules: data goes to stdout, everything else to stderr; values of secrets are never
// printed; what came from a cluster or from Vault is made printable before it reaches
// a terminal; a prompt appears only on a terminal.
package plugin

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"vaultsecret.io/kubectl-vaultsecret/internal/version"
)

// Program is what the user types.
const Program = "kubectl vaultsecret"

// Run runs one command line (without the program's name) and returns its exit code.
func Run(ctx context.Context, args []string, streams genericiooptions.IOStreams) int {
	root := newRoot(newOptions(streams))
	root.SetArgs(args)
	ran, err := root.ExecuteContextC(ctx)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return ExitFailed // the caller knows the signal
	}
	code := finish(err, commandName(ran), streams.ErrOut)
	if trouble, ok := troubleOf(ran); ok && code == ExitFailed && err.Error() != "" {
		return trouble
	}
	return code
}

// troubleCode is the annotation of a command whose exit code for "could not do it"
// is another than 1, because 1 has a meaning of its own there.
const troubleCode = "exit-code-of-trouble"

func troubleOf(c *cobra.Command) (int, bool) {
	if c == nil {
		return 0, false
	}
	code, err := strconv.Atoi(c.Annotations[troubleCode])
	return code, err == nil
}

// Complete answers kubectl, which calls kubectl_complete-vaultsecret with the words
// of the command line.
func Complete(ctx context.Context, args []string, streams genericiooptions.IOStreams) int {
	return Run(ctx, append([]string{cobra.ShellCompRequestCmd}, args...), streams)
}

// Command is the whole command tree, to be read: hack/docs writes docs/reference.md
// from it.
func Command() *cobra.Command {
	return newRoot(newOptions(genericiooptions.IOStreams{In: strings.NewReader(""), Out: io.Discard, ErrOut: io.Discard}))
}

func newRoot(o *Options) *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-vaultsecret",
		Short: "Vault secrets in Kubernetes, explained",
		Long: "Find out why an ExternalSecret fails, have it synced now, and take Vault from sealed to serving.\n" +
			"Works on clusters that External Secrets Operator runs, and on those that vaultsecret-controller runs.",
		Example: "  # What is where, failing ones first\n  kubectl vaultsecret status -A\n\n" +
			"  # Why it fails, and what to type\n  kubectl vaultsecret diagnose -n apps authelia-secrets\n\n" +
			"  # After a restart of Vault\n  kubectl vaultsecret unseal",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: Program},
		SilenceErrors: true, SilenceUsage: true,
		Version: version.Version,
	}
	root.SetIn(o.In)
	root.SetOut(o.Out)
	root.SetErr(o.ErrOut)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetHelpCommand(&cobra.Command{Use: "no-help", Hidden: true})
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddGroup(
		&cobra.Group{ID: "look", Title: "Look:"}, &cobra.Group{ID: "act", Title: "Act:"},
		&cobra.Group{ID: "setup", Title: "Set up:"}, &cobra.Group{ID: "map", Title: "Map:"}, &cobra.Group{ID: "report", Title: "Report:"}, &cobra.Group{ID: "other", Title: "Other:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("look", newStatusCommand(o), newDiagnoseCommand(o), newDiffCommand(o), newHistoryCommand(o), newTreeCommand(o), newEventsCommand(o))
	add("act", newSyncNowCommand(o), newUnsealCommand(o))
	add("act", newRotateCommand(o), newRollbackCommand(o))
	add("setup", newInitCommand(o), newSetupCommand(o))
	add("map", newMappingCommand(o))
	add("report", newAuditCommand(o))
	add("other", newVersionCommand(o), newCompletionCommand(o))
	o.addFlags(root)
	return root
}

// commandName is "kubectl vaultsecret X".
func commandName(c *cobra.Command) string {
	if c == nil {
		return Program
	}
	return strings.Replace(c.CommandPath(), "kubectl-vaultsecret", Program, 1)
}
