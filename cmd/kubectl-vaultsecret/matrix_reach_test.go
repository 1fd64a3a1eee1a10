package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// status asks for the seals of one open server.
func status(prepare func(*bench), args ...string) func(*bench) result {
	return func(b *bench) result {
		b.sealed()
		b.open(0)
		prepare(b)
		return b.plugin(append([]string{"unseal", "--status"}, args...)...)
	}
}

const openRow = "^vault-0 +unsealed, active"

// reachCases: the way to Vault.
func reachCases() []matrixCase {
	nothing := func(*bench) {}
	otherName := func(b *bench) { b.pod("vault-0", func(p *corev1.Pod) { p.Spec.Subdomain = "" }) }
	return []matrixCase{
		{name: "unknown CA", done: "`VAULT_CACERT` not set", says: "certificate signed by unknown authority", code: 2, left: "open", run: status(func(b *bench) { b.env["VAULT_CACERT"] = "" })},
		{name: "CA file missing", done: "`--ca-cert nowhere.pem`", says: "^error: reading the CA of Vault's certificate", code: 1, left: "open", run: status(nothing, "--ca-cert=nowhere.pem")},
		{name: "certificate for another name", done: "the certificate does not name the Pod", says: "its certificate is for another name", code: 2, left: "open", run: status(otherName)},
		{name: "`--vault-tls-server-name`", done: "the same, with a name that it has", says: openRow, left: "open", run: status(otherName, "--vault-tls-server-name=vault.vault.svc")},
		{
			name: "unknown CA, unsealing", done: "`unseal` without `VAULT_CACERT`", says: "^error: no server of Vault answers: vault-0: certificate signed by unknown authority", code: 1, left: "sealed, 0 of 3",
			run: func(b *bench) result {
				b.sealed()
				b.env["VAULT_CACERT"] = ""
				return b.keyFile(b.shares[:3]...)
			},
		},
		{
			name: "https not told by the Pod", done: "its port is called `http`, it serves https", says: openRow, left: "open",
			run: status(func(b *bench) {
				b.pod("vault-0", func(p *corev1.Pod) { p.Spec.Containers[0].Ports[0].Name = "http" })
			}),
		},
		{
			name: "`--vault-addr`", done: "one server by its address, `--key-file`", says: unsealed, left: "open",
			run: func(b *bench) result {
				b.sealed()
				return b.plugin("unseal", "--vault-addr", b.sb.VaultAddress(0), "--key-file", b.file("shares", b.shares[:3]...))
			},
		},
		{
			name: "`--vault-addr` of a Service", done: "`--vault-addr https://vault.vault.svc:8200`", says: "unsealed, active", left: "open",
			run: status(nothing, "--vault-addr=https://vault.vault.svc:8200"),
		},
		{
			name: "`--vault-addr`, nobody there", done: "`--vault-addr https://127.0.0.1:1`", says: "connection refused", code: 2, left: "open",
			run: status(nothing, "--vault-addr=https://127.0.0.1:1"),
		},
		{
			name: "http for https", done: "`--vault-addr http://…`", says: "it answers https, the address says http", code: 2, left: "open",
			run: func(b *bench) result {
				b.sealed()
				b.open(0)
				return b.plugin("unseal", "--status", "--vault-addr", strings.Replace(b.sb.VaultAddress(0), "https", "http", 1))
			},
		},
		{name: "no Pods", done: "`-n kube-system`", says: "^error: no Pod of Vault in namespace kube-system", code: 1, left: "open", run: status(nothing, "-n", "kube-system")},
		{name: "no such Pod", done: "`--pod vault-9`", says: "^error: no Pod of Vault named vault-9 in namespace vault", code: 1, left: "open", run: status(nothing, "--pod=vault-9")},
		{name: "Pods may not be listed", done: "as somebody without rights", says: "^error: listing Vault's Pods", code: 1, left: "open", run: status(func(b *bench) { b.as("nobody") })},
		{
			name: "port-forward forbidden", done: "as somebody who may list Pods only", says: "^error: no server of Vault answers: .*forbidden", code: 1, left: "sealed, 0 of 3",
			run: func(b *bench) result {
				b.sealed()
				b.as("watcher", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list"}})
				return b.keyFile(b.shares[:3]...)
			},
		},
		{
			name: "no websockets on the way", done: "a proxy before the API server refuses them: SPDY is taken", says: openRow, left: "open",
			run: status(func(b *bench) { b.withoutWebsockets() }),
		},
		{
			name: "`--port-forward=never`", done: "the Pod's own address is dialled", says: openRow, left: "open",
			run: status(func(b *bench) { b.reachable() }, "--port-forward=never"),
		},
		{
			name: "`--port-forward=always`", done: "as by default, for Pods", says: openRow, left: "open", run: status(nothing, "--port-forward=always"),
		},
	}
}

// as makes the plugin act as a ServiceAccount with the rules, in namespace vault.
func (b *bench) as(name string, rules ...rbacv1.PolicyRule) {
	b.Helper()
	meta := metav1.ObjectMeta{Name: name, Namespace: "vault"}
	core, rbac := b.sb.Client().CoreV1(), b.sb.Client().RbacV1()
	_, err := core.ServiceAccounts("vault").Create(b.Context(), &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{})
	b.must(err)
	_, err = rbac.Roles("vault").Create(b.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{})
	b.must(err)
	_, err = rbac.RoleBindings("vault").Create(b.Context(), &rbacv1.RoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: name, Namespace: "vault"}},
	}, metav1.CreateOptions{})
	b.must(err)
	b.env["KUBECONFIG"], err = b.sb.ServiceAccountKubeconfig(b.Context(), "vault", name)
	b.must(err)
}

