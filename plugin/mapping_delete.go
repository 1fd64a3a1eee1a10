package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// mappingDelete is one run of mapping delete.
type mappingDelete struct {
	mapWriting
	keep    bool
	yes     bool
	timeout time.Duration
}

func newMappingDeleteCommand(o *Options) *cobra.Command {
	m := &mappingDelete{mapWriting: newMapWriting(o)}
	c := &cobra.Command{
		Use:   "delete NAME",
		Short: "Remove an ExternalSecret, and say what becomes of its Secret",
		Long: "Under creationPolicy Owner the Secret goes with the ExternalSecret; otherwise it stays as it is. With --keep-secret it\n" +
			"stays in any case: the API server's garbage collector takes the ownership away before the ExternalSecret goes, and the\n" +
			"labels by which a later mapping of the same name would take it for its own are removed. If it breaks off, run it again:\n" +
			"it finds the Secret that the ExternalSecret left, and completes. Vault is not touched.",
		Example: "  kubectl vaultsecret mapping delete -n apps api-db\n\n" +
			"  # Give up the mapping, not the Secret\n  kubectl vaultsecret mapping delete -n apps api-db --keep-secret --yes",
		Args:              exactly(1),
		ValidArgsFunction: o.completeOneMapping,
		RunE:              func(c *cobra.Command, args []string) error { return m.run(c.Context(), args[0]) },
	}
	c.Flags().BoolVar(&m.keep, "keep-secret", false, "keep the Secret, whatever the creationPolicy")
	c.Flags().BoolVarP(&m.yes, "yes", "y", false, "do not ask")
	c.Flags().DurationVar(&m.timeout, "timeout", time.Minute, "how long to wait until it is gone")
	m.addFlags(c)
	return c
}

func (m *mappingDelete) run(ctx context.Context, name string) error {
	if err := m.validate(); err != nil {
		return err
	}
	if err := m.connect(); err != nil {
		return err
	}
	defer m.close(ctx)
	es, err := m.mapping(ctx, m.clients, name)
	if err != nil && m.keep {
		return m.complete(ctx, name, err)
	}
	if err != nil {
		return err
	}
	if owner := kube.GitOwner(&es.ObjectMeta); owner != "" {
		return fail(fmt.Errorf("ExternalSecret %s/%s is kept by %s, which would make it anew; nothing was removed", es.Namespace, es.Name, owner), "remove it in Git")
	}
	secret, err := m.clients.Secrets(es.Namespace).Get(ctx, es.TargetName(), metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fail(fmt.Errorf("whether Secret %s/%s goes with it is not known: %w; nothing was removed", es.Namespace, es.TargetName(), err), "")
	}
	if err != nil {
		secret = nil
	}
	goes := secret != nil && owns(es, secret)
	fmt.Fprintln(m.ErrOut, m.fate(ctx, es, secret, goes))
	if m.dryRun == "client" {
		return m.done(es, "deleted")
	}
	if m.dryRun == "none" && !m.yes {
		if err := m.confirm(ctx, fmt.Sprintf("Delete ExternalSecret %s/%s?", es.Namespace, es.Name)); err != nil {
			return err
		}
	}
	return m.remove(ctx, es, secret)
}

// owns reports whether the garbage collector removes the Secret with the mapping.
func owns(es *eso.ExternalSecret, secret *corev1.Secret) bool {
	for _, owner := range secret.OwnerReferences {
		if owner.UID == es.UID {
			return true
		}
	}
	return false
}

