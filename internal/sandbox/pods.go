package sandbox

import (
	"context"
	_ "embed" // for stages.yaml
	"fmt"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
)

//go:embed stages.yaml
var stages string

// startPods starts kwok, makes a Node and, in namespace vault, what HashiCorp's
// Helm chart would have made: Pods and Services with its labels.
func (s *Sandbox) startPods(ctx context.Context, port int) error {
	if err := os.WriteFile(s.path("kwok.yaml"), []byte(stages+s.forwards()), 0o600); err != nil {
		return err
	}
	err := s.start("kwok", s.binaries["kwok"], nil,
		"--kubeconfig="+s.Kubeconfig(), "--config="+s.path("kwok.yaml"), "--manage-all-nodes=true",
		"--node-ip=127.0.0.1", fmt.Sprintf("--node-port=%d", port), fmt.Sprintf("--server-address=127.0.0.1:%d", port),
		"--tls-cert-file="+s.path("pki", "kubelet.crt"), "--tls-private-key-file="+s.path("pki", "kubelet.key"))
	if err != nil {
		return err
	}
	client, _, err := s.Client()
	if err != nil {
		return err
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-0"}}
	if _, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil {
		return err
	}
	if len(s.Vaults) == 0 {
		return nil
	}
	if err := s.createVaultObjects(ctx, client); err != nil {
		return fmt.Errorf("creating vault's pods: %w", err)
	}
	return s.wait(ctx, "kwok", func(ctx context.Context) error {
		for i := range s.Vaults {
			pod, err := client.CoreV1().Pods("vault").Get(ctx, fmt.Sprintf("vault-%d", i), metav1.GetOptions{})
			if err != nil {
				return err
			}
			if pod.Status.Phase != corev1.PodRunning {
				return fmt.Errorf("pod vault-%d is %s", i, pod.Status.Phase)
			}
		}
		return nil
	})
}

// forwards makes a port-forward to vault-N:8200 reach node N's process.
func (s *Sandbox) forwards() string {
	var b strings.Builder
	for i, node := range s.Vaults {
		fmt.Fprintf(&b, `---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterPortForward
metadata:
  name: vault-%d
spec:
  selector:
    matchNamespaces: [vault]
    matchNames: [vault-%d]
  forwards:
    - ports: [8200]
      target:
        address: 127.0.0.1
        port: %d
`, i, i, node.API)
	}
	return b.String()
}

func (s *Sandbox) createVaultObjects(ctx context.Context, client kubernetes.Interface) error {
	core := client.CoreV1()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "vault"}}
	if _, err := core.Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		return err
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "vault", Namespace: "vault"}}
	if _, err := core.ServiceAccounts("vault").Create(ctx, account, metav1.CreateOptions{}); err != nil {
		return err
	}
	labels := map[string]string{"app.kubernetes.io/name": "vault", "app.kubernetes.io/instance": "vault", "component": "server"}
	for _, name := range []string{"vault", "vault-internal"} {
		service := &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "vault", Labels: map[string]string{"app.kubernetes.io/name": "vault", "app.kubernetes.io/instance": "vault"}},
			Spec: corev1.ServiceSpec{
				Selector: labels, PublishNotReadyAddresses: true,
				Ports: []corev1.ServicePort{
					{Name: "http", Port: 8200, TargetPort: intstr.FromInt32(8200)},
					{Name: "https-internal", Port: 8201, TargetPort: intstr.FromInt32(8201)},
				},
			},
		}
		if name == "vault-internal" {
			service.Spec.ClusterIP = corev1.ClusterIPNone
		}
		if _, err := core.Services("vault").Create(ctx, service, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	for i := range s.Vaults {
		name := fmt.Sprintf("vault-%d", i)
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "vault", Labels: map[string]string{"statefulset.kubernetes.io/pod-name": name}},
			Spec: corev1.PodSpec{
				NodeName: "node-0", ServiceAccountName: "vault", Hostname: name, Subdomain: "vault-internal",
				Containers: []corev1.Container{{
					Name: "vault", Image: "hashicorp/vault:1.21.0",
					Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8200}, {Name: "https-internal", ContainerPort: 8201}},
				}},
			},
		}
		for key, value := range labels {
			pod.Labels[key] = value
		}
		if _, err := core.Pods("vault").Create(ctx, pod, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	return nil
}
