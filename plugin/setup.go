package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"vaultsecret.io/kubectl-vaultsecret/internal/bootstrap"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// replacedTokenGrace is how long a replaced token serves on: a controller takes up the
// new one when it sees the Secret change.
const replacedTokenGrace = 5 * time.Second

type setupOptions struct {
	*Options
	token vaultToken
	trust serverTrust
	print *genericclioptions.PrintFlags
	want  bootstrap.Setup

	store, server, caCert       string
	secretNamespace, secretName string
	account, kubernetesCA       string
	audit                       string
	dryRun, output              string
	export, remove, yes         bool
	given                       func(flag string) bool
	clients                     *kube.Clients
	ground                      bootstrap.Ground
	planOut                     planPrinter
	failedParts, done           map[bootstrap.Part]string
	notices                     []string
}

func newSetupCommand(o *Options) *cobra.Command {
	s := &setupOptions{Options: o, print: genericclioptions.NewPrintFlags("")}
	c := &cobra.Command{
		Use:   "setup",
		Short: "Give a store a login of its own with no more rights than its mappings need",
		Long: "Plan what a SecretStore or ClusterSecretStore needs in Vault, show the plan, and carry it out once you agree: a KV\n" +
			"v2 mount, an audit device, a policy for exactly the paths that the store's ExternalSecrets read, a login (AppRole\n" +
			"unless --auth says otherwise), its credential in a Secret, and the store itself. A store that uses a root token is\n" +
			"changed in place, by one write, after the new login was seen to read what the old one did. What is there already is\n" +
			"kept; a second run has nothing to do. What somebody else made is never taken over.\n\n" +
			"A store that Flux or Argo CD keeps is not written to: its new manifest goes to standard output, for Git.\n\n" +
			"Your own Vault token is taken from --vault-token-file, VAULT_TOKEN, ~/.vault-token, or a hidden prompt. What it\n" +
			"lacks is said before anything is written.\n\n" +
			"Exit codes: 0 done, or nothing to do; 1 it could not be done; 2 all is done but the store, which has to be changed\n" +
			"in Git.",
		Example: "  # AppRole for the only store, or a new ClusterSecretStore/vault\n  kubectl vaultsecret setup\n\n" +
			"  # See the plan alone\n  kubectl vaultsecret setup --store ClusterSecretStore/vault --dry-run=client\n\n" +
			"  # Before there is any ExternalSecret: allow what will be read\n  kubectl vaultsecret setup --path authelia --path 'apps/*'\n\n" +
			"  # Log in as a ServiceAccount, with no stored credential\n  kubectl vaultsecret setup --auth kubernetes\n\n" +
			"  # A new secret_id; the old one ends\n  kubectl vaultsecret setup --rotate-secret-id --yes\n\n" +
			"  # The store's manifest for Git; Vault and the credential's Secret are set up here\n  kubectl vaultsecret setup --export --yes > store.yaml\n\n" +
			"  # Take away what setup made; the KV mount and what is in it stay\n  kubectl vaultsecret setup --remove",
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			s.given = c.Flags().Changed
			return s.run(c.Context())
		},
	}
	s.addFlags(c)
	s.completions(c)
	return c
}

