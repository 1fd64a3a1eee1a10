// Package vault is all that speaks to Vault: KV reads, logins, tokens, and the sys
// endpoints that init and unseal need.
//
// Rules: a client is built from explicit configuration and takes nothing from the
// process's environment but its proxy; every answer is looked at raw before it
// counts as absence; every error is a *kv.Error whose text is the same from try to
// try and holds no secret.
package vault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/hashicorp/vault/api"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// maxAnswer bounds what is read of one answer, in bytes.
const maxAnswer = 32 << 20

// Config is all that a client knows of a Vault.
type Config struct {
	// Address is the base URL, e.g. https://vault.vault.svc:8200; http or https.
	Address string
	// Namespace is the Vault Enterprise namespace, "" for none.
	Namespace string
	Headers   map[string]string
	// CA holds PEM certificates that replace the system's roots; nil keeps them.
	CA []byte
	// Certificate and Key are a PEM client certificate; both or neither.
	Certificate []byte
	Key         redact.Bytes
	// MaxRetries is how often a failed request is repeated; nil is 2.
	MaxRetries *int
	// RetryInterval is the pause between tries; 0 is one to one and a half seconds.
	RetryInterval time.Duration
	// ReadYourWrites and ForwardInconsistent are the store's fields of the same names.
	ReadYourWrites, ForwardInconsistent bool
	// Dial replaces the net dialer, for a tunnel; TLS is still verified against the
	// name in Address.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Client speaks to one Vault under at most one token.
type Client struct {
	api *api.Client
}

// New builds a client. Nothing is sent.
func New(config Config) (*Client, error) {
	transport, err := config.transport()
	if err != nil {
		return nil, err
	}
	retries := 2
	if config.MaxRetries != nil {
		retries = *config.MaxRetries
	}
	low, high := time.Second, 1500*time.Millisecond
	if config.RetryInterval > 0 {
		low, high = config.RetryInterval, config.RetryInterval
	}
	client, err := api.NewClient(&api.Config{
		Address: config.Address, HttpClient: &http.Client{Transport: transport}, Timeout: time.Minute,
		MaxRetries: retries, MinRetryWait: low, MaxRetryWait: high,
		Backoff: retryablehttp.LinearJitterBackoff, CheckRetry: retryPolicy,
		ReadYourWrites: config.ReadYourWrites,
	})
	if err != nil {
		return nil, &kv.Error{Kind: kv.BadConfig, Field: "spec.provider.vault.server", Detail: "building a Vault client for " + config.Address + ": " + err.Error(), Err: err}
	}
	// NewClient looks at VAULT_TOKEN, VAULT_NAMESPACE and VAULT_HEADERS. None of
	// them may reach a tenant's Vault.
	client.ClearToken()
	headers := http.Header{}
	headers.Set("X-Vault-Request", "true")
	for name, value := range config.Headers {
		headers.Set(name, value)
	}
	if config.ReadYourWrites && config.ForwardInconsistent {
		headers.Set("X-Vault-Inconsistent", "forward-active-node")
	}
	client.SetHeaders(headers)
	client.ClearNamespace()
	if config.Namespace != "" {
		client.SetNamespace(config.Namespace)
	}
	return &Client{api: client}, nil
}

func retryPolicy(ctx context.Context, resp *http.Response, err error) (bool, error) {
	var refused *redirectError
	if errors.As(err, &refused) {
		return false, err
	}
	if resp != nil && resp.StatusCode == http.StatusServiceUnavailable {
		return false, nil // sealed or standby: the pass comes again
	}
	return api.DefaultRetryPolicy(ctx, resp, err)
}

func (c Config) transport() (http.RoundTripper, error) {
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout: 90 * time.Second, MaxIdleConnsPerHost: 8,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
		DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
	}
	if c.Dial != nil {
		t.DialContext = c.Dial
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
			return nil, &kv.Error{Kind: kv.BadConfig, Field: "spec.provider.vault.tls", Detail: "the client certificate and its key do not fit together"}
		}
		t.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	return guard{t}, nil
}

// SetToken makes the client use a token from now on.
func (c *Client) SetToken(token redact.Bytes) { c.api.SetToken(string(token.Reveal())) }

// Address is the base URL.
func (c *Client) Address() string { return c.api.Address() }

// guard refuses a redirect to another host, which would carry the token along, and
// bounds what is read.
type guard struct{ next *http.Transport }

type redirectError struct{ from, to string }

func (e *redirectError) Error() string {
	return fmt.Sprintf("%s redirects to another host (%s), which is not followed", e.from, e.to)
}

func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := g.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if location, err := resp.Location(); err == nil && location.Host != r.URL.Host {
		resp.Body.Close()
		return nil, &redirectError{r.URL.Host, location.Host}
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxAnswer}
	return resp, nil
}

var errTooLarge = errors.New("the answer is larger than 32 MiB")

type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	if len(p) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= n
	return n, err
}
