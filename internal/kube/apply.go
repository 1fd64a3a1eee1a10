package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// Applier writes objects for a person: by server-side apply under its own field
// manager.
type Applier struct {
	Clients *Clients
	Manager string
	// DryRun lets the API server judge and writes nothing.
	DryRun bool
}

type patcher[T any] interface {
	Patch(ctx context.Context, name string, kind types.PatchType, data []byte, opts metav1.PatchOptions, subresources ...string) (T, error)
}

func (a Applier) options() metav1.PatchOptions {
	o := metav1.PatchOptions{FieldManager: a.Manager}
	if a.DryRun {
		o.DryRun = []string{metav1.DryRunAll}
	}
	return o
}

// apply takes over what other managers say of the same fields: the caller has made sure
// that the object is its own.
func apply[T any](ctx context.Context, a Applier, client patcher[T], name string, object any) error {
	body, err := json.Marshal(object)
	if err != nil {
		return errors.New("encoding the object")
	}
	options, force := a.options(), true
	options.Force = &force
	_, err = client.Patch(ctx, name, types.ApplyPatchType, body, options)
	return err
}

// Secret applies a Secret. Neither its values nor what admission says of them get into
// an error.
func (a Applier) Secret(ctx context.Context, s *corev1.Secret) error {
	s.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}
	if err := apply(ctx, a, a.Clients.Secrets(s.Namespace), s.Name, s); err != nil {
		return told("applying Secret "+s.Namespace+"/"+s.Name, err, s)
	}
	return nil
}

// ServiceAccount applies a ServiceAccount.
func (a Applier) ServiceAccount(ctx context.Context, s *corev1.ServiceAccount) error {
	s.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"}
	if err := apply(ctx, a, a.Clients.ServiceAccounts(s.Namespace), s.Name, s); err != nil {
		return told("applying ServiceAccount "+s.Namespace+"/"+s.Name, err, nil)
	}
	return nil
}

// bindings are ClusterRoleBindings, which are written and read here as the API has them:
// a typed client of their group would serve nothing else.
var bindings = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"}

// ClusterRoleBinding applies a ClusterRoleBinding of one ServiceAccount.
func (a Applier) ClusterRoleBinding(ctx context.Context, m metav1.ObjectMeta, role, namespace, account string) error {
	body, err := json.Marshal(map[string]any{
		"apiVersion": bindings.GroupVersion().String(), "kind": "ClusterRoleBinding",
		"metadata": map[string]any{"name": m.Name, "labels": m.Labels, "annotations": m.Annotations},
		"roleRef":  map[string]string{"apiGroup": bindings.Group, "kind": "ClusterRole", "name": role},
		"subjects": []map[string]string{{"kind": "ServiceAccount", "namespace": namespace, "name": account}},
	})
	if err != nil {
		return errors.New("encoding the object")
	}
	options, force := a.options(), true
	options.Force = &force
	request := a.Clients.core.Patch(types.ApplyPatchType).AbsPath("apis", bindings.Group, bindings.Version, bindings.Resource, m.Name)
	_, err = request.VersionedParams(&options, metav1.ParameterCodec).SetHeader("Accept", runtime.ContentTypeJSON).Body(body).DoRaw(ctx)
	if err != nil {
		return told("applying ClusterRoleBinding "+m.Name, err, nil)
	}
	return nil
}

// ClusterRoleBinding reads the metadata of a ClusterRoleBinding.
func (c *Clients) ClusterRoleBinding(ctx context.Context, name string) (*metav1.PartialObjectMetadata, error) {
	return c.Metadata.Resource(bindings).Get(ctx, name, metav1.GetOptions{})
}

// NewStore creates a store.
func (a Applier) NewStore(ctx context.Context, s eso.Store) error {
	var err error
	if s.Cluster() {
		err = apply(ctx, a, a.Clients.ClusterSecretStores(), s.Meta.Name, StoreManifest(s))
	} else {
		err = apply(ctx, a, a.Clients.SecretStores(s.Meta.Namespace), s.Meta.Name, StoreManifest(s))
	}
	if err != nil {
		return told("creating "+s.String(), err, nil)
	}
	return nil
}

