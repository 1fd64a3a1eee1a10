package bootstrap

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// Made is what an earlier setup left on the object that a store logs in by.
type Made struct {
	Method, Policy, AuthPath, Role string
	// Object is the Secret or ServiceAccount.
	Object Place
}

// Made looks at what the store logs in by; false when setup did not make it for the
// store.
func (g Ground) Made(ctx context.Context, s eso.Store) (Made, bool, error) {
	auth := s.Spec.Provider.Vault.Auth
	methods := auth.Methods()
	if len(methods) == 0 {
		return Made{}, false, nil
	}
	var m Made
	var object metav1.ObjectMeta
	var err error
	secret := func(method string, ref *eso.SecretKeySelector) {
		m.Method, m.Object = method, placeOf(s, ref)
		if got, e := g.Clients.Secrets(m.Object.Namespace).Get(ctx, ref.Name, metav1.GetOptions{}); e == nil {
			object = got.ObjectMeta
		} else {
			err = e
		}
	}
	switch {
	case methods[0] == "tokenSecretRef":
		secret(MethodToken, auth.TokenSecretRef)
	case methods[0] == "appRole":
		secret(MethodAppRole, &auth.AppRole.SecretRef)
	case methods[0] == "kubernetes" && auth.Kubernetes.ServiceAccountRef != nil:
		ref := auth.Kubernetes.ServiceAccountRef
		m.Method, m.Object = MethodKubernetes, placeOf(s, &eso.SecretKeySelector{Name: ref.Name, Namespace: ref.Namespace})
		if got, e := g.Clients.ServiceAccounts(m.Object.Namespace).Get(ctx, ref.Name, metav1.GetOptions{}); e == nil {
			object = got.ObjectMeta
		} else {
			err = e
		}
	}
	if apierrors.IsNotFound(err) {
		return Made{}, false, nil
	}
	if err != nil {
		return Made{}, false, fmt.Errorf("reading what %s logs in by: %w", s, err)
	}
	m.Policy = object.Annotations[AnnotationPolicy]
	if i := strings.LastIndex(object.Annotations[AnnotationRole], "/"); i > 0 {
		m.AuthPath, m.Role = object.Annotations[AnnotationRole][:i], object.Annotations[AnnotationRole][i+1:]
	}
	return m, objectOf(object).For == s.String(), nil
}