// fate says what becomes of the Secret, and who uses it.
func (m *mappingDelete) fate(ctx context.Context, es *eso.ExternalSecret, secret *corev1.Secret, goes bool) string {
	name := fmt.Sprintf("Secret %s/%s", es.Namespace, es.TargetName())
	switch {
	case secret == nil:
		return name + " does not exist."
	case goes && m.keep:
		return name + " stays (--keep-secret), as it is and nobody's."
	case !goes:
		return fmt.Sprintf("%s stays as it is: under creationPolicy %s it is not the mapping's own.", name, es.CreationPolicy())
	}
	used := "nothing that runs uses it"
	consumers, err := m.gather.Consumers(ctx, es.Namespace, es.TargetName())
	if err != nil {
		used = "who uses it is not known: " + gather.Clean(err.Error())
	}
	var names []string
	for _, w := range consumers {
		names = append(names, w.Kind+"/"+w.Name)
	}
	if len(names) > 0 {
		used = "used by " + firstOf(names, 6)
	}
	return fmt.Sprintf("%s GOES WITH IT: it belongs to the mapping (creationPolicy Owner); %s. --keep-secret keeps it.", name, used)
}

// remove deletes the ExternalSecret as it was looked at. With --keep-secret the garbage
// collector first takes the owner reference from the Secret; a controller does not put
// it back, for it leaves an object alone that is being deleted.
func (m *mappingDelete) remove(ctx context.Context, es *eso.ExternalSecret, secret *corev1.Secret) error {
	policy := metav1.DeletePropagationBackground
	if m.keep {
		policy = metav1.DeletePropagationOrphan
		if es.DeletionPolicy() == eso.DeleteDelete && m.dryRun == "none" {
			if err := m.retain(ctx, es); err != nil {
				return err
			}
		}
	}
	options := metav1.DeleteOptions{PropagationPolicy: &policy, Preconditions: &metav1.Preconditions{UID: &es.UID}}
	if m.dryRun == "server" {
		options.DryRun = []string{metav1.DryRunAll}
	}
	err := m.clients.ExternalSecrets(es.Namespace).Delete(ctx, es.Name, options)
	switch {
	case apierrors.IsConflict(err):
		return fail(fmt.Errorf("deleting ExternalSecret %s/%s: another of that name was made meanwhile; nothing was removed", es.Namespace, es.Name), "run it again")
	case err != nil && !apierrors.IsNotFound(err):
		return fmt.Errorf("deleting ExternalSecret %s/%s: %w", es.Namespace, es.Name, err)
	case m.dryRun == "server":
		return m.done(es, "deleted")
	}
	if err := m.awaitGone(ctx, es); err != nil {
		return err
	}
	if m.keep && secret != nil {
		if err := m.letGo(ctx, secret.ObjectMeta, es.Name); err != nil {
			return err
		}
	}
	return m.done(es, "deleted")
}

// retain makes sure that no controller deletes the Secret on its way out: ESO's finalizer
// does so under deletionPolicy Delete.
func (m *mappingDelete) retain(ctx context.Context, es *eso.ExternalSecret) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": es.UID, "resourceVersion": es.ResourceVersion},
		"spec":     map[string]any{"target": map[string]any{"deletionPolicy": eso.DeleteRetain}},
	})
	if err != nil {
		return err
	}
	_, err = m.clients.ExternalSecrets(es.Namespace).Patch(ctx, es.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: pluginManager})
	switch {
	case apierrors.IsConflict(err):
		return fail(fmt.Errorf("ExternalSecret %s/%s was changed meanwhile; nothing was removed", es.Namespace, es.Name), "run it again")
	case err != nil:
		return fmt.Errorf("setting deletionPolicy Retain on ExternalSecret %s/%s, so that its Secret stays: %w; nothing was removed", es.Namespace, es.Name, err)
	}
	return nil
}

func (m *mappingDelete) awaitGone(ctx context.Context, es *eso.ExternalSecret) error {
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	for {
		now, err := m.clients.ExternalSecrets(es.Namespace).Get(ctx, es.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) || err == nil && now.UID != es.UID {
			return nil
		}
		select {
		case <-ctx.Done():
			state := "it is marked for deletion and goes once its finalizers are done"
			if now != nil && len(now.Finalizers) > 0 {
				state += ": " + gather.Clean(firstOf(now.Finalizers, 4))
			}
			return &exitError{code: ExitTimeout, err: fmt.Errorf("ExternalSecret %s/%s is not gone within %s; %s", es.Namespace, es.Name, m.timeout, state)}
		case <-time.After(100 * time.Millisecond):
		}
	}
}