// StoreLogin gives a store another login in one write, whoever wrote the old one. The
// store must be as it was looked at (UID and generation); otherwise it is ErrChanged.
// The fields of a login exclude each other and belong to different managers, so that a
// server-side apply would leave two.
func (a Applier) StoreLogin(ctx context.Context, s eso.Store, auth *eso.VaultAuth) error {
	patch, err := json.Marshal([]map[string]any{
		{"op": "test", "path": "/metadata/uid", "value": s.Meta.UID},
		{"op": "test", "path": "/metadata/generation", "value": s.Meta.Generation},
		{"op": "add", "path": "/spec/provider/vault/auth", "value": auth},
	})
	if err != nil {
		return errors.New("encoding the login")
	}
	if s.Cluster() {
		_, err = a.Clients.ClusterSecretStores().Patch(ctx, s.Meta.Name, types.JSONPatchType, patch, a.options())
	} else {
		_, err = a.Clients.SecretStores(s.Meta.Namespace).Patch(ctx, s.Meta.Name, types.JSONPatchType, patch, a.options())
	}
	switch {
	case err == nil:
		return nil
	case testFailed(err):
		return fmt.Errorf("changing the login of %s: %w", s, ErrChanged)
	}
	return told("changing the login of "+s.String(), err, nil)
}

// testFailed tells a JSON patch whose test did not hold from an object that is invalid:
// the API server answers 422 to both, with causes only to the latter.
func testFailed(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) {
		return false
	}
	details := status.Status().Details
	return details == nil || len(details.Causes) == 0
}

// Unannotate takes an annotation from a Secret.
func (a Applier) Unannotate(ctx context.Context, namespace, name, annotation string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{annotation: nil}}})
	if err != nil {
		return errors.New("encoding the annotation")
	}
	_, err = a.Clients.Secrets(namespace).Patch(ctx, name, types.MergePatchType, patch, a.options())
	if err != nil {
		return told("changing Secret "+namespace+"/"+name, err, nil)
	}
	return nil
}

// StoreManifest is a store as it stands in Git: no status, and of the metadata only
// what people write.
func StoreManifest(s eso.Store) map[string]any {
	metadata := map[string]any{"name": s.Meta.Name}
	if s.Meta.Namespace != "" {
		metadata["namespace"] = s.Meta.Namespace
	}
	if labels := notOf(s.Meta.Labels, "kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/", "argocd.argoproj.io/"); len(labels) > 0 {
		metadata["labels"] = labels
	}
	if annotations := notOf(s.Meta.Annotations, eso.AnnotationLastApplied, "argocd.argoproj.io/tracking-id", "kustomize.toolkit.fluxcd.io/checksum"); len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	return map[string]any{"apiVersion": eso.GroupVersion().String(), "kind": s.Kind, "metadata": metadata, "spec": s.Spec}
}

// Delete deletes a Secret, ServiceAccount, ClusterRoleBinding or store of the UID; one
// that is gone, or was made anew, is no error.
func (a Applier) Delete(ctx context.Context, kind, namespace, name string, uid types.UID) error {
	options := metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(uid)), DryRun: a.options().DryRun}
	var err error
	switch kind {
	case "Secret":
		err = a.Clients.Secrets(namespace).Delete(ctx, name, options)
	case "ServiceAccount":
		err = a.Clients.ServiceAccounts(namespace).Delete(ctx, name, options)
	case "ClusterRoleBinding":
		err = a.Clients.Metadata.Resource(bindings).Delete(ctx, name, options)
	case eso.KindSecretStore:
		err = a.Clients.SecretStores(namespace).Delete(ctx, name, options)
	case eso.KindClusterSecretStore:
		err = a.Clients.ClusterSecretStores().Delete(ctx, name, options)
	default:
		return fmt.Errorf("deleting a %s is not known here", kind)
	}
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return told("deleting "+kind+" "+name, err, nil)
}
