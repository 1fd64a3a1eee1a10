package sandbox

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	nodeName       = "node-0"
	vaultNamespace = "vault"
	internal       = "vault-internal" // the headless Service
)

//go:embed kwok-stages.yaml
var stages string

// startPods starts kwok, makes a Node and, in namespace vault, what HashiCorp's
// Helm chart would have made: Pods and Services with its labels.
func (s *Sandbox) startPods(ctx context.Context) error {
	if err := os.WriteFile(s.path("kwok.yaml"), []byte(stages+s.forwards()), 0o600); err != nil {
		return err
	}
	kubelet := s.state.Ports.Kubelet
	err := s.start("kwok", s.Binary("kwok"), nil,
		"--kubeconfig="+s.Kubeconfig(), "--config="+s.path("kwok.yaml"), "--manage-all-nodes=true",
		"--node-ip=127.0.0.1", fmt.Sprintf("--node-port=%d", kubelet), "--server-address="+local(kubelet),
		"--tls-cert-file="+s.path("pki", "kubelet.crt"), "--tls-private-key-file="+s.path("pki", "kubelet.key"))
	if err != nil {
		return err
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName, Labels: map[string]string{corev1.LabelHostname: nodeName}}}
	if _, err := s.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("creating the node: %w", err)
	}
	if s.VaultNodes() > 0 {
		if err := s.createVaultObjects(ctx); err != nil {
			return fmt.Errorf("creating vault's objects: %w", err)
		}
	}
	return s.await(ctx, "kwok", s.podsReady)
}

func (s *Sandbox) podsReady(ctx context.Context) error {
	node, err := s.client.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if node.Status.Phase != corev1.NodeRunning {
		return errors.New("the node is not ready")
	}
	for i := range s.VaultNodes() {
		pod, err := s.client.CoreV1().Pods(vaultNamespace).Get(ctx, vaultName(i), metav1.GetOptions{})
		if err != nil {
			return err
		}
		ready := slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		})
		if pod.Status.Phase != corev1.PodRunning || !ready {
			return fmt.Errorf("pod %s is %s, ready: %t", pod.Name, pod.Status.Phase, ready)
		}
	}
	return nil
}

// forwards makes a port-forward to vault-N:8200 reach node N's process.
func (s *Sandbox) forwards() string {
	var b strings.Builder
	for i, node := range s.state.Ports.Vaults {
		fmt.Fprintf(&b, `---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterPortForward
metadata:
  name: %[1]s
spec:
  selector:
    matchNamespaces: [%[2]s]
    matchNames: [%[1]s]
  forwards:
    - ports: [8200]
      target: {address: 127.0.0.1, port: %[3]d}
`, vaultName(i), vaultNamespace, node.API)
	}
	return b.String()
}

func (s *Sandbox) createVaultObjects(ctx context.Context) error {
	core := s.client.CoreV1()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: vaultNamespace}}
	if _, err := core.Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		return err
	}
	account := &corev1.ServiceAccount{ObjectMeta: chartMeta("vault")}
	if _, err := core.ServiceAccounts(vaultNamespace).Create(ctx, account, metav1.CreateOptions{}); err != nil {
		return err
	}
	for _, name := range []string{"vault", internal} {
		if _, err := core.Services(vaultNamespace).Create(ctx, s.vaultService(name), metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	for i := range s.VaultNodes() {
		if _, err := core.Pods(vaultNamespace).Create(ctx, s.vaultPod(vaultName(i)), metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	return nil
}

func chartMeta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: vaultNamespace, Labels: map[string]string{
		"app.kubernetes.io/name": "vault", "app.kubernetes.io/instance": "vault", "app.kubernetes.io/managed-by": "Helm",
	}}
}

// serverLabels is the chart's selector.
func serverLabels() map[string]string {
	return map[string]string{"app.kubernetes.io/name": "vault", "app.kubernetes.io/instance": "vault", "component": "server"}
}

// portName is what the chart calls port 8200.
func (s *Sandbox) portName() string {
	if s.state.TLS {
		return "https"
	}
	return "http"
}

func (s *Sandbox) vaultService(name string) *corev1.Service {
	service := &corev1.Service{ObjectMeta: chartMeta(name), Spec: corev1.ServiceSpec{
		Selector: serverLabels(), PublishNotReadyAddresses: true,
		Ports: []corev1.ServicePort{
			{Name: s.portName(), Port: 8200, TargetPort: intstr.FromInt32(8200)},
			{Name: "https-internal", Port: 8201, TargetPort: intstr.FromInt32(8201)},
		},
	}}
	if name == internal {
		service.Labels["vault-internal"] = "true"
		service.Spec.ClusterIP = corev1.ClusterIPNone
	}
	return service
}

func (s *Sandbox) vaultPod(name string) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: vaultNamespace, Labels: map[string]string{
			"statefulset.kubernetes.io/pod-name": name,
		}},
		Spec: corev1.PodSpec{
			NodeName: nodeName, ServiceAccountName: "vault", Hostname: name, Subdomain: internal,
			Containers: []corev1.Container{{
				Name: "vault", Image: "hashicorp/vault:1.21.0",
				Ports: []corev1.ContainerPort{
					{Name: s.portName(), ContainerPort: 8200}, {Name: "https-internal", ContainerPort: 8201}, {Name: "http-rep", ContainerPort: 8202},
				},
			}},
		},
	}
	maps.Copy(pod.Labels, serverLabels())
	return pod
}
