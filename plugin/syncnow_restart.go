package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// restart rolls one workload, as kubectl rollout restart does.
func restart(ctx context.Context, clients *kube.Clients, namespace string, w diagnose.Workload, now time.Time, manager string) error {
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{
		"annotations": map[string]string{"kubectl.kubernetes.io/restartedAt": now.Format(time.RFC3339)},
	}}}})
	if err != nil {
		return err
	}
	options := metav1.PatchOptions{FieldManager: manager}
	switch w.Kind {
	case "deployment":
		_, err = clients.Deployments(namespace).Patch(ctx, w.Name, types.StrategicMergePatchType, patch, options)
	case "statefulset":
		_, err = clients.StatefulSets(namespace).Patch(ctx, w.Name, types.StrategicMergePatchType, patch, options)
	case "daemonset":
		_, err = clients.DaemonSets(namespace).Patch(ctx, w.Name, types.StrategicMergePatchType, patch, options)
	}
	if err != nil {
		return fmt.Errorf("restarting %s %s/%s: %w", w.Kind, namespace, w.Name, err)
	}
	return nil
}
