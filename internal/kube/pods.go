package kube

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// VaultSelector selects the server Pods of HashiCorp's Vault and OpenBao Helm charts.
const VaultSelector = "app.kubernetes.io/name in (vault,openbao),component=server"

// VaultPods lists Vault's server Pods in a namespace, by name.
func (c *Clients) VaultPods(ctx context.Context, namespace string) ([]corev1.Pod, error) {
	list, err := c.Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: VaultSelector})
	if err != nil {
		return nil, told("listing Vault's Pods in namespace "+namespace, err, nil)
	}
	slices.SortFunc(list.Items, func(a, b corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	return list.Items, nil
}

// behind picks the Pod behind a Service that a port-forward should go to, and the
// port there: a ready one if there is one, else one that runs, for a sealed Vault is
// not ready.
func (c *Clients) behind(ctx context.Context, namespace, name string, port int32) (pod string, podPort int32, err error) {
	service, err := c.Services(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", 0, fmt.Errorf("no such host: Service %s/%s does not exist", namespace, name)
	}
	if err != nil {
		return "", 0, told("reading Service "+namespace+"/"+name, err, nil)
	}
	if len(service.Spec.Selector) == 0 {
		return "", 0, fmt.Errorf("the Service %s/%s selects no Pods", namespace, name)
	}
	list, err := c.Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: labels.SelectorFromSet(service.Spec.Selector).String()})
	if err != nil {
		return "", 0, told("listing the Pods behind Service "+namespace+"/"+name, err, nil)
	}
	running := slices.DeleteFunc(list.Items, func(p corev1.Pod) bool {
		return p.Status.Phase != corev1.PodRunning || p.DeletionTimestamp != nil
	})
	if len(running) == 0 {
		return "", 0, fmt.Errorf("no Pod behind Service %s/%s is running", namespace, name)
	}
	best := slices.MinFunc(running, func(a, b corev1.Pod) int {
		return cmp.Or(-cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Name, b.Name))
	})
	podPort, err = targetPort(service, best, port)
	return best.Name, podPort, err
}

func rank(p corev1.Pod) int {
	if Ready(p) {
		return 1
	}
	return 0
}

// Ready reports whether a Pod's Ready condition is true.
func Ready(p corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func targetPort(service *corev1.Service, pod corev1.Pod, port int32) (int32, error) {
	i := slices.IndexFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == port })
	if i < 0 {
		return 0, fmt.Errorf("the Service %s/%s has no port %d", service.Namespace, service.Name, port)
	}
	target := service.Spec.Ports[i].TargetPort
	if target.Type == intstr.Int {
		if target.IntVal == 0 {
			return port, nil
		}
		return target.IntVal, nil
	}
	for _, container := range pod.Spec.Containers {
		for _, p := range container.Ports {
			if p.Name == target.StrVal {
				return p.ContainerPort, nil
			}
		}
	}
	return 0, fmt.Errorf("the Pod %s/%s has no port named %q", pod.Namespace, pod.Name, target.StrVal)
}
