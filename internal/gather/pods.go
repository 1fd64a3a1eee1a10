package gather

import (
	"context"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// pods asks every server Pod behind an in-cluster Service for its own state. Where
// the caller may not list Pods or forward ports, nothing is known of them.
func (g *Gatherer) pods(ctx context.Context, config vault.Config, address *url.URL, v *diagnose.Vault) {
	parts := strings.Split(address.Hostname(), ".")
	if len(parts) < 3 || parts[2] != "svc" || g.Dial == nil {
		return
	}
	_, text, err := net.SplitHostPort(hostPort(address))
	port, convErr := strconv.ParseInt(text, 10, 32)
	if err != nil || convErr != nil {
		return
	}
	ctx, cancel := g.limited(ctx)
	defer cancel()
	list, err := g.Clients.VaultPods(ctx, parts[1])
	if err != nil || len(list) == 0 {
		return
	}
	found := make([]diagnose.VaultPod, len(list))
	var all sync.WaitGroup
	for i := range list {
		found[i] = diagnose.VaultPod{Namespace: parts[1], Name: list[i].Name, Ready: kube.Ready(list[i])}
		all.Go(func() {
			pod := config
			pod.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
				return g.Clients.DialPod(ctx, parts[1], list[i].Name, int32(port))
			}
			client, err := vault.New(pod)
			if err != nil {
				found[i].Seal = diagnose.Unknown[diagnose.Seal](Clean(err.Error()))
				return
			}
			found[i].Seal, _ = g.seal(ctx, client)
		})
	}
	all.Wait()
	v.Pods = diagnose.Known(found)
}
