package main

import (
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// work is what is synced: mappings of keys each, spread evenly over paths, stores and
// namespaces. A mapping takes all its keys from one path.
type work struct {
	Mappings   int           `json:"mappings"`
	Keys       int           `json:"keys"`
	Paths      int           `json:"paths"`
	Stores     int           `json:"stores"`
	Namespaces int           `json:"namespaces"`
	Auth       string        `json:"auth"`
	Interval   time.Duration `json:"-"`
}

// calm is the interval of mappings that only a change makes due.
const calm = 24 * time.Hour

const (
	byToken, byAppRole = "token", "approle"
	// mount is the KV v2 mount of all paths, system the namespace of credentials.
	mount, system = "bench", "bench-system"
)

// complete fills in what follows from the number of mappings.
func (w work) complete() (work, error) {
	if w.Paths == 0 {
		w.Paths = w.Mappings
	}
	switch {
	case w.Mappings < 1 || w.Keys < 1 || w.Paths < 1 || w.Stores < 1 || w.Namespaces < 1:
		return w, errors.New("mappings, keys, paths, stores and namespaces: want at least one of each")
	case w.Paths > w.Mappings:
		return w, fmt.Errorf("%d paths for %d mappings: want no more paths than mappings", w.Paths, w.Mappings)
	case w.Auth != byToken && w.Auth != byAppRole:
		return w, fmt.Errorf("--auth=%s: want %s or %s", w.Auth, byToken, byAppRole)
	case w.Interval < time.Second:
		return w, fmt.Errorf("--interval=%s: want at least a second", w.Interval)
	}
	return w, nil
}

func (w work) namespace(i int) string { return fmt.Sprintf("bench-%d", i%w.Namespaces) }

// path is the secret that mapping i reads.
func (w work) path(i int) string { return fmt.Sprintf("app/%d", i%w.Paths) }

// payload is what a path holds at the given turn.
func (w work) payload(turn int) map[string]any {
	data := map[string]any{}
	for k := range w.Keys {
		data[fmt.Sprintf("key-%d", k)] = fmt.Sprintf("value-%04d-of-turn-%06d", k, turn)
	}
	return data
}

// store is ClusterSecretStore i, whose credentials are in the system namespace.
func (w work) store(i int, server string) *eso.ClusterSecretStore {
	path, at := mount, system
	auth := &eso.VaultAuth{TokenSecretRef: &eso.SecretKeySelector{Name: "vault", Key: "token", Namespace: &at}}
	if w.Auth == byAppRole {
		auth = &eso.VaultAuth{AppRole: &eso.AppRoleAuth{
			Path:      "approle",
			RoleRef:   &eso.SecretKeySelector{Name: "vault", Key: "role-id", Namespace: &at},
			SecretRef: eso.SecretKeySelector{Name: "vault", Key: "secret-id", Namespace: &at},
		}}
	}
	return &eso.ClusterSecretStore{
		TypeMeta:   metav1.TypeMeta{APIVersion: eso.GroupVersion().String(), Kind: eso.KindClusterSecretStore},
		ObjectMeta: metav1.ObjectMeta{Name: storeName(i)},
		Spec:       eso.StoreSpec{Provider: eso.Provider{Vault: &eso.VaultProvider{Server: server, Path: &path, Auth: auth}}},
	}
}

func storeName(i int) string { return fmt.Sprintf("vault-%d", i) }

// mapping is ExternalSecret i.
func (w work) mapping(i int) *eso.ExternalSecret {
	return w.named(fmt.Sprintf("m%05d", i), w.namespace(i), w.path(i), storeName(i%w.Stores))
}

func (w work) named(name, namespace, path, store string) *eso.ExternalSecret {
	es := &eso.ExternalSecret{
		TypeMeta:   metav1.TypeMeta{APIVersion: eso.GroupVersion().String(), Kind: eso.KindExternalSecret},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: eso.ExternalSecretSpec{
			RefreshInterval: eso.NewDuration(calm),
			SecretStoreRef:  &eso.StoreRef{Kind: eso.KindClusterSecretStore, Name: store},
			// With a template, annotations such as force-sync's are not copied to the
			// Secret, so that a forced refresh changes nothing in it.
			Target: eso.Target{Template: &eso.Template{Metadata: eso.TemplateMetadata{Labels: map[string]string{"app": "bench"}}}},
		},
	}
	for k := range w.Keys {
		key := fmt.Sprintf("key-%d", k)
		es.Spec.Data = append(es.Spec.Data, eso.Data{SecretKey: key, RemoteRef: eso.RemoteRef{Key: path, Property: key}})
	}
	return es
}

// secret is the Secret that the bare loop writes in a mapping's place.
func (w work) secret(name, namespace string) *corev1.Secret {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Name: name, Namespace: namespace, Labels: map[string]string{eso.LabelManaged: "true"},
		Annotations: map[string]string{eso.AnnotationDataHash: "d41d8cd98f00b204e9800998ecf8427e"},
	}, Data: map[string][]byte{}}
	for key, value := range w.payload(0) {
		secret.Data[key] = []byte(value.(string))
	}
	return secret
}

// key names an object as the observer does.
func key(namespace, name string) string { return namespace + "/" + name }

// all are the keys of mappings from..to.
func (w work) keys(from, to int) []string {
	var keys []string
	for i := from; i < to; i++ {
		es := w.mapping(i)
		keys = append(keys, key(es.Namespace, es.Name))
	}
	return keys
}
