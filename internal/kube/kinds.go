package kube

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/gentype"
	"k8s.io/client-go/rest"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// Client is the typed client of one kind in one namespace; in "" it lists and watches
// all. It reads and writes as the clients of client-go's clientset do.
type Client[T kind, L runtime.Object] = gentype.ClientWithList[T, L]

type kind interface {
	runtime.Object
	metav1.Object
}

// The typed clients that are named elsewhere.
type (
	ExternalSecretClient     = Client[*eso.ExternalSecret, *eso.ExternalSecretList]
	SecretStoreClient        = Client[*eso.SecretStore, *eso.SecretStoreList]
	ClusterSecretStoreClient = Client[*eso.ClusterSecretStore, *eso.ClusterSecretStoreList]
)

// of builds the client of a kind T, whose list is L, in a namespace.
func of[T, L any, PT interface {
	*T
	kind
}, PL interface {
	*L
	runtime.Object
}](c *Clients, group rest.Interface, plural, namespace string,
) *Client[PT, PL] {
	return gentype.NewClientWithList(plural, group, c.codec, namespace, func() PT { return new(T) }, func() PL { return new(L) })
}

// ExternalSecrets is the client of ExternalSecrets.
func (c *Clients) ExternalSecrets(namespace string) *ExternalSecretClient {
	return of[eso.ExternalSecret, eso.ExternalSecretList](c, c.eso, eso.ExternalSecrets, namespace)
}

// SecretStores is the client of SecretStores.
func (c *Clients) SecretStores(namespace string) *SecretStoreClient {
	return of[eso.SecretStore, eso.SecretStoreList](c, c.eso, eso.SecretStores, namespace)
}

// ClusterSecretStores is the client of the cluster-wide stores.
func (c *Clients) ClusterSecretStores() *ClusterSecretStoreClient {
	return of[eso.ClusterSecretStore, eso.ClusterSecretStoreList](c, c.eso, eso.ClusterSecretStores, "")
}

// Secrets is the client of Secrets.
func (c *Clients) Secrets(namespace string) *Client[*corev1.Secret, *corev1.SecretList] {
	return of[corev1.Secret, corev1.SecretList](c, c.core, "secrets", namespace)
}

// ConfigMaps is the client of ConfigMaps.
func (c *Clients) ConfigMaps(namespace string) *Client[*corev1.ConfigMap, *corev1.ConfigMapList] {
	return of[corev1.ConfigMap, corev1.ConfigMapList](c, c.core, "configmaps", namespace)
}

// Namespaces is the client of Namespaces.
func (c *Clients) Namespaces() *Client[*corev1.Namespace, *corev1.NamespaceList] {
	return of[corev1.Namespace, corev1.NamespaceList](c, c.core, "namespaces", "")
}

// Pods is the client of Pods.
func (c *Clients) Pods(namespace string) *Client[*corev1.Pod, *corev1.PodList] {
	return of[corev1.Pod, corev1.PodList](c, c.core, "pods", namespace)
}

// Services is the client of Services.
func (c *Clients) Services(namespace string) *Client[*corev1.Service, *corev1.ServiceList] {
	return of[corev1.Service, corev1.ServiceList](c, c.core, "services", namespace)
}

// ServiceAccounts is the client of ServiceAccounts.
func (c *Clients) ServiceAccounts(namespace string) *Client[*corev1.ServiceAccount, *corev1.ServiceAccountList] {
	return of[corev1.ServiceAccount, corev1.ServiceAccountList](c, c.core, "serviceaccounts", namespace)
}

// ServiceAccountToken asks for a token of a ServiceAccount.
func (c *Clients) ServiceAccountToken(ctx context.Context, namespace, name string, request *authenticationv1.TokenRequest) (*authenticationv1.TokenRequest, error) {
	answer := new(authenticationv1.TokenRequest)
	err := c.core.Post().Namespace(namespace).Resource("serviceaccounts").Name(name).SubResource("token").Body(request).Do(ctx).Into(answer)
	return answer, err
}

// Events is the client of Events.
func (c *Clients) Events(namespace string) *Client[*corev1.Event, *corev1.EventList] {
	return of[corev1.Event, corev1.EventList](c, c.core, "events", namespace)
}

// Leases is the client of Leases.
func (c *Clients) Leases(namespace string) *Client[*coordinationv1.Lease, *coordinationv1.LeaseList] {
	return of[coordinationv1.Lease, coordinationv1.LeaseList](c, c.coordination, "leases", namespace)
}

// Deployments is the client of Deployments.
func (c *Clients) Deployments(namespace string) *Client[*appsv1.Deployment, *appsv1.DeploymentList] {
	return of[appsv1.Deployment, appsv1.DeploymentList](c, c.apps, "deployments", namespace)
}

// StatefulSets is the client of StatefulSets.
func (c *Clients) StatefulSets(namespace string) *Client[*appsv1.StatefulSet, *appsv1.StatefulSetList] {
	return of[appsv1.StatefulSet, appsv1.StatefulSetList](c, c.apps, "statefulsets", namespace)
}

// DaemonSets is the client of DaemonSets.
func (c *Clients) DaemonSets(namespace string) *Client[*appsv1.DaemonSet, *appsv1.DaemonSetList] {
	return of[appsv1.DaemonSet, appsv1.DaemonSetList](c, c.apps, "daemonsets", namespace)
}