func (s *setupOptions) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.store, "store", "", "the store: NAME, SecretStore/NAME or ClusterSecretStore/NAME; the only one there is, else a new ClusterSecretStore/vault, when empty")
	f.StringVar(&s.want.Method, "auth", "", "how the store logs in: approle, kubernetes or token; as an earlier setup made it, else approle, when empty")
	f.StringVar(&s.want.Mount, "mount", "", "KV mount; that of the store, else secret, when empty")
	f.StringArrayVar(&s.want.Paths, "path", nil, "allow this path below the mount too (app/db, or app/* for all below); may be given more than once; kept by later runs, --path '' drops them all")
	f.StringVar(&s.want.Policy, "policy-name", "", "name of the policy; vaultsecret-STORE when empty")
	f.StringVar(&s.want.Role, "role", "", "name of the role; that of the policy when empty")
	f.StringVar(&s.want.AuthPath, "auth-path", "", "where the auth method is enabled; approle or kubernetes when empty")
	f.StringVar(&s.server, "server", "", "address of Vault for a new store; that of Vault's Service in namespace vault when empty")
	f.StringVar(&s.caCert, "ca-cert", "", "PEM file with the CA of Vault's certificate, also for a new store; VAULT_CACERT when empty")
	f.StringVar(&s.secretNamespace, "secret-namespace", "", "namespace of a ClusterSecretStore's Secret or ServiceAccount; where the old credential is, else external-secrets or vaultsecret-system, when empty")
	f.StringVar(&s.secretName, "secret-name", "", "Secret for the credential; vaultsecret-STORE, with -token behind it for --auth token, when empty")
	f.StringVar(&s.account, "service-account", "", "ServiceAccount that logs in with --auth kubernetes, made when missing; vaultsecret-STORE when empty")
	f.StringVar(&s.want.KubernetesHost, "kubernetes-host", "", "with --auth kubernetes, for a Vault outside this cluster: the Kubernetes API as Vault reaches it")
	f.StringVar(&s.kubernetesCA, "kubernetes-ca", "", "PEM file with the CA of --kubernetes-host; that of your kubeconfig when empty")
	f.StringVar(&s.audit, "audit-file", "stdout", "what a new audit device writes to when there is none: stdout, a path on Vault's servers, or none")
	f.DurationVar(&s.want.Tokens.TTL, "token-ttl", time.Hour, "how long a login lives until it is renewed")
	f.DurationVar(&s.want.Tokens.MaxTTL, "token-max-ttl", 4*time.Hour, "how long a login lives however often it is renewed; 0 is Vault's own limit")
	f.DurationVar(&s.want.SecretIDTTL, "secret-id-ttl", 0, "how long a secret_id lives; a run in its last third replaces it; 0 lives until it is replaced")
	f.DurationVar(&s.want.Period, "token-period", 32*24*time.Hour, "with --auth token: how long the token lives; a run in its last two thirds renews it")
	f.StringSliceVar(&s.want.Tokens.BoundCIDRs, "token-bound-cidrs", nil, "networks from which logins are taken, and their tokens")
	f.StringSliceVar(&s.want.SecretIDCIDRs, "secret-id-bound-cidrs", nil, "networks from which the secret_id is taken")
	f.BoolVar(&s.want.Metadata, "with-metadata", false, "let the store read the metadata of its paths too, which history takes; kept by later runs, --with-metadata=false takes it away")
	f.BoolVar(&s.want.Rotate, "rotate-secret-id", false, "replace the secret_id (or the token): the new one is tried, then the old one ends")
	f.BoolVar(&s.remove, "remove", false, "take away what setup made for the store; with --audit-file=none its audit device too")
	f.BoolVar(&s.want.AssumeUnused, "assume-unused", false, "with --remove: go on where you may not list all stores, one of which could log in with what goes")
	f.BoolVar(&s.export, "export", false, "print the store as YAML for Git instead of writing it; Vault and the credential's Secret are set up, for Git cannot hold them")
	f.StringVar(&s.dryRun, "dry-run", "none", "none, client (show the plan) or server (let the API server judge its objects, too); Vault is only read")
	f.StringVarP(&s.output, "output", "o", "", "json, yaml, jsonpath=…, go-template=…")
	f.BoolVarP(&s.yes, "yes", "y", false, "carry the plan out without asking")
	s.token.addFlags(c)
	s.trust.addFlags(c, s.Options)
}

