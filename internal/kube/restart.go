package kube

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// AnnotationRestarted is on the Pod template of a workload that was restarted for a
// new content: "name=content,name=content" for the Secrets that it was restarted for.
const AnnotationRestarted = "vaultsecret.io/restarted-for"

// Whoever may read a workload may not read its Secrets: what is written on it is
// salted by the Secret's name and costs a guess this many rounds.
const (
	contentRounds = 100_000
	contentLength = 8 // bytes
)

// Content is equal for equal contents of what a workload uses of a Secret, and tells
// nothing else of them. A key that is absent differs from an empty one; a Secret that
// is absent, nil, has none of them.
func Content(secret *corev1.Secret, namespace, name string, use Use) (string, error) {
	var data map[string][]byte
	if secret != nil {
		data = secret.Data
	}
	keys := use.Keys
	if use.All {
		keys = slices.Sorted(maps.Keys(data))
	}
	hash := sha256.New()
	field := func(text []byte) {
		_ = binary.Write(hash, binary.BigEndian, uint64(len(text)))
		hash.Write(text)
	}
	for _, key := range keys {
		if value, ok := data[key]; ok {
			field([]byte(key))
			field(value)
		}
	}
	salt := []byte("vaultsecret.io/restarted-for\n" + namespace + "/" + name)
	slow, err := pbkdf2.Key(sha256.New, string(hash.Sum(nil)), salt, contentRounds, contentLength)
	if err != nil {
		return "", fmt.Errorf("hashing Secret %s/%s: %w", namespace, name, err)
	}
	return hex.EncodeToString(slow), nil
}

// RestartedFor is the content of a Secret that the workload was last restarted for,
// "" when it never was.
func (w Workload) RestartedFor(secret string) string { return w.restarted[secret] }

// Restart rolls the Pods of a workload as kubectl rollout restart does, once for each
// content: contents maps the names of Secrets to their Content. It reports false, and
// does nothing, when the workload was restarted for these contents before.
func (c *Clients) Restart(ctx context.Context, w Workload, contents map[string]string, fieldManager string) (bool, error) {
	next := map[string]string{}
	maps.Copy(next, w.restarted)
	maps.DeleteFunc(next, func(name, _ string) bool {
		_, uses := w.Uses[name]
		_, now := contents[name]
		return !uses && !now
	})
	done := true
	for name, content := range contents {
		done = done && next[name] == content
		next[name] = content
	}
	if done {
		return false, nil
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{
		"annotations": map[string]string{AnnotationRestarted: formatRestarted(next)},
	}}}})
	if err != nil {
		return false, err
	}
	options := metav1.PatchOptions{FieldManager: fieldManager}
	switch w.Kind {
	case Deployment:
		_, err = c.Deployments(w.Namespace).Patch(ctx, w.Name, types.StrategicMergePatchType, patch, options)
	case StatefulSet:
		_, err = c.StatefulSets(w.Namespace).Patch(ctx, w.Name, types.StrategicMergePatchType, patch, options)
	case DaemonSet:
		_, err = c.DaemonSets(w.Namespace).Patch(ctx, w.Name, types.StrategicMergePatchType, patch, options)
	default:
		return false, fmt.Errorf("restarting %s: it is no %s, %s or %s", w, Deployment, StatefulSet, DaemonSet)
	}
	if err != nil {
		return false, told(fmt.Sprintf("restarting %s of namespace %s", w, w.Namespace), err, nil)
	}
	return true, nil
}

func formatRestarted(contents map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		parts = append(parts, name+"="+contents[name])
	}
	return strings.Join(parts, ",")
}

// parseRestarted reads what formatRestarted wrote; what it did not write is dropped.
func parseRestarted(text string) map[string]string {
	contents := map[string]string{}
	for part := range strings.SplitSeq(text, ",") {
		if name, content, ok := strings.Cut(part, "="); ok && name != "" && content != "" {
			contents[name] = content
		}
	}
	return contents
}
