// Package kube is all that speaks to Kubernetes: the typed clients of the three
// kinds, Secrets, status, events, watches, and the way to a Pod.
//
// Rules: Secrets are deleted by name, UID and resourceVersion only; the watches hold
// metadata of Secrets and ConfigMaps, never their content; a failure to read is an
// error, never an absence.
package kube

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/gentype"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// ExternalSecretClient is the typed client of ExternalSecrets in one namespace.
type ExternalSecretClient = gentype.ClientWithList[*eso.ExternalSecret, *eso.ExternalSecretList]

// SecretStoreClient is the typed client of SecretStores in one namespace.
type SecretStoreClient = gentype.ClientWithList[*eso.SecretStore, *eso.SecretStoreList]

// ClusterSecretStoreClient is the typed client of ClusterSecretStores.
type ClusterSecretStoreClient = gentype.ClientWithList[*eso.ClusterSecretStore, *eso.ClusterSecretStoreList]

// Clients are the clients of one cluster.
type Clients struct {
	Core     kubernetes.Interface
	Metadata metadata.Interface
	Config   *rest.Config

	eso   rest.Interface
	codec runtime.ParameterCodec
}

// NewClients builds the clients; nothing is sent. Requests are not held back here:
// priority and fairness are the API server's work.
func NewClients(config *rest.Config) (*Clients, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	protobuf := rest.CopyConfig(config)
	protobuf.ContentType = runtime.ContentTypeProtobuf
	protobuf.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	core, err := kubernetes.NewForConfig(protobuf)
	if err != nil {
		return nil, fmt.Errorf("building a client of Kubernetes: %w", err)
	}
	meta, err := metadata.NewForConfig(metadata.ConfigFor(config))
	if err != nil {
		return nil, fmt.Errorf("building a metadata client: %w", err)
	}
	scheme := runtime.NewScheme()
	if err := eso.AddToScheme(scheme); err != nil {
		return nil, err
	}
	own := rest.CopyConfig(config)
	version := eso.GroupVersion()
	own.GroupVersion, own.APIPath = &version, "/apis"
	own.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientFor(own)
	if err != nil {
		return nil, fmt.Errorf("building a client of %s: %w", eso.Group, err)
	}
	return &Clients{Core: core, Metadata: meta, Config: config, eso: client, codec: runtime.NewParameterCodec(scheme)}, nil
}

// ExternalSecrets is the client of a namespace; "" lists and watches all.
func (c *Clients) ExternalSecrets(namespace string) *ExternalSecretClient {
	return gentype.NewClientWithList(eso.ExternalSecrets, c.eso, c.codec, namespace,
		func() *eso.ExternalSecret { return &eso.ExternalSecret{} },
		func() *eso.ExternalSecretList { return &eso.ExternalSecretList{} })
}

// SecretStores is the client of a namespace; "" lists and watches all.
func (c *Clients) SecretStores(namespace string) *SecretStoreClient {
	return gentype.NewClientWithList(eso.SecretStores, c.eso, c.codec, namespace,
		func() *eso.SecretStore { return &eso.SecretStore{} },
		func() *eso.SecretStoreList { return &eso.SecretStoreList{} })
}

// ClusterSecretStores is the client of the cluster-wide stores.
func (c *Clients) ClusterSecretStores() *ClusterSecretStoreClient {
	return gentype.NewClientWithList(eso.ClusterSecretStores, c.eso, c.codec, "",
		func() *eso.ClusterSecretStore { return &eso.ClusterSecretStore{} },
		func() *eso.ClusterSecretStoreList { return &eso.ClusterSecretStoreList{} })
}