func (s *setupOptions) completions(c *cobra.Command) {
	for name, values := range map[string][]string{
		"auth": bootstrap.Methods(), "dry-run": {"none", "client", "server"}, "output": {"json", "yaml"}, "audit-file": {"stdout", bootstrap.NoAudit},
	} {
		_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	_ = c.RegisterFlagCompletionFunc("store", s.completeStores)
	_ = c.RegisterFlagCompletionFunc("secret-namespace", s.completeNamespaces)
	for _, name := range []string{"mount", "path", "policy-name", "role", "auth-path", "server", "secret-name", "service-account", "kubernetes-host"} {
		_ = c.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	_ = c.MarkFlagFilename("ca-cert")
	_ = c.MarkFlagFilename("kubernetes-ca")
	c.MarkFlagsMutuallyExclusive("remove", "export")
	c.MarkFlagsMutuallyExclusive("remove", "rotate-secret-id")
	c.MarkFlagsMutuallyExclusive("export", "output")
}

func (s *setupOptions) run(ctx context.Context) error {
	if !slices.Contains([]string{"none", "client", "server"}, s.dryRun) {
		return usage("--dry-run=%s: want none, client or server", s.dryRun)
	}
	if err := s.trust.validate(); err != nil {
		return err
	}
	if err := s.prepare(ctx); err != nil {
		return s.explain(err)
	}
	defer s.ground.Vault.Close()
	plan, facts, err := s.plan(ctx)
	if err != nil {
		return s.explain(err)
	}
	s.planOut.show(plan)
	if plan.Empty() {
		return s.finish(ctx, plan, facts, false)
	}
	needs := bootstrap.WritingNeeds(plan)
	if s.remove {
		needs = bootstrap.RemovalNeeds(plan)
	}
	if err := s.ground.Allowed(ctx, needs); err != nil {
		return s.explain(err)
	}
	if s.dryRun == "none" && !s.yes {
		if err := s.confirm(ctx, "Carry this out?"); err != nil {
			return err
		}
	}
	return s.finish(ctx, plan, facts, s.dryRun != "client")
}

func (s *setupOptions) plan(ctx context.Context) (bootstrap.Plan, bootstrap.Facts, error) {
	if s.remove {
		facts, err := s.ground.RemovalFacts(ctx, s.want)
		if err != nil {
			return bootstrap.Plan{}, facts, err
		}
		plan, err := bootstrap.PlanRemove(s.want, facts)
		return plan, facts, err
	}
	facts, err := s.ground.Facts(ctx, s.want)
	if err != nil {
		return bootstrap.Plan{}, facts, err
	}
	plan, err := bootstrap.PlanSetup(s.want, facts)
	return plan, facts, err
}

// explain adds the next step to the errors that have one.
func (s *setupOptions) explain(err error) error {
	var conflict *bootstrap.ConflictError
	var rights *bootstrap.RightsError
	switch {
	case errors.As(err, &conflict):
		return fail(err, conflict.Fix)
	case errors.As(err, &rights):
		return fail(err, "nothing was changed; use a token whose policies allow this, as docs/security.md lists it, or the root token right after init")
	case errors.Is(err, kube.ErrChanged):
		return fail(err, "somebody else is at work on it: look at it, then run the same command again")
	}
	switch kv.KindOf(err) {
	case kv.Unreachable:
		return fail(err, "say how Vault is reached from here with --vault-addr or --port-forward")
	case kv.BadCredential:
		return fail(err, "log in with vault login, or give another token with --vault-token-file")
	}
	return err
}

// finish carries the plan out, if it is to be, and prints what there is to print.
func (s *setupOptions) finish(ctx context.Context, plan bootstrap.Plan, facts bootstrap.Facts, apply bool) error {
	want := bootstrap.WantedStore(plan.Setup, facts)
	s.done, s.failedParts = map[bootstrap.Part]string{}, map[bootstrap.Part]string{}
	s.notices = slices.Clone(plan.Notices)
	if apply && !plan.Empty() {
		how := bootstrap.Carry{ServerDryRun: s.dryRun == "server", LeaveStore: s.export, Say: s.say, Notice: s.notice}
		var err error
		if s.remove {
			err = s.ground.Remove(ctx, plan, facts, how)
		} else {
			want, err = s.ground.Apply(ctx, plan, facts, how)
		}
		if err != nil {
			return s.stopped(err)
		}
	}
	if s.output != "" {
		if err := printObject(s.print, s.output, s.document(plan, apply), s.Out); err != nil {
			return err
		}
	}
	s.close(plan, apply)
	return s.manifest(plan, want)
}

func (s *setupOptions) say(step bootstrap.Step, trouble error) {
	if trouble != nil {
		s.failedParts[step.Part] = gather.Clean(trouble.Error())
		fmt.Fprintf(s.ErrOut, "%s %s: %s\n", s.marks().Warn, gather.Clean(step.Target), gather.Clean(trouble.Error()))
		fmt.Fprintln(s.ErrOut, "  Setup goes on without it. Name a path that Vault's servers can write to, or stdout, with --audit-file.")
		return
	}
	s.done[step.Part] = step.Target
	suffix := ""
	if s.dryRun == "server" {
		suffix = " (server dry run)"
	}
	fmt.Fprintf(s.ErrOut, "%s %s %s%s\n", s.marks().OK, done(step.Action), gather.Clean(step.Target), suffix)
}

func (s *setupOptions) notice(text string) {
	s.notices = append(s.notices, text)
	fmt.Fprintf(s.ErrOut, "%s %s\n", s.marks().Warn, gather.Clean(text))
}

// close says where things stand and what comes next.
func (s *setupOptions) close(plan bootstrap.Plan, applied bool) {
	switch name := plan.Setup.StoreName(); {
	case plan.Empty():
		fmt.Fprintln(s.ErrOut, "Nothing to do.")
	case !applied, s.dryRun == "server":
		fmt.Fprintln(s.ErrOut, "Dry run: nothing was written.")
	case s.remove && len(plan.Notices) > 0:
		fmt.Fprintf(s.ErrOut, "What setup made for %s is gone, but for what the notes name.\n", name)
	case s.remove:
		fmt.Fprintf(s.ErrOut, "What setup made for %s is gone.\n", name)
	case s.export || s.handsOver(plan):
	default:
		fmt.Fprintf(s.ErrOut, "%s is ready. Next: kubectl vaultsecret status -A --store %s\n", name, plan.Setup.Kind+"/"+plan.Setup.Store.Name)
	}
}

func (s *setupOptions) handsOver(plan bootstrap.Plan) bool {
	step, ok := plan.Step(bootstrap.PartStore)
	return ok && step.Action == bootstrap.HandOver
}
