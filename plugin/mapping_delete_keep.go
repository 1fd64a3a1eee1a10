package plugin

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// complete lets the Secrets go that an ExternalSecret left which is gone: those of a run
// with --keep-secret that broke off. absent is the error that there is none of the name,
// and stays the answer where nothing is left.
func (m *mappingDelete) complete(ctx context.Context, name string, absent error) error {
	namespace, _, err := m.namespace()
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	if _, err := m.clients.ExternalSecrets(namespace).Get(ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		return absent
	}
	secrets, err := m.leftBy(ctx, namespace, name)
	if err != nil {
		return fail(fmt.Errorf("%w; whether it left a Secret that still bears its label is not known: %w", absent, err), "")
	}
	if len(secrets) == 0 {
		return absent
	}
	for _, secret := range secrets {
		fmt.Fprintf(m.ErrOut, "ExternalSecret %s/%s is gone; Secret %s/%s, which it left, stays and still bears its label.\n", namespace, name, namespace, secret.Name)
	}
	if m.dryRun == "none" && !m.yes {
		if err := m.confirm(ctx, "Take the label away?"); err != nil {
			return err
		}
	}
	for _, secret := range secrets {
		if m.dryRun == "client" {
			break
		}
		if err := m.letGo(ctx, secret, name); err != nil {
			return err
		}
	}
	return m.done(&eso.ExternalSecret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}, "deleted")
}

// leftBy lists, by metadata alone, the Secrets that bear the label of an ExternalSecret
// which is gone, and belong to nobody else. Anybody may set a label: all that is done to
// them is that it is taken away.
func (m *mappingDelete) leftBy(ctx context.Context, namespace, name string) ([]metav1.ObjectMeta, error) {
	list, err := m.clients.Metadata.Resource(corev1.SchemeGroupVersion.WithResource("secrets")).Namespace(namespace).List(ctx, metav1.ListOptions{
		LabelSelector: eso.LabelCreatedBy + "=" + eso.CreatedBy(namespace, name),
	})
	if err != nil {
		return nil, err
	}
	var left []metav1.ObjectMeta
	for _, secret := range list.Items {
		if slices.ContainsFunc(secret.OwnerReferences, func(o metav1.OwnerReference) bool { return !ownedAs(o, name) }) {
			continue
		}
		left = append(left, secret.ObjectMeta)
	}
	return left, nil
}

// ownedAs reports whether an owner is an ExternalSecret of the name.
func ownedAs(o metav1.OwnerReference, name string) bool {
	return o.Kind == eso.KindExternalSecret && o.Name == name
}

// letGo removes what names the mapping, which is gone, from the Secret that stays.
func (m *mappingDelete) letGo(ctx context.Context, secret metav1.ObjectMeta, mapping string) error {
	name := secret.Namespace + "/" + secret.Name
	if m.dryRun == "none" {
		if _, err := m.clients.ExternalSecrets(secret.Namespace).Get(ctx, mapping, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return cmp.Or(err, fmt.Errorf("somebody made ExternalSecret %s/%s anew meanwhile, so Secret %s is left to it", secret.Namespace, mapping, name))
		}
	}
	now, err := m.clients.Secrets(secret.Namespace).Get(ctx, secret.Name, metav1.GetOptions{})
	switch {
	case err != nil:
		return fmt.Errorf("the ExternalSecret is gone, and Secret %s could not be looked at: %w", name, err)
	case now.UID != secret.UID:
		return fmt.Errorf("the ExternalSecret is gone, and Secret %s was made anew by somebody else meanwhile", name)
	case slices.ContainsFunc(now.OwnerReferences, func(o metav1.OwnerReference) bool { return o.Kind == eso.KindExternalSecret && o.Name != mapping }):
		return fmt.Errorf("the ExternalSecret is gone, and Secret %s is another ExternalSecret's by now", name)
	}
	metadata := map[string]any{
		"uid": now.UID, "resourceVersion": now.ResourceVersion,
		"labels":      map[string]any{eso.LabelManaged: nil, eso.LabelCreatedBy: nil},
		"annotations": map[string]any{eso.AnnotationDataHash: nil, eso.AnnotationSource: nil},
	}
	gone := func(o metav1.OwnerReference) bool { return ownedAs(o, mapping) }
	if slices.ContainsFunc(now.OwnerReferences, gone) { // or the garbage collector would take it after its owner
		metadata["ownerReferences"] = slices.DeleteFunc(slices.Clone(now.OwnerReferences), gone)
	}
	patch, err := json.Marshal(map[string]any{"metadata": metadata})
	if err != nil {
		return err
	}
	options := metav1.PatchOptions{FieldManager: pluginManager}
	if m.dryRun == "server" {
		options.DryRun = []string{metav1.DryRunAll}
	}
	if _, err := m.clients.Secrets(secret.Namespace).Patch(ctx, secret.Name, types.MergePatchType, patch, options); err != nil {
		return fail(fmt.Errorf("the ExternalSecret is gone and Secret %s stays, with its labels: %w", name, err),
			fmt.Sprintf("run the same command again, or remove them: kubectl -n %s label secret %s %s- %s-", secret.Namespace, secret.Name, eso.LabelManaged, eso.LabelCreatedBy))
	}
	if m.dryRun == "none" {
		fmt.Fprintf(m.ErrOut, "Secret %s stays; no mapping keeps it up to date any more.\n", name)
	}
	return nil
}