// withoutWebsockets puts a proxy before the API server that refuses to upgrade to
// websockets, as some load balancers do, and lets SPDY through.
func (b *bench) withoutWebsockets() {
	b.Helper()
	config := b.sb.RESTConfig()
	api, err := url.Parse(config.Host)
	b.must(err)
	security, err := rest.TLSConfigFor(config)
	b.must(err)
	forward := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(api) },
		Transport: &http.Transport{TLSClientConfig: security},
	}
	var refused, spdy atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch upgrade := strings.ToLower(r.Header.Get("Upgrade")); {
		case upgrade == "websocket":
			refused.Add(1)
			http.Error(w, "no websockets here", http.StatusBadRequest)
			return
		case strings.HasPrefix(upgrade, "spdy/"):
			spdy.Add(1)
		}
		forward.ServeHTTP(w, r)
	}))
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	b.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		if refused.Load() == 0 || spdy.Load() == 0 {
			b.Errorf("%d websockets refused, %d SPDY connections; want some of both", refused.Load(), spdy.Load())
		}
	})
	b.env["KUBECONFIG"] = filepath.Join(b.dir, "kubeconfig")
	b.must(clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"proxy": {Server: server.URL, CertificateAuthorityData: certificate(server.Certificate())}},
		Contexts:       map[string]*clientcmdapi.Context{"proxy": {Cluster: "proxy"}},
		CurrentContext: "proxy",
	}, b.env["KUBECONFIG"]))
}

func certificate(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// reachable gives vault-0's Pod the address and the port at which its server is reached
// without a port-forward.
func (b *bench) reachable() {
	b.Helper()
	at, err := url.Parse(b.sb.VaultAddress(0))
	b.must(err)
	port, err := net.LookupPort("tcp", at.Port())
	b.must(err)
	b.pod("vault-0", func(p *corev1.Pod) { p.Spec.Containers[0].Ports[0].ContainerPort = int32(port) })
	pods := b.sb.Client().CoreV1().Pods("vault")
	sandbox.Eventually(b, func() error {
		pod, err := pods.Get(b.Context(), "vault-0", metav1.GetOptions{})
		if err != nil {
			return err
		}
		pod.Status.PodIP, pod.Status.PodIPs = "127.0.0.1", []corev1.PodIP{{IP: "127.0.0.1"}}
		_, err = pods.UpdateStatus(b.Context(), pod, metav1.UpdateOptions{})
		return err
	})
}

// shell runs the plugin, as $0, from a line of shell.
func (b *bench) shell(line string) result {
	b.Helper()
	cmd := b.command()
	shell := exec.CommandContext(b.Context(), "/bin/sh", "-c", line, cmd.Path)
	shell.Dir, shell.Env = cmd.Dir, cmd.Env
	out, err := shell.CombinedOutput()
	return result{text: string(out), code: exitCode(b, err)}
}
