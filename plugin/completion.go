package plugin

import (
	"github.com/spf13/cobra"
)

func newCompletionCommand(o *Options) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a completion script",
		Long: "Print a completion script for a shell, for the name kubectl-vaultsecret.\n\n" +
			"For `kubectl vaultsecret <Tab>`, kubectl asks a program named kubectl_complete-vaultsecret on the PATH:\n" +
			"make it a link to this one. Names of ExternalSecrets, stores, namespaces and contexts complete.",
		Example: "  # kubectl's own completion\n  ln -s \"$(command -v kubectl-vaultsecret)\" ~/.local/bin/kubectl_complete-vaultsecret\n\n" +
			"  # bash, for the bare name\n  source <(kubectl-vaultsecret completion bash)",
		Args:      cobra.MatchAll(exactly(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE: func(c *cobra.Command, args []string) error {
			root := c.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(o.Out, true)
			case "zsh":
				return root.GenZshCompletion(o.Out)
			case "fish":
				return root.GenFishCompletion(o.Out, true)
			}
			return root.GenPowerShellCompletionWithDesc(o.Out)
		},
	}
}

// exactly wants n arguments and says so as a usage error.
func exactly(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(n)(c, args); err != nil {
			return &usageError{err}
		}
		return nil
	}
}
