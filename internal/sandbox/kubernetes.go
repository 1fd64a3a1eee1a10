package sandbox

import (
	"context"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// clusterControllers is what the product leans on: tokens and CA for
// ServiceAccounts, garbage collection, and namespaces that end.
const clusterControllers = "serviceaccount-token-controller,serviceaccount-controller," +
	"garbage-collector-controller,namespace-controller,root-ca-certificate-publisher-controller"

// auditPolicy keeps who did what to which object, but no bodies.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: None
    nonResourceURLs: ["/healthz*", "/readyz*", "/livez*"]
  - level: Metadata
`

func (s *Sandbox) startKubernetes(ctx context.Context, crds bool) error {
	if err := s.writePKI(); err != nil {
		return fmt.Errorf("writing certificates: %w", err)
	}
	if err := errors.Join(s.connect(), s.writeAdminKubeconfig()); err != nil {
		return err
	}
	if err := s.startEtcd(); err != nil {
		return err
	}
	if err := s.startAPIServer(ctx); err != nil {
		return err
	}
	if crds {
		if err := s.InstallCRDs(ctx); err != nil {
			return err
		}
	}
	rest, ctx := errgroup.WithContext(ctx)
	rest.Go(func() error { return s.startControllerManager(ctx) })
	rest.Go(func() error { return s.startPods(ctx) })
	return rest.Wait()
}

func (s *Sandbox) startEtcd() error {
	client, peer := "http://"+local(s.state.Ports.EtcdClient), "http://"+local(s.state.Ports.EtcdPeer)
	return s.start("etcd", s.Binary("etcd"), nil,
		"--name=sandbox", "--data-dir="+s.path("etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=sandbox="+peer)
}

func (s *Sandbox) startAPIServer(ctx context.Context) error {
	if err := os.WriteFile(s.path("audit-policy.yaml"), []byte(auditPolicy), 0o600); err != nil {
		return err
	}
	err := s.start("kube-apiserver", s.Binary("kube-apiserver"), nil,
		"--etcd-servers=http://"+local(s.state.Ports.EtcdClient),
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", s.state.Ports.API),
		"--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.96.0.0/16",
		"--client-ca-file="+s.path("pki", "ca.crt"), "--cert-dir="+s.path("pki"),
		"--tls-cert-file="+s.path("pki", "apiserver.crt"), "--tls-private-key-file="+s.path("pki", "apiserver.key"),
		"--kubelet-client-certificate="+s.path("pki", "admin.crt"), "--kubelet-client-key="+s.path("pki", "admin.key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file="+s.path("pki", "sa.key"), "--service-account-signing-key-file="+s.path("pki", "sa.key"),
		"--authorization-mode=Node,RBAC", "--profiling=false",
		"--audit-policy-file="+s.path("audit-policy.yaml"), "--audit-log-path="+s.KubernetesAuditLog(),
		"--audit-log-maxsize=100000") // MB: requests are counted in it, so it must not be rotated
	if err != nil {
		return err
	}
	return s.await(ctx, "kube-apiserver", func(ctx context.Context) error {
		return s.client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
}

func (s *Sandbox) startControllerManager(ctx context.Context) error {
	err := s.start("kube-controller-manager", s.Binary("kube-controller-manager"), nil,
		"--kubeconfig="+s.Kubeconfig(), "--leader-elect=false", "--controllers="+clusterControllers,
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", s.state.Ports.ControllerManager),
		"--service-account-private-key-file="+s.path("pki", "sa.key"), "--root-ca-file="+s.path("pki", "ca.crt"),
		"--cert-dir="+s.path("pki"))
	if err != nil {
		return err
	}
	return s.await(ctx, "kube-controller-manager", func(ctx context.Context) error {
		_, err := s.client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

// KubernetesAuditLog is the API server's audit log: one JSON line a request, with
// its object but without bodies.
func (s *Sandbox) KubernetesAuditLog() string { return s.path("kube-audit.log") }

// InstallCRDs applies manifests/crds and waits until the API server serves them.
func (s *Sandbox) InstallCRDs(ctx context.Context) error {
	crds := filepath.Join(s.root, "manifests", "crds")
	if err := s.kubectl(ctx, "apply", "--server-side", "-k", crds); err != nil {
		return err
	}
	return s.kubectl(ctx, "wait", "--for=condition=Established", "--timeout=1m", "--all", "crds")
}

func (s *Sandbox) kubectl(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, s.Binary("kubectl"), append([]string{"--kubeconfig=" + s.Kubeconfig()}, args...)...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, text)
	}
	return nil
}

func (s *Sandbox) writePKI() error {
	if err := os.MkdirAll(s.path("pki"), 0o700); err != nil {
		return err
	}
	ca, err := newAuthority("sandbox", s.path("pki", "ca.crt"))
	if err != nil {
		return err
	}
	for _, pair := range []struct {
		name    string
		subject pkix.Name
		hosts   []string
	}{
		{"apiserver", pkix.Name{CommonName: "kube-apiserver"}, []string{"127.0.0.1", "localhost", "kubernetes.default.svc"}},
		{"kubelet", pkix.Name{CommonName: "kubelet"}, []string{"127.0.0.1", "localhost"}},
		{"admin", pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}}, nil},
	} {
		if err := ca.issue(s.path("pki", pair.name), pair.subject, pair.hosts...); err != nil {
			return err
		}
	}
	return signingKey(s.path("pki", "sa.key"))
}
