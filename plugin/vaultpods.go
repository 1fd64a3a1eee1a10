package plugin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/bootstrap"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// vaultPort is where Vault's Pods serve, unless a container names a port http or https.
const vaultPort = 8200

// instanceLabel tells the Helm releases of a namespace apart.
const instanceLabel = "app.kubernetes.io/instance"

// vaultTarget are the flags that choose servers of Vault, and how they are verified.
type vaultTarget struct {
	pod        string
	instance   string
	caCert     string
	serverName string
	address    bool // --vault-addr was given
}

func (t *vaultTarget) addFlags(o *Options, c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&t.pod, "pod", "", "one Pod of Vault; all of its Pods when empty")
	flags.StringVar(&t.instance, "instance", "", "the Helm release (label "+instanceLabel+") where a namespace has several Vaults")
	flags.StringVar(&t.caCert, "ca-cert", "", "PEM file with the CA of Vault's certificate; VAULT_CACERT when empty")
	flags.StringVar(&t.serverName, "vault-tls-server-name", "", "name that Vault's certificate is verified against; VAULT_TLS_SERVER_NAME, else the Pod's or the address's when empty")
	_ = c.RegisterFlagCompletionFunc("pod", o.completePods)
	_ = c.RegisterFlagCompletionFunc("instance", o.completeInstances)
	_ = c.MarkFlagFilename("ca-cert")
}

// completeInstances completes the Helm releases that Vault's Pods are of.
func (o *Options) completeInstances(c *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	clients, err := o.clients()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := completing(c)
	defer cancel()
	pods, err := clients.VaultPods(ctx, o.vaultNamespace())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return startingWith(instances(pods), prefix), cobra.ShellCompDirectiveNoFileComp
}

