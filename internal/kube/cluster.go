package kube

import (
	"context"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// maxHeld bounds how many referred objects are held in memory.
const maxHeld = 1024

// Cluster reads what stores and templates refer to. It implements store.Cluster. With
// watches, an object that did not change since it was read is not read again; only
// objects that are referred to are held.
type Cluster struct {
	Clients *Clients
	// Watches may be nil: then every read is live.
	Watches *Watches

	mu   sync.Mutex
	held map[string]metav1.Object
}

// Secret returns a Secret, nil when it does not exist. It is shared: do not change it.
func (c *Cluster) Secret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	version := ""
	if c.Watches != nil {
		if m := partial(c.Watches.secrets, namespace, name); m != nil {
			version = string(m.UID) + "@" + m.ResourceVersion
		}
	}
	return held(c, "Secret/"+namespace+"/"+name, version, func() (*corev1.Secret, error) {
		return c.Clients.Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	})
}

// ConfigMap returns a ConfigMap, nil when it does not exist. It is shared: do not
// change it.
func (c *Cluster) ConfigMap(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error) {
	version := ""
	if c.Watches != nil {
		if m := partial(c.Watches.configMaps, namespace, name); m != nil {
			version = string(m.UID) + "@" + m.ResourceVersion
		}
	}
	return held(c, "ConfigMap/"+namespace+"/"+name, version, func() (*corev1.ConfigMap, error) {
		return c.Clients.ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
	})
}

// held returns the object that is held if it is of the version that the watch saw,
// else reads it.
func held[T metav1.Object](c *Cluster, key, version string, read func() (T, error)) (T, error) {
	c.mu.Lock()
	object, ok := c.held[key]
	c.mu.Unlock()
	if ok && version != "" && string(object.GetUID())+"@"+object.GetResourceVersion() == version {
		return object.(T), nil
	}
	var none T
	fresh, err := read()
	if apierrors.IsNotFound(err) {
		c.mu.Lock()
		delete(c.held, key)
		c.mu.Unlock()
		return none, nil
	}
	if err != nil {
		return none, err
	}
	if c.Watches != nil {
		c.mu.Lock()
		if c.held == nil {
			c.held = map[string]metav1.Object{}
		}
		for other := range c.held { // any one makes room
			if len(c.held) < maxHeld {
				break
			}
			delete(c.held, other)
		}
		c.held[key] = fresh
		c.mu.Unlock()
	}
	return fresh, nil
}

// ServiceAccountToken asks for a token of a ServiceAccount; nil when that does not
// exist. No audiences means the API server's own.
func (c *Cluster) ServiceAccountToken(ctx context.Context, namespace, name string, audiences []string, expiry time.Duration) (redact.Bytes, error) {
	seconds := int64(expiry.Seconds())
	answer, err := c.Clients.ServiceAccountToken(ctx, namespace, name, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: audiences, ExpirationSeconds: &seconds},
	})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return redact.Bytes(answer.Status.Token), nil
}
