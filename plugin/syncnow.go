package plugin

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// syncing is one run of sync-now.
type syncing struct {
	*Options
	selection
	wait    bool
	timeout time.Duration
	local   bool
	restart bool
	print   *genericclioptions.PrintFlags
	output  string

	clients *kube.Clients
	gather  *gather.Gatherer
}

func newSyncNowCommand(o *Options) *cobra.Command {
	s := &syncing{Options: o, print: genericclioptions.NewPrintFlags("")}
	c := &cobra.Command{
		Use:   "sync-now (NAME… | -l SELECTOR | --all [-A])",
		Short: "Have ExternalSecrets synced now, and wait for the answer",
		Long: "Asks whichever controller serves the ExternalSecret, ours or External Secrets Operator, by the annotation force-sync,\n" +
			"and waits until it has answered. What a controller would silently ignore is refused with the reason. --local runs\n" +
			"the sync here, with your own rights and the store's own credential, and needs no controller.\n\n" +
			"Exit codes: 0 all synced, 1 it could not be asked, 2 one failed, 124 nobody answered in time.",
		Example: "  kubectl vaultsecret sync-now -n apps authelia-secrets\n" +
			"  kubectl vaultsecret sync-now --all -A --store ClusterSecretStore/vault\n  kubectl vaultsecret sync-now -n apps api-db --restart",
		RunE: func(c *cobra.Command, args []string) error { return s.run(c.Context(), args) },
	}
	s.selectFlags(o, c)
	f := c.Flags()
	f.BoolVar(&s.wait, "wait", true, "wait for the controller's answer")
	f.DurationVar(&s.timeout, "timeout", 2*time.Minute, "how long to wait for one answer")
	f.BoolVar(&s.local, "local", false, "run the sync here; no controller is needed")
	f.StringVarP(&s.output, "output", "o", "", "json, yaml, jsonpath=…, go-template=…")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	f.BoolVar(&s.restart, "restart", false, "restart the workloads that use the Secret, once for each content, if it changed or they missed a change")
	return c
}

// syncResult is what came of one mapping.
type syncResult struct {
	answer  answer
	message string
	changes *keyChanges // nil when the Secret could not be seen
	took    time.Duration
	// timeout: nobody answered.
	timeout bool
	// asked only: --wait=false.
	unwaited bool
	secret   *corev1.Secret // as it is after the sync, nil when it could not be seen
	notes    []string
}

func (s *syncing) run(ctx context.Context, args []string) error {
	if err := s.complete(args, false); err != nil {
		return err
	}
	if !s.wait && (s.local || s.restart) {
		return usage("--wait=false goes neither with --local nor with --restart")
	}
	if err := checkOutput(s.print, s.output); err != nil {
		return err
	}
	clients, err := s.Options.clients()
	if err != nil {
		return err
	}
	s.clients, s.gather = clients, s.gatherer(clients, !s.local)
	defer s.gather.Close(context.WithoutCancel(ctx))
	f, err := s.find(ctx, s.Options, clients)
	if err != nil {
		return err
	}
	if len(f.mappings) == 0 && len(f.missing) == 0 {
		fmt.Fprintln(s.ErrOut, f.nothing())
		return nil
	}
	return s.all(ctx, f)
}

// all syncs what was found, many at a time, and answers with the worst exit code.
func (s *syncing) all(ctx context.Context, f found) error {
	worst := ExitOK
	if len(f.missing) > 0 {
		worst = ExitFailed
		f.sayMissing(s.ErrOut)
	}
	var done []settled
	list := &SyncResultList{TypeMeta: listMeta("SyncResultList"), Items: []SyncResult{}}
	gather.Each(16, f.mappings, func(es *eso.ExternalSecret) syncResult { return s.one(ctx, es) }, func(i int, r syncResult) {
		if list.Items = append(list.Items, syncResultOf(f.mappings[i], r)); s.output == "" {
			s.say(f.mappings[i], r)
		}
		if r.answer == synced {
			done = append(done, settled{es: f.mappings[i], secret: r.secret, changed: r.changes != nil && r.changes.any()})
		}
		switch {
		case r.timeout:
			worst = ExitTimeout
		case r.answer == failed && worst != ExitTimeout:
			worst = ExitBad
		}
	})
	if ctx.Err() != nil {
		fmt.Fprintln(s.ErrOut, "interrupted: what was asked for stays asked for, in the annotation "+eso.AnnotationForceSync+"; no Secret was left half written")
		return ctx.Err()
	}
	if s.restart && !s.roll(ctx, done, list) && worst == ExitOK {
		worst = ExitBad
	}
	if s.output != "" {
		if err := printObject(s.print, s.output, list, s.Out); err != nil {
			return err
		}
	}
	if worst == ExitOK {
		return nil
	}
	return exit(worst)
}

// roll restarts what uses the Secrets, and reports whether all went well.
func (s *syncing) roll(ctx context.Context, done []settled, list *SyncResultList) bool {
	restarts, err := restartConsumers(ctx, s.gather, done)
	for _, r := range restarts {
		if r.err == nil {
			list.Restarted = append(list.Restarted, r.namespace+"/"+r.workload.String())
		}
	}
	told := *s.Options
	if s.output != "" {
		told.Out = s.ErrOut
	}
	return told.sayRestarts(restarts, err, s.allNamespaces)
}

// one syncs one mapping and compares its Secret before and after.
func (s *syncing) one(ctx context.Context, es *eso.ExternalSecret) syncResult {
	start := time.Now()
	before, seen := s.secret(ctx, es)
	var r syncResult
	if s.local {
		r = s.here(ctx, es)
	} else {
		r = s.ask(ctx, es)
	}
	r.took = time.Since(start)
	if r.answer != synced {
		return r
	}
	after, seenAfter := s.secret(ctx, es)
	if !seen || !seenAfter {
		r.notes = append(r.notes, "you may not see the Secret, so its changes are not told and nothing is restarted for it")
		return r
	}
	changes := compareKeys(before, after)
	r.changes = &changes
	r.secret = after
	return r
}

// say prints one result as soon as it is there.
func (s *syncing) say(es *eso.ExternalSecret, r syncResult) {
	mark, out := s.marker(s.Out), s.text(s.Out)
	name := es.Namespace + "/" + es.Name
	switch {
	case r.timeout:
		fmt.Fprintf(out, "%s %s: no answer within %s: %s\n", mark(diagnose.StatusFail), name, s.timeout, r.message)
	case r.unwaited:
		fmt.Fprintf(out, "%s %s asked for\n", mark(diagnose.StatusOK), name)
	case r.answer == synced && r.changes != nil:
		fmt.Fprintf(out, "%s %s synced in %s; %s\n", mark(diagnose.StatusOK), name, took(r.took), r.changes)
	case r.answer == synced:
		fmt.Fprintf(out, "%s %s synced in %s\n", mark(diagnose.StatusOK), name, took(r.took))
	case r.answer == failed:
		fmt.Fprintf(out, "%s %s failed after %s: %s\n", mark(diagnose.StatusFail), name, took(r.took), clipLine(r.message))
		fmt.Fprintf(s.ErrOut, "hint: kubectl vaultsecret diagnose -n %s %s\n", es.Namespace, es.Name)
	}
	for _, note := range r.notes {
		fmt.Fprintf(s.ErrOut, "note: %s: %s\n", name, note)
	}
}

func clipLine(text string) string {
	if r := []rune(text); len(r) > 400 {
		return string(r[:399]) + "…"
	}
	return text
}
