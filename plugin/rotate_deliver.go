package plugin

import (
	"bytes"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// VaultChange is what rotate and rollback print with -o json and yaml; docs/output.md
// tells its fields. Values are in none of it.
type VaultChange struct {
	metav1.TypeMeta `json:",inline"`
	Namespace       string   `json:"namespace"`
	Name            string   `json:"name"`
	Store           string   `json:"store"`
	Path            string   `json:"path"`
	Key             string   `json:"key,omitempty"`
	Property        string   `json:"property,omitempty"`
	From            int      `json:"from"`
	To              int      `json:"to"`
	Restores        int      `json:"restores,omitempty"`
	Pinned          string   `json:"pinned,omitempty"`
	DryRun          bool     `json:"dryRun"`
	Written         bool     `json:"written"`
	Changes         []string `json:"changes"`
	Synced          bool     `json:"synced"`
	Message         string   `json:"message,omitempty"`
	Restarted       []string `json:"restarted,omitempty"`
}

// DeepCopyObject makes it a runtime.Object for cli-runtime's printers.
func (v *VaultChange) DeepCopyObject() runtime.Object {
	out := *v
	out.Changes, out.Restarted = append([]string{}, v.Changes...), append([]string(nil), v.Restarted...)
	return &out
}

// deliver has the mapping synced until its Secret holds what is expected, restarts what
// uses it if that was asked for, and prints what came of it.
func (c *changing) deliver(ctx context.Context, expect map[string]redact.Bytes) error {
	s := &syncing{Options: c.Options, wait: c.wait, timeout: c.timeout, local: c.local, restart: c.restart, clients: c.clients}
	name, code := c.name(), ExitOK
	r, arrived := c.arrive(ctx, s, expect)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintf(c.ErrOut, "interrupted: %s\n", c.left())
		return ctx.Err()
	case r.timeout, r.answer == synced && !arrived:
		code, c.result.Message = ExitTimeout, "not in the Secret within "+c.timeout.String()
		if r.message != "" {
			c.result.Message += ": " + r.message
		}
	case r.answer == failed:
		code, c.result.Message = ExitBad, clipLine(r.message)
	default:
		c.result.Synced = !r.unwaited
	}
	if c.output == "" {
		s.say(c.es, r)
		if r.answer == synced && !arrived {
			fmt.Fprintf(c.Out, "%s %s: %s\n", c.marks().Fail, name, c.result.Message)
		}
	}
	if code != ExitOK {
		fmt.Fprintf(c.ErrOut, "state: %s\n", c.left())
	}
	if c.restart && code == ExitOK && !c.roll(ctx, r) {
		code = ExitBad
	}
	if err := c.printResult(); err != nil {
		return err
	}
	if code != ExitOK {
		return exit(code)
	}
	return nil
}

// arrive syncs, again and again where the controller still read the former version,
// until the Secret holds what is expected. A Secret that may not be seen, and one that
// is not made (creationPolicy None), is taken on the controller's word.
func (c *changing) arrive(ctx context.Context, s *syncing, expect map[string]redact.Bytes) (syncResult, bool) {
	deadline := time.Now().Add(c.timeout)
	for {
		es, err := c.clients.ExternalSecrets(c.es.Namespace).Get(ctx, c.es.Name, metav1.GetOptions{})
		if err != nil {
			return syncResult{answer: failed, message: gather.Clean(fmt.Sprintf("reading the ExternalSecret: %s", err))}, false
		}
		r := c.syncOnce(ctx, s, es)
		if r.answer != synced || r.secret == nil || holds(r.secret, expect) {
			return r, r.answer == synced
		}
		if time.Now().After(deadline) {
			return r, false
		}
		select {
		case <-ctx.Done():
			return r, false
		case <-time.After(time.Second):
		}
	}
}

// syncOnce looks with fresh eyes: a gatherer reads each path once in its life.
func (c *changing) syncOnce(ctx context.Context, s *syncing, es *eso.ExternalSecret) syncResult {
	s.gather = c.gatherer(c.clients, false)
	defer s.gather.Close(context.WithoutCancel(ctx))
	return s.one(ctx, es)
}

// holds reports whether the Secret has all the expected keys with their values.
func holds(secret *corev1.Secret, expect map[string]redact.Bytes) bool {
	for key, value := range expect {
		if !bytes.Equal(secret.Data[key], value.Reveal()) {
			return false
		}
	}
	return true
}

// roll restarts what uses the Secret.
func (c *changing) roll(ctx context.Context, r syncResult) bool {
	done, err := restartConsumers(ctx, c.gather, []settled{{es: c.es, secret: r.secret, changed: r.changes != nil && r.changes.any()}})
	for _, one := range done {
		if one.err == nil {
			c.result.Restarted = append(c.result.Restarted, one.workload.String())
		}
	}
	if c.output != "" {
		quiet := *c.Options
		quiet.Out = c.ErrOut
		return quiet.sayRestarts(done, err, false)
	}
	return c.sayRestarts(done, err, false)
}

// left is the state that a failure after the write leaves, and what completes it.
func (c *changing) left() string {
	restart := ""
	if c.restart {
		restart = " --restart"
	}
	state := c.state
	if state == "" {
		state = fmt.Sprintf("Vault holds version %d of %s, the Secret does not yet show it", c.result.To, gather.Clean(c.result.Path))
	}
	return fmt.Sprintf("%s; this completes it: kubectl vaultsecret sync-now -n %s %s%s", state, c.es.Namespace, c.es.Name, restart)
}

func (c *changing) printResult() error {
	if c.output == "" {
		if c.dryRun != "none" {
			fmt.Fprintf(c.Out, "%s/%s unchanged (dry run)\n", c.es.Namespace, c.es.Name)
		}
		return nil
	}
	return printObject(c.print, c.output, &c.result, c.Out)
}

// checkOutput refuses an unknown --output before anything is done.
func checkOutput(flags *genericclioptions.PrintFlags, output string) error {
	if output == "" {
		return nil
	}
	flags.OutputFormat = &output
	if _, err := flags.ToPrinter(); err != nil {
		return usage("--output=%s: %s", output, err)
	}
	return nil
}
