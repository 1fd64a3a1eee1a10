package sandbox

import (
	"context"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// tokenLife is how long a ServiceAccount's kubeconfig is good for.
const tokenLife = 24 * time.Hour

// Kubeconfig is the path of the administrator's kubeconfig.
func (s *Sandbox) Kubeconfig() string { return s.path("kubeconfig") }

// RESTConfig is the administrator's, without a rate limit. Every call returns a new
// one, for the caller to change.
func (s *Sandbox) RESTConfig() *rest.Config {
	return &rest.Config{
		Host: s.apiServer(), QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{
			CAFile:   s.path("pki", "ca.crt"),
			CertFile: s.path("pki", "admin.crt"), KeyFile: s.path("pki", "admin.key"),
		},
	}
}

// Client is a typed client of the administrator.
func (s *Sandbox) Client() *kubernetes.Clientset { return s.client }

func (s *Sandbox) connect() (err error) {
	s.client, err = kubernetes.NewForConfig(s.RESTConfig())
	return err
}

func (s *Sandbox) writeAdminKubeconfig() error {
	return s.writeKubeconfig(s.Kubeconfig(), "default", clientcmdapi.AuthInfo{
		ClientCertificate: s.path("pki", "admin.crt"), ClientKey: s.path("pki", "admin.key"),
	})
}

// ServiceAccountKubeconfig writes a kubeconfig that holds a token of the
// ServiceAccount, good for a day, and returns its path. Its namespace is the
// ServiceAccount's.
func (s *Sandbox) ServiceAccountKubeconfig(ctx context.Context, namespace, name string) (string, error) {
	seconds := int64(tokenLife.Seconds())
	token, err := s.client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("asking for a token of ServiceAccount %s/%s: %w", namespace, name, err)
	}
	path := s.path("kubeconfig-" + namespace + "-" + name)
	return path, s.writeKubeconfig(path, namespace, clientcmdapi.AuthInfo{Token: token.Status.Token})
}

func (s *Sandbox) writeKubeconfig(path, namespace string, user clientcmdapi.AuthInfo) error {
	return clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"sandbox": {Server: s.apiServer(), CertificateAuthority: s.path("pki", "ca.crt")}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"user": &user},
		Contexts:       map[string]*clientcmdapi.Context{"sandbox": {Cluster: "sandbox", AuthInfo: "user", Namespace: namespace}},
		CurrentContext: "sandbox",
	}, path)
}

func (s *Sandbox) apiServer() string { return "https://" + local(s.state.Ports.API) }
