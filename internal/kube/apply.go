package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// Applier writes objects for a person, under its own field manager, on condition that
// each is as it was looked at: what was not there is created, and what somebody else made
// meanwhile stays theirs (ErrChanged).
type Applier struct {
	Clients *Clients
	Manager string
	// DryRun lets the API server judge and writes nothing.
	DryRun bool
}

func (a Applier) dryRun() []string {
	if a.DryRun {
		return []string{metav1.DryRunAll}
	}
	return nil
}

func (a Applier) options() metav1.PatchOptions {
	return metav1.PatchOptions{FieldManager: a.Manager, DryRun: a.dryRun()}
}

func (a Applier) creation() metav1.CreateOptions {
	return metav1.CreateOptions{FieldManager: a.Manager, DryRun: a.dryRun()}
}

// created names the act of a creation that failed.
func created(what string, err error, sent *corev1.Secret) error {
	switch {
	case err == nil:
		return nil
	case apierrors.IsAlreadyExists(err):
		return fmt.Errorf("creating %s: %w: somebody else made it", what, ErrChanged)
	}
	return told("creating "+what, err, sent)
}

// Secret creates a Secret, or applies it server-side when its metadata tell which one was
// looked at (UID and resourceVersion): what other managers say of the same fields is taken
// over then. Neither its values nor what admission says of them get into an error.
func (a Applier) Secret(ctx context.Context, s *corev1.Secret) error {
	s.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}
	what, client := "Secret "+s.Namespace+"/"+s.Name, a.Clients.Secrets(s.Namespace)
	if s.UID == "" {
		_, err := client.Create(ctx, s, a.creation())
		return created(what, err, s)
	}
	body, err := json.Marshal(s)
	if err != nil {
		return errors.New("encoding the Secret")
	}
	options, force := a.options(), true
	options.Force = &force
	_, err = client.Patch(ctx, s.Name, types.ApplyPatchType, body, options)
	switch {
	case err == nil:
		return nil
	case apierrors.IsConflict(err) || replacedUID(err):
		return fmt.Errorf("applying %s: %w", what, ErrChanged)
	}
	return told("applying "+what, err, s)
}

// NewServiceAccount creates a ServiceAccount.
func (a Applier) NewServiceAccount(ctx context.Context, s *corev1.ServiceAccount) error {
	_, err := a.Clients.ServiceAccounts(s.Namespace).Create(ctx, s, a.creation())
	return created("ServiceAccount "+s.Namespace+"/"+s.Name, err, nil)
}

// bindings are ClusterRoleBindings, which are written and read here as the API has them:
// a typed client of their group would serve nothing else.
var bindings = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"}

// NewClusterRoleBinding creates a ClusterRoleBinding of one ServiceAccount.
func (a Applier) NewClusterRoleBinding(ctx context.Context, m metav1.ObjectMeta, role, namespace, account string) error {
	body, err := json.Marshal(map[string]any{
		"apiVersion": bindings.GroupVersion().String(), "kind": "ClusterRoleBinding",
		"metadata": map[string]any{"name": m.Name, "labels": m.Labels, "annotations": m.Annotations},
		"roleRef":  map[string]string{"apiGroup": bindings.Group, "kind": "ClusterRole", "name": role},
		"subjects": []map[string]string{{"kind": "ServiceAccount", "namespace": namespace, "name": account}},
	})
	if err != nil {
		return errors.New("encoding the object")
	}
	options := a.creation()
	request := a.Clients.core.Post().AbsPath("apis", bindings.Group, bindings.Version, bindings.Resource)
	_, err = request.VersionedParams(&options, metav1.ParameterCodec).SetHeader("Accept", runtime.ContentTypeJSON).
		SetHeader("Content-Type", runtime.ContentTypeJSON).Body(body).DoRaw(ctx)
	return created("ClusterRoleBinding "+m.Name, err, nil)
}

// ClusterRoleBinding reads the metadata of a ClusterRoleBinding.
func (c *Clients) ClusterRoleBinding(ctx context.Context, name string) (*metav1.PartialObjectMetadata, error) {
	return c.Metadata.Resource(bindings).Get(ctx, name, metav1.GetOptions{})
}

// NewStore creates a store.
func (a Applier) NewStore(ctx context.Context, s eso.Store) error {
	var err error
	meta := metav1.ObjectMeta{Namespace: s.Meta.Namespace, Name: s.Meta.Name, Labels: s.Meta.Labels, Annotations: s.Meta.Annotations}
	if s.Cluster() {
		_, err = a.Clients.ClusterSecretStores().Create(ctx, &eso.ClusterSecretStore{ObjectMeta: meta, Spec: *s.Spec}, a.creation())
	} else {
		_, err = a.Clients.SecretStores(meta.Namespace).Create(ctx, &eso.SecretStore{ObjectMeta: meta, Spec: *s.Spec}, a.creation())
	}
	return created(s.String(), err, nil)
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

// Unannotate takes an annotation of a known value from the Secret of the UID.
func (a Applier) Unannotate(ctx context.Context, namespace, name string, uid types.UID, annotation, value string) error {
	path := "/metadata/annotations/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(annotation)
	patch, err := json.Marshal([]map[string]any{
		{"op": "test", "path": "/metadata/uid", "value": uid},
		{"op": "test", "path": path, "value": value},
		{"op": "remove", "path": path},
	})
	if err != nil {
		return errors.New("encoding the annotation")
	}
	what := "changing Secret " + namespace + "/" + name
	_, err = a.Clients.Secrets(namespace).Patch(ctx, name, types.JSONPatchType, patch, a.options())
	switch {
	case err == nil:
		return nil
	case testFailed(err):
		return fmt.Errorf("%s: %w", what, ErrChanged)
	}
	return told(what, err, nil)
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
	options := metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(uid)), DryRun: a.dryRun()}
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
