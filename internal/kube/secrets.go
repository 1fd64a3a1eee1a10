package kube

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/plan"
)

// Secrets reads and writes target Secrets. It implements engine.Secrets.
type Secrets struct {
	Clients *Clients
	// Watches may be nil: then no version is known without a read.
	Watches *Watches
}

// Version is the resourceVersion that the watch last saw. Nothing is known before the
// watch has seen all.
func (s Secrets) Version(namespace, name string) (resourceVersion string, known bool) {
	if s.Watches == nil || !s.Watches.secrets.HasSynced() {
		return "", false
	}
	version, _ := s.Watches.SecretVersion(namespace, name)
	return version, true
}

// Current reads a Secret, nil when it does not exist.
func (s Secrets) Current(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	secret, err := s.Clients.Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, told("reading Secret "+namespace+"/"+name, err, nil)
	}
	return secret, nil
}

// Apply carries a Change out: Create by POST, Update by PUT with the resourceVersion
// that was planned against, Delete with UID and resourceVersion as preconditions.
func (s Secrets) Apply(ctx context.Context, change plan.Change, fieldManager string) (*corev1.Secret, error) {
	var stored *corev1.Secret
	var err error
	act, target := "creating", change.Secret
	switch change.Action {
	case plan.Create:
		stored, err = s.Clients.Secrets(target.Namespace).Create(ctx, target, metav1.CreateOptions{FieldManager: fieldManager})
	case plan.Update:
		act = "updating"
		stored, err = s.Clients.Secrets(target.Namespace).Update(ctx, target, metav1.UpdateOptions{FieldManager: fieldManager})
	case plan.Delete:
		act, target = "deleting", change.Current
		err = s.Clients.Secrets(target.Namespace).Delete(ctx, target.Name, metav1.DeleteOptions{
			Preconditions: &metav1.Preconditions{UID: &target.UID, ResourceVersion: &target.ResourceVersion},
		})
	default:
		return change.Current, nil
	}
	switch {
	case err == nil:
		return stored, nil
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), apierrors.IsNotFound(err) && change.Action != plan.Create:
		return nil, fmt.Errorf("%s Secret %s/%s: %w", act, target.Namespace, target.Name, plan.ErrStale)
	}
	return nil, told(fmt.Sprintf("%s Secret %s/%s", act, target.Namespace, target.Name), err, target)
}
