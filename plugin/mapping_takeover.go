package plugin

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// mappingFor makes the ExternalSecret that gives exactly this Secret, and the data that
// Vault is to hold for it.
func (m *mappingImport) mappingFor(secret *corev1.Secret, ref eso.StoreRef) (*eso.ExternalSecret, map[string]any) {
	es := &eso.ExternalSecret{ObjectMeta: metav1.ObjectMeta{Namespace: secret.Namespace, Name: m.name}}
	if es.Name == "" {
		es.Name = secret.Name
	}
	es.Spec = eso.ExternalSecretSpec{
		SecretStoreRef: &ref, RefreshInterval: eso.DurationText(m.refresh),
		Target: eso.Target{Name: secret.Name, CreationPolicy: eso.CreationPolicy(m.policy), DeletionPolicy: eso.DeleteRetain},
	}
	data := map[string]any{}
	var binary []string
	for _, key := range slices.Sorted(maps.Keys(secret.Data)) {
		entry := eso.Data{SecretKey: key, RemoteRef: eso.RemoteRef{Key: m.path, Property: key}}
		value := secret.Data[key]
		if utf8.Valid(value) {
			data[key] = string(value)
		} else {
			data[key] = base64.StdEncoding.EncodeToString(value)
			entry.RemoteRef.DecodingStrategy = eso.DecodeBase64
			binary = append(binary, key)
		}
		es.Spec.Data = append(es.Spec.Data, entry)
	}
	if len(binary) > 0 {
		fmt.Fprintf(m.ErrOut, "note: no text, so stored as base64 and decoded by decodingStrategy Base64: %s\n", strings.Join(binary, ", "))
	}
	es.Spec.Target.Template = m.keepLooks(secret)
	return es, data
}

// keepLooks is a template that keeps the Secret's type, labels and annotations, should it
// ever have to be made anew; nil where it has none. kubectl's own annotation holds the
// values, and is never taken along.
func (m *mappingImport) keepLooks(secret *corev1.Secret) *eso.Template {
	t := &eso.Template{}
	if secret.Type != corev1.SecretTypeOpaque {
		t.Type = string(secret.Type)
	}
	keep := func(all map[string]string) map[string]string {
		kept := map[string]string{}
		for name, value := range all {
			ours := strings.HasPrefix(name, "reconcile.external-secrets.io/") || strings.HasPrefix(name, "vaultsecret.io/")
			if name == eso.AnnotationLastApplied || ours || gitOps(name) || strings.Contains(value, "{{") {
				continue
			}
			kept[name] = value
		}
		if len(kept) == 0 {
			return nil
		}
		return kept
	}
	t.Metadata.Labels, t.Metadata.Annotations = keep(secret.Labels), keep(secret.Annotations)
	if _, has := secret.Annotations[eso.AnnotationLastApplied]; has {
		fmt.Fprintf(m.ErrOut, "note: kubectl's annotation %s on the Secret holds its values; it is not taken along\n", eso.AnnotationLastApplied)
	}
	if t.Type == "" && t.Metadata.Labels == nil && t.Metadata.Annotations == nil {
		return nil
	}
	return t
}

func gitOps(name string) bool {
	return strings.Contains(name, "fluxcd.io/") || strings.HasPrefix(name, "argocd.argoproj.io/")
}

// takeOver compares what the store reads with the Secret as it is now, and only then lets
// the mapping have it.
func (m *mappingImport) takeOver(ctx context.Context, es *eso.ExternalSecret, secret *corev1.Secret) error {
	again := "run it again: what is in Vault already stays"
	want, err := m.want(ctx, es)
	if err != nil {
		return fail(fmt.Errorf("taking the Secret over: Vault holds the data and the ExternalSecret is not made yet: %w", err), again)
	}
	now, err := m.clients.Secrets(secret.Namespace).Get(ctx, secret.Name, metav1.GetOptions{})
	if err != nil {
		return fail(fmt.Errorf("taking the Secret over: Vault holds the data and the ExternalSecret is not made yet: reading the Secret: %w", err), again)
	}
	if differ := sameData(now, want.Data); len(differ) > 0 {
		return fail(fmt.Errorf("what the store reads is not what Secret %s/%s holds (%s); the ExternalSecret is not made", secret.Namespace, secret.Name, firstOf(differ, 8)),
			"the Secret changed meanwhile: run it again with --overwrite")
	}
	if m.export {
		return m.printManifest(kube.MappingManifest(es))
	}
	before, err := m.clients.ExternalSecrets(es.Namespace).Get(ctx, es.Name, metav1.GetOptions{})
	exists := err == nil
	applied, _, err := m.clients.ApplyMapping(ctx, es.Namespace, es.Name, kube.MappingManifest(es), kube.MappingApply{
		Manager: pluginManager, TakeFrom: func(manager string) bool { return manager == pinManager },
	})
	var conflict *kube.ConflictError
	if errors.As(err, &conflict) {
		return m.forGit(kube.MappingManifest(es), fmt.Errorf("taking the Secret over: Vault holds the data and the ExternalSecret is not made: %w", err))
	}
	if err != nil {
		return fail(fmt.Errorf("taking the Secret over: Vault holds the data and the ExternalSecret is not made yet: %w", err), again)
	}
	if err := m.done(applied.DeepCopy(), verbOf(exists, exists && before.ResourceVersion == applied.ResourceVersion)); err != nil {
		return err
	}
	return m.awaitFirst(ctx, applied)
}

// awaitFirst waits for the controller's first answer.
func (m *mappingImport) awaitFirst(ctx context.Context, es *eso.ExternalSecret) error {
	s := &syncing{Options: m.Options, wait: true, timeout: m.timeout, clients: m.clients, gather: m.gather}
	r := s.one(ctx, es)
	quiet := *m.Options
	quiet.Out = m.ErrOut
	s.Options = &quiet
	s.say(es, r)
	switch {
	case r.timeout:
		return exit(ExitTimeout)
	case r.answer == failed:
		return exit(ExitBad)
	}
	return nil
}

// completeSecrets completes names of Secrets; nothing else of them comes here.
func (o *Options) completeSecrets(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	namespace, _, err := o.namespace()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := completing(c)
	defer cancel()
	return o.listNames(ctx, corev1.SchemeGroupVersion.WithResource("secrets"), namespace, prefix), cobra.ShellCompDirectiveNoFileComp
}
