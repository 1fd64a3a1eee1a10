package gather

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// handshake looks at the certificate before any request is made, so that a refusal
// can be told with its kind. silent is why there was no handshake at all.
func (g *Gatherer) handshake(ctx context.Context, conn net.Conn, host string, config vault.Config) (t diagnose.Fact[diagnose.TLS], silent string) {
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
			return diagnose.Known(diagnose.TLS{Kind: "other", Refused: "it does not speak TLS, yet the address says https"}), ""
		}
		var network net.Error
		if errors.As(err, &network) && network.Timeout() || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || ctx.Err() != nil {
			return diagnose.Unknown[diagnose.TLS]("there was no handshake"), vault.Cause(err)
		}
		return diagnose.Known(diagnose.TLS{Kind: "other", Refused: vault.Cause(err)}), ""
	}
	return diagnose.Known(judge(client.ConnectionState().PeerCertificates, host, config.CA, g.Now())), ""
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
