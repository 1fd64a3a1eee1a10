package kube_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

func through(t *testing.T, tunnel *kube.Tunnel) *http.Client {
	t.Helper()
	transport := &http.Transport{DialContext: tunnel.DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func ask(t *testing.T, client *http.Client, url string) (string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func TestTunnelReachesVault(t *testing.T) {
	c, _, _ := stack(t)
	for _, mode := range []string{kube.ForwardAlways, kube.ForwardAuto, ""} {
		for _, host := range []string{"vault.vault.svc", "vault.vault.svc.cluster.local", "vault-0.vault-internal.vault.svc", "vault-0.vault-internal.vault.svc.cluster.local"} {
			tunnel := &kube.Tunnel{Clients: c, Mode: mode}
			client := through(t, tunnel)
			for range 2 { // a connection serves more than one request
				if body, err := ask(t, client, "http://"+host+":8200/v1/sys/health"); err != nil || !strings.Contains(body, `"initialized":true`) {
					t.Errorf("%q %s: %q, %v", mode, host, body, err)
				}
			}
			if via := tunnel.Via(host + ":8200"); via != "port-forward to vault-0" {
				t.Errorf("Via = %q", via)
			}
		}
	}
}

// A connection that broke is dialled anew by who uses it.
func TestTunnelAfterABreak(t *testing.T) {
	config := shared.Sandbox(t).RESTConfig()
	line := wire(t, config)
	client := through(t, &kube.Tunnel{Clients: connect(t, config), Mode: kube.ForwardAlways})
	const url = "http://vault.vault.svc:8200/v1/sys/health"
	if _, err := ask(t, client, url); err != nil {
		t.Fatal(err)
	}
	line.pull()
	line.plug()                          // whoever asks now holds a dead connection
	sandbox.Eventually(t, func() error { // the request in flight at the break may fail
		_, err := ask(t, client, url)
		return err
	})
}

func TestTunnelSaysWhyNot(t *testing.T) {
	c, namespace, _ := stack(t)
	for name, selector := range map[string]map[string]string{"headless": nil, "empty": {"app": "none"}} {
		service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{Selector: selector, Ports: []corev1.ServicePort{{Port: 8200}}}}
		if _, err := c.Services(namespace).Create(t.Context(), service, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for address, want := range map[string]string{
		"none." + namespace + ".svc:8200":     "Service " + namespace + "/none does not exist",
		"headless." + namespace + ".svc:8200": "selects no Pods",
		"empty." + namespace + ".svc:8200":    "no Pod behind Service " + namespace + "/empty is running",
		"vault.vault.svc:1":                   "has no port 1",
		"vault.vault.svc:70000":               "is not a port",
		"none.vault-internal.vault.svc:8200":  "port-forward to pod vault/none:8200",
	} {
		conn, err := (&kube.Tunnel{Clients: c, Mode: kube.ForwardAlways}).DialContext(t.Context(), "tcp", address)
		if err == nil {
			conn.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
	if _, err := (&kube.Tunnel{Clients: c, Mode: kube.ForwardNever}).DialContext(t.Context(), "tcp", "vault.vault.svc:8200"); err == nil {
		t.Error("a name that does not resolve was reached without forwarding")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.DialPod(ended, "vault", "vault-0", 8200); err == nil {
		t.Error("a dial went on after its end")
	}
}

func TestDialPodWhereNothingListens(t *testing.T) {
	c, _, _ := stack(t)
	conn, err := c.DialPod(t.Context(), "vault", "vault-0", 4)
	if err == nil {
		defer conn.Close()
		_, err = conn.Read(make([]byte, 1))
	}
	if err == nil {
		t.Error("something answered")
	}
}

func TestVaultPods(t *testing.T) {
	c, namespace, _ := stack(t)
	pods, err := c.VaultPods(t.Context(), "vault")
	if err != nil || len(pods) != 1 || pods[0].Name != "vault-0" || !kube.Ready(pods[0]) {
		t.Errorf("VaultPods = %d, %v; want vault-0, ready", len(pods), err)
	}
	if pods, err := c.VaultPods(t.Context(), namespace); err != nil || len(pods) != 0 {
		t.Errorf("VaultPods of a namespace without = %d, %v", len(pods), err)
	}
}
