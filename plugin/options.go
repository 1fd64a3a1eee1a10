package plugin

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/version"
)

// Options are what every command shares: streams, kubectl's own flags, and the rules
// of printing and prompting.
type Options struct {
	genericiooptions.IOStreams
	Flags *genericclioptions.ConfigFlags

	// NonInteractive rules out prompts.
	NonInteractive bool
	// Color is auto, always or never.
	Color string
	// VaultAddr takes the place of a store's server, if not empty.
	VaultAddr string
	// PortForward is auto, never or always.
	PortForward string

	// redirected makes the warning about VaultAddr be given once.
	redirected *sync.Once
	// Verbosity is client-go's log level; bodies are never logged.
	Verbosity int

	// patience is how long the API server may be silent, where --request-timeout
	// does not say how long an answer may take.
	patience       time.Duration
	requestTimeout *pflag.Flag
}

// longestSilence is how long the API server may be silent before a read of it is given
// up. kubectl waits for ever.
const longestSilence = 30 * time.Second

// mostVerbose is the highest log level at which client-go shows requests and headers (the
// Authorization masked); above it would show bodies, and with them Secrets.
const mostVerbose = 7

func newOptions(streams genericiooptions.IOStreams) *Options {
	o := &Options{IOStreams: streams, Flags: genericclioptions.NewConfigFlags(true), redirected: new(sync.Once), patience: longestSilence}
	o.Flags.WrapConfigFn = o.configure
	o.Flags.WithWarningPrinter(streams)
	return o
}

// configure names the plugin to the API server, and does not wait for it for ever.
func (o *Options) configure(c *rest.Config) *rest.Config {
	c.UserAgent = version.UserAgent("kubectl-vaultsecret")
	if o.requestTimeout == nil || !o.requestTimeout.Changed {
		kube.LimitPatience(c, o.patience)
	}
	return c
}

func (o *Options) addFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	o.Flags.AddFlags(flags)
	o.requestTimeout = flags.Lookup("request-timeout")
	o.requestTimeout.Usage += fmt.Sprintf(" Where it is not given, a read from which nothing comes for %s is given up.", longestSilence)
	flags.BoolVar(&o.NonInteractive, "non-interactive", false, "never ask; fail where an answer would be needed")
	flags.StringVar(&o.Color, "color", "auto", "colour: auto, always or never; auto honours a terminal, TERM=dumb and NO_COLOR")
	flags.StringVar(&o.VaultAddr, "vault-addr", "", "address of Vault; VAULT_ADDR, else the store's server, when empty")
	flags.StringVar(&o.PortForward, "port-forward", kube.ForwardAuto, "reach an in-cluster Vault through its Pod: auto (when its name does not resolve here), never or always")
	flags.IntVarP(&o.Verbosity, "v", "v", 0, "log the requests to Kubernetes: 6 their URLs, 7 their headers too; bodies, and with them Secrets, are never logged")
	for name, values := range map[string][]string{"color": {"auto", "always", "never"}, "port-forward": {"auto", "never", "always"}} {
		_ = root.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	_ = root.RegisterFlagCompletionFunc("namespace", o.completeNamespaces)
	_ = root.RegisterFlagCompletionFunc("context", o.completeContexts)
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return o.validate() }
}

func (o *Options) validate() error {
	for _, f := range []struct {
		name, value string
		want        []string
	}{
		{"color", o.Color, []string{"auto", "always", "never"}},
		{"port-forward", o.PortForward, []string{kube.ForwardAuto, kube.ForwardNever, kube.ForwardAlways}},
	} {
		if !slices.Contains(f.want, f.value) {
			return usage("--%s=%s: want one of %s", f.name, f.value, strings.Join(f.want, ", "))
		}
	}
	if o.VaultAddr == "" {
		o.VaultAddr = os.Getenv("VAULT_ADDR")
	}
	return o.logRequests()
}

// logRequests has client-go log to our stderr.
func (o *Options) logRequests() error {
	var flags flag.FlagSet
	klog.InitFlags(&flags)
	klog.SetOutput(o.ErrOut)
	for name, value := range map[string]string{
		"v": strconv.Itoa(min(o.Verbosity, mostVerbose)), "logtostderr": "false", "stderrthreshold": "FATAL", "one_output": "true",
	} {
		if err := flags.Set(name, value); err != nil {
			return usage("--v=%d: %v", o.Verbosity, err)
		}
	}
	return nil
}

// clients connects to the cluster of the kubeconfig.
func (o *Options) clients() (*kube.Clients, error) {
	config, err := o.Flags.ToRESTConfig()
	if err != nil {
		return nil, fail(fmt.Errorf("reading the kubeconfig: %w", err), "set KUBECONFIG or --kubeconfig, and choose a --context")
	}
	return kube.NewClients(config)
}

// namespace is the one of -n or of the context; explicit says that -n was given.
func (o *Options) namespace() (namespace string, explicit bool, err error) {
	return o.Flags.ToRawKubeConfigLoader().Namespace()
}

// tunnel reaches in-cluster addresses by port-forward where needed.
func (o *Options) tunnel(clients *kube.Clients) *kube.Tunnel {
	return &kube.Tunnel{Clients: clients, Mode: o.PortForward}
}

// terminal reports whether a stream is a terminal.
func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// interactive reports whether a question may be asked: a person reads and answers.
func (o *Options) interactive() bool {
	return !o.NonInteractive && terminal(o.In) && terminal(o.ErrOut)
}

// marks are the signs before a line; without a UTF-8 locale they are words.
type marks struct{ OK, Warn, Fail, Skip string }

func (o *Options) marks() marks {
	if utf8Locale() {
		return marks{"✔", "⚠", "✗", "–"}
	}
	return marks{"[ok]", "[warn]", "[fail]", "[skip]"}
}

func utf8Locale() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := os.Getenv(name); value != "" {
			value = strings.ToLower(value)
			return strings.Contains(value, "utf-8") || strings.Contains(value, "utf8")
		}
	}
	return false
}

// colored reports whether the stream gets colours.
func (o *Options) colored(stream any) bool {
	switch o.Color {
	case "always":
		return true
	case "never":
		return false
	}
	return terminal(stream) && os.Getenv("TERM") != "dumb" && os.Getenv("NO_COLOR") == ""
}
