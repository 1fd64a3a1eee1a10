package kube_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// podSpec reads a Pod's spec as one writes it, but for the image.
func podSpec(t *testing.T, text string) corev1.PodSpec {
	t.Helper()
	var spec corev1.PodSpec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		t.Fatal(err)
	}
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			containers[i].Image = "registry.example/app:1"
		}
	}
	return spec
}

const webPod = `{"containers":[{"name":"web","envFrom":[{"secretRef":{"name":"api-db"}}]}]}`

func TestUsesOf(t *testing.T) {
	pod := podSpec(t, `{
		"imagePullSecrets": [{"name": "registry"}],
		"initContainers": [{"name": "migrate", "env": [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}]}],
		"containers": [{"name": "web",
			"env": [{"name": "U", "valueFrom": {"secretKeyRef": {"name": "db", "key": "username"}}}, {"name": "X", "value": "plain"}],
			"envFrom": [{"secretRef": {"name": "all"}}, {"configMapRef": {"name": "config"}}]}],
		"volumes": [
			{"name": "tls", "secret": {"secretName": "tls", "items": [{"key": "tls.crt", "path": "crt"}]}},
			{"name": "whole", "secret": {"secretName": "whole"}},
			{"name": "both", "projected": {"sources": [{"secret": {"name": "db", "items": [{"key": "ca", "path": "ca"}]}}, {"configMap": {"name": "config"}}]}},
			{"name": "csi", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "driver"}}},
			{"name": "nothing", "emptyDir": {}}]}`)
	want := map[string]kube.Use{
		"registry": {},
		"driver":   {},
		"all":      {Env: true, Started: true, All: true},
		"db":       {Env: true, Started: true, Keys: []string{"ca", "password", "username"}},
		"tls":      {Started: true, Keys: []string{"tls.crt"}},
		"whole":    {Started: true, All: true},
	}
	if got := kube.UsesOf(&pod); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestContent(t *testing.T) {
	secret := func(data map[string][]byte) *corev1.Secret { return &corev1.Secret{Data: data} }
	content := func(s *corev1.Secret, name string, use kube.Use) string {
		t.Helper()
		got, err := kube.Content(s, "apps", name, use)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	all, password := kube.Use{All: true}, kube.Use{Keys: []string{"password"}}
	one := secret(map[string][]byte{"password": []byte("0451"), "user": []byte("a")})
	for name, same := range map[string]bool{
		"the same again":             content(secret(one.Data), "db", all) == content(one, "db", all),
		"another key, not used":      content(secret(map[string][]byte{"password": []byte("0451"), "user": []byte("b")}), "db", password) == content(one, "db", password),
		"absent Secret, absent keys": content(nil, "db", password) == content(secret(nil), "db", all),
	} {
		if !same {
			t.Errorf("%s: the content differs", name)
		}
	}
	for name, other := range map[string]string{
		"another value":           content(secret(map[string][]byte{"password": []byte("0452"), "user": []byte("a")}), "db", all),
		"a key less":              content(secret(map[string][]byte{"password": []byte("0451")}), "db", all),
		"an empty key":            content(secret(map[string][]byte{"password": []byte("0451"), "user": {}}), "db", all),
		"the border moved":        content(secret(map[string][]byte{"password": []byte("0451user"), "": []byte("a")}), "db", all),
		"another Secret's name":   content(one, "db2", all),
		"less of it":              content(one, "db", password),
		"a Secret that is absent": content(nil, "db", all),
	} {
		if other == content(one, "db", all) {
			t.Errorf("%s: the content is the same", name)
		}
	}
}

func TestWorkloadsAndTheirRestart(t *testing.T) {
	c, ns, sent := stack(t)
	ctx := t.Context()
	labels := map[string]string{"app": "x"}
	template := func(spec string) corev1.PodTemplateSpec {
		return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: podSpec(t, spec)}
	}
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }
	selector := &metav1.LabelSelector{MatchLabels: labels}
	for _, d := range []*appsv1.Deployment{
		{ObjectMeta: meta("web"), Spec: appsv1.DeploymentSpec{Selector: selector, Template: template(webPod)}},
		{ObjectMeta: meta("paused"), Spec: appsv1.DeploymentSpec{Selector: selector, Template: template(webPod), Paused: true}},
		{ObjectMeta: meta("without"), Spec: appsv1.DeploymentSpec{Selector: selector, Template: template(`{"containers":[{"name":"web"}]}`)}},
	} {
		if _, err := c.Deployments(ns).Create(ctx, d, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.StatefulSets(ns).Create(ctx, &appsv1.StatefulSet{
		ObjectMeta: meta("db"), Spec: appsv1.StatefulSetSpec{Selector: selector, Template: template(webPod)},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DaemonSets(ns).Create(ctx, &appsv1.DaemonSet{
		ObjectMeta: meta("agent"), Spec: appsv1.DaemonSetSpec{
			Selector: selector, Template: template(webPod), UpdateStrategy: appsv1.DaemonSetUpdateStrategy{Type: appsv1.OnDeleteDaemonSetStrategyType},
		},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	look := func() map[string]kube.Workload {
		t.Helper()
		all, err := c.Workloads(ctx, ns)
		if err != nil {
			t.Fatal(err)
		}
		by := map[string]kube.Workload{}
		for _, w := range kube.Consumers(all, "api-db") {
			by[w.String()] = w
		}
		return by
	}
	found := look()
	var names []string
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names)
	if want := []string{"daemonset/agent", "deployment/paused", "deployment/web", "statefulset/db"}; !slices.Equal(names, want) {
		t.Fatalf("consumers: %v, want %v", names, want)
	}
	for name, word := range map[string]string{"daemonset/agent": "OnDelete", "deployment/paused": "resume"} {
		if !strings.Contains(found[name].Waits, word) {
			t.Errorf("%s waits: %q", name, found[name].Waits)
		}
	}

	restart := func(w kube.Workload, contents map[string]string, want bool) {
		t.Helper()
		did, err := c.Restart(ctx, w, contents, "test")
		if err != nil || did != want {
			t.Errorf("%s for %v: restarted=%v, %v; want %v", w, contents, did, err, want)
		}
	}
	for name, resource := range map[string]string{"deployment/web": "deployments/web", "statefulset/db": "statefulsets/db", "daemonset/agent": "daemonsets/agent"} {
		restart(found[name], map[string]string{"api-db": "1"}, true)
		restart(look()[name], map[string]string{"api-db": "1"}, false)
		restart(look()[name], map[string]string{"api-db": "2"}, true)
		if got := look()[name].RestartedFor("api-db"); got != "2" {
			t.Errorf("%s was restarted for %q", name, got)
		}
		if n := sent.count("PATCH", resource); n != 2 {
			t.Errorf("%s was patched %d times, want 2", name, n)
		}
	}
	web, err := c.Deployments(ns).Get(ctx, "web", metav1.GetOptions{})
	if err != nil || web.Generation != 3 {
		t.Errorf("generation %d, want 3: made and restarted twice (%v)", web.Generation, err)
	}
	// The restart of one that saw nothing of the one before changes nothing.
	restart(found["deployment/web"], map[string]string{"api-db": "2"}, true)
	if web, err = c.Deployments(ns).Get(ctx, "web", metav1.GetOptions{}); err != nil || web.Generation != 3 {
		t.Errorf("generation %d after the same once more, want 3 (%v)", web.Generation, err)
	}
}

func TestWorkloadsForbidden(t *testing.T) {
	if _, err := stranger(t).Workloads(t.Context(), "default"); err == nil || !strings.Contains(err.Error(), "listing the Deployments of default") {
		t.Errorf("got %v", err)
	}
}
