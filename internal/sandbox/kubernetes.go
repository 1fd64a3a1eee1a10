package sandbox

import (
	"context"
	"crypto/x509/pkix"
	"fmt"
	"os"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

func (s *Sandbox) startKubernetes(ctx context.Context, ports []int) error {
	if err := s.writePKI(); err != nil {
		return fmt.Errorf("writing certificates: %w", err)
	}
	etcd := fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	peer := fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	err := s.start("etcd", s.binaries["etcd"], nil,
		"--name=sandbox", "--data-dir="+s.path("etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls="+etcd, "--advertise-client-urls="+etcd,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=sandbox="+peer)
	if err != nil {
		return err
	}
	s.APIPort = ports[2]
	err = s.start("kube-apiserver", s.binaries["kube-apiserver"], nil,
		"--etcd-servers="+etcd, "--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", s.APIPort),
		"--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.96.0.0/16",
		"--client-ca-file="+s.path("pki", "ca.crt"),
		"--tls-cert-file="+s.path("pki", "apiserver.crt"), "--tls-private-key-file="+s.path("pki", "apiserver.key"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+s.path("pki", "sa.key"), "--service-account-signing-key-file="+s.path("pki", "sa.key"),
		"--authorization-mode=Node,RBAC", "--cert-dir="+s.path("pki"), "--profiling=false")
	if err != nil {
		return err
	}
	admin := clientcmdapi.AuthInfo{ClientCertificate: s.path("pki", "admin.crt"), ClientKey: s.path("pki", "admin.key")}
	if err := s.writeKubeconfig(s.Kubeconfig(), admin, "default"); err != nil {
		return err
	}
	err = s.start("kube-controller-manager", s.binaries["kube-controller-manager"], nil,
		"--kubeconfig="+s.Kubeconfig(), "--leader-elect=false", fmt.Sprintf("--secure-port=%d", ports[3]), "--bind-address=127.0.0.1",
		"--service-account-private-key-file="+s.path("pki", "sa.key"), "--root-ca-file="+s.path("pki", "ca.crt"),
		"--cert-dir="+s.path("pki"),
		"--controllers=serviceaccount-token-controller,serviceaccount-controller,garbage-collector-controller,namespace-controller,root-ca-certificate-publisher-controller")
	if err != nil {
		return err
	}
	config, err := s.RESTConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	if err := s.wait(ctx, "kube-apiserver", func(ctx context.Context) error {
		return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	}); err != nil {
		return err
	}
	return s.wait(ctx, "kube-controller-manager", func(ctx context.Context) error {
		_, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

func (s *Sandbox) writePKI() error {
	if err := os.MkdirAll(s.path("pki"), 0o700); err != nil {
		return err
	}
	ca, err := newAuthority("sandbox", s.path("pki", "ca.crt"))
	if err != nil {
		return err
	}
	if err := ca.issue(s.path("pki", "apiserver"), pkix.Name{CommonName: "kube-apiserver"}, "127.0.0.1", "localhost", "kubernetes.default.svc"); err != nil {
		return err
	}
	if err := ca.issue(s.path("pki", "kubelet"), pkix.Name{CommonName: "kubelet"}, "127.0.0.1"); err != nil {
		return err
	}
	if err := ca.issue(s.path("pki", "admin"), pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}}); err != nil {
		return err
	}
	return signingKey(s.path("pki", "sa.key"))
}

func (s *Sandbox) writeKubeconfig(path string, user clientcmdapi.AuthInfo, namespace string) error {
	return clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{"sandbox": {
			Server:               fmt.Sprintf("https://127.0.0.1:%d", s.APIPort),
			CertificateAuthority: s.path("pki", "ca.crt"),
		}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"user": &user},
		Contexts:       map[string]*clientcmdapi.Context{"sandbox": {Cluster: "sandbox", AuthInfo: "user", Namespace: namespace}},
		CurrentContext: "sandbox",
	}, path)
}

// ServiceAccountKubeconfig writes a kubeconfig that holds a token of the
// ServiceAccount, good for a day, and returns its path.
func (s *Sandbox) ServiceAccountKubeconfig(ctx context.Context, namespace, name string) (string, error) {
	config, err := s.RESTConfig()
	if err != nil {
		return "", err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return "", err
	}
	seconds := int64((24 * time.Hour).Seconds())
	token, err := client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("asking for a token of ServiceAccount %s/%s: %w", namespace, name, err)
	}
	path := s.path("kubeconfig-" + namespace + "-" + name)
	return path, s.writeKubeconfig(path, clientcmdapi.AuthInfo{Token: token.Status.Token}, namespace)
}

// Client returns a typed client of the administrator.
func (s *Sandbox) Client() (*kubernetes.Clientset, *rest.Config, error) {
	config, err := s.RESTConfig()
	if err != nil {
		return nil, nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	return client, config, err
}