func instances(pods []corev1.Pod) []string {
	var names []string
	for i := range pods {
		names = append(names, pods[i].Labels[instanceLabel])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// vaultNamespace is -n, else "vault": the context's namespace is where applications
// are, not where Vault is.
func (o *Options) vaultNamespace() string {
	if namespace, explicit, err := o.namespace(); err == nil && explicit {
		return namespace
	}
	return "vault"
}

// again is a command line for the same Vault.
func (o *Options) again(command string, t vaultTarget) string {
	line := Program + " " + command
	if namespace, explicit, err := o.namespace(); err == nil && explicit && !t.address {
		line += " -n " + namespace
	}
	if t.instance != "" {
		line += " --instance " + t.instance
	}
	if t.pod != "" {
		line += " --pod " + t.pod
	}
	if t.address {
		line += " --vault-addr " + gather.Clean(o.VaultAddr)
	}
	return line
}

// servers finds the servers of one Vault: the one of --vault-addr, else its Pods.
// VAULT_ADDR of the environment is left aside when there are Pods, for it names one
// server only. With --pod that one is chosen; family are all that belong to the same
// Vault. A Pod that does not run is a server that cannot be asked.
func (o *Options) servers(ctx context.Context, t vaultTarget) (chosen, family []bootstrap.Server, err error) {
	if t.address && (t.pod != "" || t.instance != "") {
		return nil, nil, usage("--pod and --instance choose Pods; --vault-addr goes without them")
	}
	trust, err := t.trust()
	if err != nil {
		return nil, nil, err
	}
	if t.address {
		server, err := o.addressed(trust)
		return []bootstrap.Server{server}, []bootstrap.Server{server}, err
	}
	clients, err := o.clients()
	if err != nil {
		return nil, nil, err
	}
	pods, err := clients.VaultPods(ctx, o.vaultNamespace())
	if err != nil {
		return nil, nil, fail(err, "name a server with --vault-addr to go without its Pods")
	}
	if pods, err = t.ofOneVault(pods, o.vaultNamespace()); err != nil {
		return nil, nil, err
	}
	for i := range pods {
		server, err := o.podServer(ctx, clients, pods[i], trust)
		if err != nil {
			return nil, nil, err
		}
		family = append(family, server)
		if t.pod == "" || t.pod == pods[i].Name {
			chosen = append(chosen, server)
		}
	}
	return chosen, family, nil
}

// ofOneVault keeps the Pods of one Helm release: two Vaults do not share their keys.
func (t vaultTarget) ofOneVault(pods []corev1.Pod, namespace string) ([]corev1.Pod, error) {
	what, instance := "no Pod of Vault", t.instance
	if t.pod != "" {
		what = "no Pod of Vault named " + t.pod
		i := slices.IndexFunc(pods, func(p corev1.Pod) bool { return p.Name == t.pod })
		if i < 0 {
			pods = nil
		} else if instance == "" {
			instance = pods[i].Labels[instanceLabel]
		}
	}
	if all := instances(pods); instance == "" && t.pod == "" && len(all) > 1 {
		return nil, fail(fmt.Errorf("namespace %s has Pods of several Vaults: %s", namespace, strings.Join(all, ", ")), "choose one with --instance NAME")
	}
	if instance != "" || t.pod != "" {
		pods = slices.DeleteFunc(slices.Clone(pods), func(p corev1.Pod) bool { return p.Labels[instanceLabel] != instance })
	}
	if len(pods) == 0 {
		return nil, fail(fmt.Errorf("%s in namespace %s (labels %s)", what, namespace, kube.VaultSelector),
			"name its namespace with -n, or one server with --vault-addr")
	}
	return pods, nil
}

// trust is what verifies Vault's certificate.
func (t vaultTarget) trust() (vault.Config, error) {
	trust := vault.Config{ServerName: t.serverName, Fresh: true}
	if trust.ServerName == "" {
		trust.ServerName = os.Getenv("VAULT_TLS_SERVER_NAME")
	}
	path := t.caCert
	if path == "" {
		path = os.Getenv("VAULT_CACERT")
	}
	if path == "" {
		return trust, nil
	}
	ca, err := os.ReadFile(path)
	if err != nil {
		return trust, fmt.Errorf("reading the CA of Vault's certificate: %w", err)
	}
	trust.CA = ca
	return trust, nil
}

// addressed is the server of --vault-addr; an in-cluster name goes through the tunnel.
func (o *Options) addressed(config vault.Config) (bootstrap.Server, error) {
	config.Address = o.VaultAddr
	if at, err := url.Parse(o.VaultAddr); err == nil && strings.Contains(at.Hostname()+".", ".svc.") {
		clients, err := o.clients()
		if err != nil {
			return bootstrap.Server{}, err
		}
		config.Dial = o.tunnel(clients).DialContext
	}
	client, err := vault.New(config)
	return bootstrap.Server{Name: gather.Clean(o.VaultAddr), Client: client}, err
}

// podServer reaches a Pod by port-forward, or at its own address with
// --port-forward=never. Whether it speaks http or https is what its VAULT_ADDR says, else
// what it answers.
func (o *Options) podServer(ctx context.Context, clients *kube.Clients, pod corev1.Pod, config vault.Config) (bootstrap.Server, error) {
	if pod.Status.Phase != corev1.PodRunning {
		return bootstrap.Server{Name: pod.Name, Down: fmt.Errorf("its Pod is %s", pod.Status.Phase)}, nil
	}
	host := pod.Name
	if pod.Spec.Subdomain != "" {
		host += "." + pod.Spec.Subdomain
	}
	scheme, port := podAddress(pod)
	config.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		if o.PortForward == kube.ForwardNever {
			return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(int(port))))
		}
		return clients.DialPod(ctx, pod.Namespace, pod.Name, port)
	}
	build := func(scheme string) (bootstrap.Server, error) {
		config.Address = fmt.Sprintf("%s://%s:%d", scheme, host, port)
		client, err := vault.New(config)
		return bootstrap.Server{Name: pod.Name, Client: client}, err
	}
	if scheme != "" {
		return build(scheme)
	}
	server, err := build("https")
	if err != nil {
		return server, err
	}
	if _, err := server.Client.SealStatus(ctx); errors.Is(err, vault.ErrPlain) {
		return build("http")
	}
	return server, nil
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
