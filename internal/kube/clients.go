// Package kube is all that speaks to Kubernetes: the typed clients of the kinds that
// are used, Secrets, status, events, watches, and the way to a Pod.
//
// Rules: Secrets are deleted by name, UID and resourceVersion only; the watches hold
// metadata of Secrets and ConfigMaps, never their content; a failure to read is an
// error, never an absence. The typed clients are client-go's gentype over a scheme of
// the few groups that the controller speaks: client-go's clientset, discovery, informers
// and leader election each link every API group there is, in binary and memory.
package kube

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// Clients are the clients of one cluster. kinds.go has one method for each kind.
type Clients struct {
	Metadata metadata.Interface
	// Config is for what needs a client of its own; it holds no request back.
	Config *rest.Config

	core, apps, coordination, eso rest.Interface

	codec runtime.ParameterCodec
}

// NewClients builds the clients; nothing is sent. Requests are not held back here:
// priority and fairness are the API server's work.
func NewClients(config *rest.Config) (*Clients, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		eso.AddToScheme, corev1.AddToScheme, appsv1.AddToScheme, authenticationv1.AddToScheme, coordinationv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("preparing the kinds of Kubernetes: %w", err)
		}
	}
	codecs := serializer.NewCodecFactory(scheme).WithoutConversion()
	protobuf := rest.CopyConfig(config)
	protobuf.ContentType = runtime.ContentTypeProtobuf
	protobuf.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	c := &Clients{Config: config, codec: runtime.NewParameterCodec(scheme)}
	for _, group := range []struct {
		client  *rest.Interface
		version schema.GroupVersion
		path    string
		config  *rest.Config
	}{
		{&c.core, corev1.SchemeGroupVersion, "/api", protobuf},
		{&c.apps, appsv1.SchemeGroupVersion, "/apis", protobuf},
		{&c.coordination, coordinationv1.SchemeGroupVersion, "/apis", protobuf},
		{&c.eso, eso.GroupVersion(), "/apis", config}, // custom resources are served as JSON only
	} {
		own := rest.CopyConfig(group.config)
		own.GroupVersion, own.APIPath, own.NegotiatedSerializer = &group.version, group.path, codecs
		client, err := rest.RESTClientFor(own)
		if err != nil {
			return nil, fmt.Errorf("building a client of %s: %w", group.version, err)
		}
		*group.client = client
	}
	var err error
	if c.Metadata, err = metadata.NewForConfig(metadata.ConfigFor(config)); err != nil {
		return nil, fmt.Errorf("building a metadata client: %w", err)
	}
	return c, nil
}

// Raw reads a path of the API server, as JSON.
func (c *Clients) Raw(ctx context.Context, segments ...string) ([]byte, error) {
	return c.core.Get().AbsPath(segments...).SetHeader("Accept", runtime.ContentTypeJSON).DoRaw(ctx)
}
