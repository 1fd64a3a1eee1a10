package plugin

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/bootstrap"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// vaultPort is where Vault's Pods serve, unless a container names a port http or https.
const vaultPort = 8200

// vaultTarget are the flags that choose servers of Vault.
type vaultTarget struct {
	pod    string
	caCert string
}

func (t *vaultTarget) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&t.pod, "pod", "", "one Pod of Vault; all of its Pods when empty")
	flags.StringVar(&t.caCert, "ca-cert", "", "PEM file with the CA of Vault's certificate; VAULT_CACERT when empty")
}

// vaultNamespace is -n, else "vault": the context's namespace is where applications
// are, not where Vault is.
func (o *Options) vaultNamespace() string {
	if namespace, explicit, err := o.namespace(); err == nil && explicit {
		return namespace
	}
	return "vault"
}

// servers finds Vault's servers: the one of --vault-addr, else the Pods. VAULT_ADDR
// of the environment is left aside when there are Pods, for it names one server only.
func (o *Options) servers(ctx context.Context, t vaultTarget, addressGiven bool) ([]bootstrap.Server, error) {
	ca, err := t.ca()
	if err != nil {
		return nil, err
	}
	if addressGiven {
		client, err := vault.New(vault.Config{Address: o.VaultAddr, CA: ca})
		if err != nil {
			return nil, err
		}
		return []bootstrap.Server{{Name: o.VaultAddr, Client: client}}, nil
	}
	clients, err := o.clients()
	if err != nil {
		return nil, err
	}
	namespace := o.vaultNamespace()
	pods, err := clients.VaultPods(ctx, namespace)
	if err != nil {
		return nil, fail(err, "name a server with --vault-addr to go without its Pods")
	}
	var servers []bootstrap.Server
	for _, pod := range pods {
		if t.pod != "" && pod.Name != t.pod || pod.Status.Phase != corev1.PodRunning {
			continue
		}
		server, err := podServer(ctx, clients, pod, ca)
		if err != nil {
			return nil, err
		}
		servers = append(servers, server)
	}
	if len(servers) == 0 {
		what := "no Pod of Vault is running"
		if t.pod != "" {
			what = "no Pod of Vault named " + t.pod + " is running"
		}
		return nil, fail(fmt.Errorf("%s in namespace %s (labels %s)", what, namespace, kube.VaultSelector),
			"name its namespace with -n, or one server with --vault-addr")
	}
	return servers, nil
}

func (t vaultTarget) ca() ([]byte, error) {
	path := t.caCert
	if path == "" {
		path = os.Getenv("VAULT_CACERT")
	}
	if path == "" {
		return nil, nil
	}
	ca, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the CA of Vault's certificate: %w", err)
	}
	return ca, nil
}

// podServer reaches a Pod by port-forward. Whether it speaks http or https is what its
// VAULT_ADDR says, else what it answers.
func podServer(ctx context.Context, clients *kube.Clients, pod corev1.Pod, ca []byte) (bootstrap.Server, error) {
	host := pod.Name
	if pod.Spec.Subdomain != "" {
		host += "." + pod.Spec.Subdomain
	}
	scheme, port := podAddress(pod)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return clients.DialPod(ctx, pod.Namespace, pod.Name, port)
	}
	build := func(scheme string) (*vault.Client, error) {
		return vault.New(vault.Config{Address: fmt.Sprintf("%s://%s:%d", scheme, host, port), CA: ca, Dial: dial})
	}
	if scheme != "" {
		client, err := build(scheme)
		return bootstrap.Server{Name: pod.Name, Client: client}, err
	}
	client, err := build("http")
	if err != nil {
		return bootstrap.Server{}, err
	}
	if _, err := client.SealStatus(ctx); kv.KindOf(err) == kv.BadRequest || kv.KindOf(err) == kv.BadAnswer {
		client.Close()
		client, err = build("https")
		return bootstrap.Server{Name: pod.Name, Client: client}, err
	}
	return bootstrap.Server{Name: pod.Name, Client: client}, nil
}

// podAddress is the scheme, if the Pod tells, and the port.
func podAddress(pod corev1.Pod) (scheme string, port int32) {
	port = vaultPort
	for _, container := range pod.Spec.Containers {
		for _, p := range container.Ports {
			if p.Name == "http" || p.Name == "https" {
				port = p.ContainerPort
				if p.Name == "https" {
					scheme = "https"
				}
			}
		}
		for _, variable := range container.Env {
			if variable.Name != "VAULT_ADDR" {
				continue
			}
			if address, err := url.Parse(strings.TrimSpace(variable.Value)); err == nil && (address.Scheme == "http" || address.Scheme == "https") {
				scheme = address.Scheme
			}
		}
	}
	return scheme, port
}
