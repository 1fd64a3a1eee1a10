package gather

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// lookAtVault collects the facts about the server behind a store and, where that
// answers, about the login and the paths.
func (o *one) lookAtVault(ctx context.Context, s *diagnose.Store) {
	object := *s.Object.Value
	s.Vault.Address = Clean(object.Spec.Provider.Vault.Server)
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
	if seal := s.Vault.Seal; !seal.Known || seal.Value.Sealed || !seal.Value.Initialized {
		s.Login.Result = diagnose.Unknown[diagnose.LoginResult]("Vault does not serve")
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
	if err != nil {
		v.Connect = diagnose.Known(unreached(err))
		return v
	}
	defer conn.Close()
	v.Connect = diagnose.Known("")
	v.TLS = diagnose.Known(diagnose.TLS{Plain: true})
	if address.Scheme == "https" {
		v.TLS = g.handshake(ctx, conn, address.Hostname(), config)
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
	v.Seal = g.seal(ctx, client)
	g.skew(ctx, client, &v)
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

// unreached is why no connection came about, the same from try to try.
func unreached(err error) string {
	var dns *net.DNSError
	var network net.Error
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host: " + Clean(dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to it"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "no answer in time"
	}
	return Clean(err.Error())
}

// handshake looks at the certificate before any request is made, so that a refusal
// can be told with its kind.
func (g *Gatherer) handshake(ctx context.Context, conn net.Conn, host string, config vault.Config) diagnose.Fact[diagnose.TLS] {
	ctx, cancel := g.limited(ctx)
	defer cancel()
	settings := &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: host,
		InsecureSkipVerify: true, // nothing is sent; the chain is verified below, to tell the kind of refusal
	}
	if config.Certificate != nil {
		if pair, err := tls.X509KeyPair(config.Certificate, config.Key.Reveal()); err == nil {
			settings.Certificates = []tls.Certificate{pair}
		}
	}
	client := tls.Client(conn, settings)
	if err := client.HandshakeContext(ctx); err != nil {
		var record tls.RecordHeaderError
		if errors.As(err, &record) {
			return diagnose.Known(diagnose.TLS{Kind: "other", Refused: "it does not speak TLS, yet the address says https"})
		}
		return diagnose.Known(diagnose.TLS{Kind: "other", Refused: unreached(err)})
	}
	return diagnose.Known(judge(client.ConnectionState().PeerCertificates, host, config.CA, g.Now()))
}

func judge(chain []*x509.Certificate, host string, roots []byte, now time.Time) diagnose.TLS {
	leaf := chain[0]
	t := diagnose.TLS{NotAfter: leaf.NotAfter}
	for _, name := range leaf.DNSNames {
		t.Names = append(t.Names, Clean(name))
	}
	for _, ip := range leaf.IPAddresses {
		t.Names = append(t.Names, ip.String())
	}
	options := x509.VerifyOptions{DNSName: host, Intermediates: x509.NewCertPool(), CurrentTime: now}
	if roots != nil {
		options.Roots = x509.NewCertPool()
		options.Roots.AppendCertsFromPEM(roots)
	}
	for _, c := range chain[1:] {
		options.Intermediates.AddCert(c)
	}
	_, err := leaf.Verify(options)
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case err == nil:
		return t
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		t.Kind = "expired"
	case errors.As(err, &name):
		t.Kind = "name"
	case errors.As(err, new(x509.UnknownAuthorityError)):
		t.Kind = "authority"
	default:
		t.Kind = "other"
	}
	t.Refused = Clean(strings.TrimPrefix(err.Error(), "x509: "))
	return t
}

// seal asks one server for its state.
func (g *Gatherer) seal(ctx context.Context, client *vault.Client) diagnose.Fact[diagnose.Seal] {
	ctx, cancel := g.limited(ctx)
	defer cancel()
	s, err := client.SealStatus(ctx)
	if err != nil {
		return diagnose.Unknown[diagnose.Seal](Clean(asKV(err).Detail))
	}
	return diagnose.Known(diagnose.Seal{
		Initialized: s.Initialized, Sealed: s.Sealed, Progress: s.Progress, Threshold: s.Threshold,
		Version: Clean(s.Version), Type: Clean(s.Type),
	})
}

// skew compares the clocks, and learns whether the server is a standby.
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
	if v.Seal.Known {
		v.Seal.Value.Standby = health.Standby
	}
}
