package eso

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Version is the version that is stored and that our clients use.
const Version = "v1"

// GroupVersion is the group and version that our clients use.
func GroupVersion() schema.GroupVersion { return schema.GroupVersion{Group: Group, Version: Version} }

// Resource names a plural of the group in the clients' version.
func Resource(plural string) schema.GroupVersionResource {
	return GroupVersion().WithResource(plural)
}

// Plurals.
const (
	ExternalSecrets     = "externalsecrets"
	SecretStores        = "secretstores"
	ClusterSecretStores = "clustersecretstores"
)

// AddToScheme registers the types as v1 and as v1beta1.
func AddToScheme(scheme *runtime.Scheme) error {
	for _, version := range []string{Version, "v1beta1"} {
		gv := schema.GroupVersion{Group: Group, Version: version}
		scheme.AddKnownTypes(gv,
			&ExternalSecret{}, &ExternalSecretList{},
			&SecretStore{}, &SecretStoreList{},
			&ClusterSecretStore{}, &ClusterSecretStoreList{},
		)
		metav1.AddToGroupVersion(scheme, gv)
	}
	return nil
}
