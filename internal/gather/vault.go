package gather

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// lookAtVault collects the facts about the server behind a store and, where that
// answers, about the login and the paths.
func (o *one) lookAtVault(ctx context.Context, s *diagnose.Store) {
	object := *s.Object.Value
	s.Vault.Address = Clean(object.Spec.Provider.Vault.Server)
	o.place(s)
	o.references(ctx, s)
	config, err := o.resolver.Connection(ctx, object, o.f.Namespace)
	if err != nil {
		why := asKV(err).Detail
		s.Vault.Connect = diagnose.Unknown[string](Clean(why))
		s.Login.Result = diagnose.Unknown[diagnose.LoginResult](Clean(why))
		return
	}
	key := fmt.Sprintf("%s\n%x\n%x", config.Address, config.CA, config.Certificate)
	s.Vault, _ = o.servers.get(key, func() (diagnose.Vault, error) { return o.server(ctx, config), nil })
	if o.VaultAddr != "" {
		s.Vault.Via = strings.TrimPrefix(s.Vault.Via+", in place of the store's server", ", ")
	}
	if seal := s.Vault.Seal; !seal.Known || seal.Value.Sealed || !seal.Value.Initialized {
		s.Login.Result = diagnose.Unknown[diagnose.LoginResult]("Vault does not serve")
		return
	}
	if !diagnose.Admits(&object, o.f.Namespace, s.NamespaceLabels) {
		s.Login.Result = diagnose.Unknown[diagnose.LoginResult]("the store does not admit the namespace")
		return
	}
	o.login(ctx, s)
}

// server looks at one server: connection, handshake, seal and health.
func (g *Gatherer) server(ctx context.Context, config vault.Config) diagnose.Vault {
	v := diagnose.Vault{Address: Clean(config.Address)}
	address, err := url.Parse(config.Address)
	if err != nil || address.Host == "" {
		v.Connect = diagnose.Known("it is no URL")
		return v
	}
	conn, err := g.dial(ctx, address)
	if g.Via != nil {
		v.Via = g.Via(hostPort(address))
	}
	switch {
	case apierrors.IsForbidden(err):
		v.Connect = diagnose.Unknown[string]("you may not port-forward to Vault, whose name does not resolve here: " + Clean(err.Error()))
		return v
	case err != nil && g.Unresolved != nil && g.Unresolved(hostPort(address)):
		v.Connect = diagnose.Unknown[string](address.Hostname() + " resolves only inside the cluster; try --port-forward=always")
		return v
	case err != nil:
		v.Connect = diagnose.Known(vault.Cause(err))
		return v
	}
	defer conn.Close()
	v.Connect = diagnose.Known("")
	v.TLS = diagnose.Known(diagnose.TLS{Plain: true})
	if address.Scheme == "https" {
		var silent string
		if v.TLS, silent = g.handshake(ctx, conn, address.Hostname(), config); silent != "" {
			v.Connect = diagnose.Known("the TLS handshake: " + silent) // it says nothing of the certificate
			return v
		}
		if !v.TLS.Known || v.TLS.Value.Refused != "" {
			return v
		}
	}
	zero := 0
	config.MaxRetries, config.Dial = &zero, g.Dial
	client, err := vault.New(config)
	if err != nil {
		v.Seal = diagnose.Unknown[diagnose.Seal](Clean(err.Error()))
		return v
	}
	seal, err := g.seal(ctx, client)
	if kv.KindOf(err) == kv.Unreachable {
		v.Connect = diagnose.Known(Clean(asKV(err).Detail)) // the connection stood and nothing answered
		return v
	}
	if v.Seal = seal; seal.Known {
		g.skew(ctx, client, &v)
		g.pods(ctx, config, address, &v)
	}
	return v
}

func hostPort(address *url.URL) string {
	if address.Port() != "" {
		return address.Host
	}
	if address.Scheme == "https" {
		return net.JoinHostPort(address.Hostname(), "443")
	}
	return net.JoinHostPort(address.Hostname(), "80")
}

func (g *Gatherer) dial(ctx context.Context, address *url.URL) (net.Conn, error) {
	ctx, cancel := g.limited(ctx)
	defer cancel()
	if g.Dial != nil {
		return g.Dial(ctx, "tcp", hostPort(address))
	}
	return new(net.Dialer).DialContext(ctx, "tcp", hostPort(address))
}

// seal asks one server for its state.
func (g *Gatherer) seal(ctx context.Context, client *vault.Client) (diagnose.Fact[diagnose.Seal], error) {
	ctx, cancel := g.limited(ctx)
	defer cancel()
	s, err := client.SealStatus(ctx)
	if err != nil {
		return diagnose.Unknown[diagnose.Seal](Clean(asKV(err).Detail)), err
	}
	return diagnose.Known(diagnose.Seal{
		Initialized: s.Initialized, Sealed: s.Sealed, Progress: s.Progress, Threshold: s.Threshold,
		Version: Clean(s.Version), Type: Clean(s.Type),
	}), nil
}

// skew compares the clocks, and learns what the server is: its edition, and whether it
// is a standby, with an active one or without.
func (g *Gatherer) skew(ctx context.Context, client *vault.Client, v *diagnose.Vault) {
	ctx, cancel := g.limited(ctx)
	defer cancel()
	before := g.Now()
	health, err := client.Health(ctx)
	if err != nil {
		return
	}
	middle := before.Add(g.Now().Sub(before) / 2)
	v.Skew = diagnose.Known(health.Time.Sub(middle))
	if !v.Seal.Known {
		return
	}
	v.Seal.Value.Standby = health.Standby
	if health.Enterprise != nil {
		community := !*health.Enterprise
		v.Seal.Value.Community = &community
	}
	if health.Standby {
		leader, err := client.Leader(ctx)
		if err == nil && leader.HA && leader.Address == "" {
			v.Seal.Value.Stuck = "it knows of none"
		}
	}
}
