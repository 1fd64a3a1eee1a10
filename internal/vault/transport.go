package vault

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// connections bounds those to one store's server, where it does not speak HTTP/2:
// more reads at a time wait for one that is open rather than open and close another.
const connections = 12

// transport makes connections: TLS 1.2 or newer, the store's CA in place of the
// system's, and the process's proxy unless a tunnel was given.
func (c Config) transport() (*http.Transport, error) {
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout: 90 * time.Second, MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, MaxResponseHeaderBytes: 64 << 10,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}, ForceAttemptHTTP2: true,
		DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
	}
	t.DisableKeepAlives = c.Fresh
	if c.Dial != nil {
		t.DialContext, t.Proxy = c.Dial, nil
	}
	if c.CA != nil {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(c.CA) {
			return nil, &kv.Error{Kind: kv.BadConfig, Field: "spec.provider.vault.caBundle", Detail: "the CA (caBundle or caProvider) holds no PEM certificate"}
		}
		t.TLSClientConfig.RootCAs = pool
	}
	if c.Certificate != nil {
		pair, err := tls.X509KeyPair(c.Certificate, c.Key.Reveal())
		if err != nil {
			// The parser's own text may quote what it read.
			return nil, &kv.Error{Kind: kv.BadConfig, Field: "spec.provider.vault.tls", Detail: "the client certificate and its key do not fit together, or are no PEM"}
		}
		t.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}
