// Package vault is all that speaks to Vault: KV reads, logins, tokens, and the sys
// endpoints that init and unseal need.
//
// Rules: a client is built from explicit configuration and takes nothing from the
// process's environment but its proxy; every answer is looked at raw before it
// counts as absence; every error is a *kv.Error whose text is the same from try to
// try and holds no secret.
//
// vault/api lends its types and its retry policy. Its Client does not serve here:
// building one reads VAULT_TOKEN, VAULT_HEADERS and a dozen more each time, and fails
// when one of them is malformed.
package vault

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// Config is all that a client knows of a Vault.
type Config struct {
	// Address is the base URL, e.g. https://vault.vault.svc:8200; http or https.
	Address string
	// Namespace is the Vault Enterprise namespace, "" for none.
	Namespace string
	// Headers go with every request. They may hold credentials of a gateway.
	Headers map[string]string
	// CA holds PEM certificates that replace the system's roots; nil keeps them.
	CA []byte
	// Certificate and Key are a PEM client certificate; both or neither.
	Certificate []byte
	Key         redact.Bytes
	// ServerName is the name that the server's certificate is verified against; the
	// host of Address when empty.
	ServerName string
	// Timeout bounds one call with its repetitions; 0 is a minute.
	Timeout time.Duration
	// MaxRetries is how often a failed request is repeated; nil is 2, and a 503
	// (sealed, or no active node) then counts as an answer and is not repeated.
	MaxRetries *int
	// RetryInterval is the pause between tries; 0 is one to one and a half seconds.
	RetryInterval time.Duration
	// Fresh makes a connection of its own for each request: for requests with a person's
	// pauses between them, in which a tunnel may die unnoticed.
	Fresh bool
	// ReadYourWrites and ForwardInconsistent are the store's fields of the same names.
	ReadYourWrites, ForwardInconsistent bool
	// Dial replaces the net dialer, for a tunnel, and no proxy is used then; TLS is
	// still verified against the name in Address.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Format prints the address and the namespace, never a header or a key.
func (c Config) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, fmt.Sprintf("vault(%q, namespace %q)", c.Address, c.Namespace))
}

// Client speaks to one Vault under at most one token. It does not change and serves
// any number of goroutines.
type Client struct {
	wire  *wire
	token redact.Bytes
	memo  *memo
}

// wire is what all clients of one configuration share: connections and their state.
type wire struct {
	config  Config
	base    *url.URL
	http    *http.Client
	headers http.Header

	mu     sync.Mutex
	states []string // X-Vault-Index states, when they are tracked
}

// New builds a client. Nothing is sent.
func New(config Config) (*Client, error) {
	base, err := parseAddress(config.Address)
	if err != nil {
		return nil, err
	}
	transport, err := config.transport()
	if err != nil {
		return nil, err
	}
	if config.Timeout <= 0 {
		config.Timeout = time.Minute
	}
	config.Headers = maps.Clone(config.Headers)
	return &Client{memo: new(memo), wire: &wire{
		config: config, base: base, headers: config.headers(),
		http: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}}, nil
}

// parseAddress takes http and https URLs alone: a unix socket or a file would be one
// of this process's own pod.
func parseAddress(address string) (*url.URL, error) {
	refuse := func(why string) error {
		return &kv.Error{Kind: kv.BadConfig, Field: "spec.provider.vault.server", Detail: "the Vault address (spec.provider.vault.server) " + why}
	}
	base, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, refuse("is no URL")
	case base.User != nil:
		return nil, refuse("must not hold a user name or password")
	case base.Scheme != "http" && base.Scheme != "https":
		return nil, refuse(fmt.Sprintf("%q must start with http:// or https://", clean(address)))
	case base.Hostname() == "":
		return nil, refuse(fmt.Sprintf("%q names no host", clean(address)))
	case base.RawQuery != "" || base.Fragment != "":
		return nil, refuse("must not hold a query or fragment")
	}
	base.Path, base.RawPath = strings.TrimSuffix(base.Path, "/"), ""
	return base, nil
}

// SameServer reports whether two addresses name one server: scheme, host, port (that of
// the scheme where none is given) and path are the same. What is no address is none's.
func SameServer(a, b string) bool {
	one, err := parseAddress(a)
	other, problem := parseAddress(b)
	return err == nil && problem == nil && serverName(one) == serverName(other)
}

func serverName(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port) + u.Path
}

// headers of every request. A store's own come first, so that they replace nothing
// that is ours.
func (c Config) headers() http.Header {
	h := http.Header{}
	for name, value := range c.Headers {
		h.Set(name, value)
	}
	h.Set("X-Vault-Request", "true")
	h.Set("Accept", "application/json")
	h.Set("User-Agent", "vaultsecret")
	if c.ReadYourWrites && c.ForwardInconsistent {
		h.Set("X-Vault-Inconsistent", "forward-active-node")
	}
	return h
}

// WithToken returns a client of the same connections that sends the token.
func (c *Client) WithToken(token redact.Bytes) *Client {
	return &Client{wire: c.wire, token: token, memo: new(memo)}
}

// Remembering returns a client that asks for each mount once and, after a 403, for
// its token once. It is made anew for each pass.
func (c *Client) Remembering() *Client {
	return &Client{wire: c.wire, token: c.token, memo: &memo{keep: true}}
}

// Address is the base URL.
func (c *Client) Address() string { return c.wire.base.String() }

// Close closes idle connections, of all clients that share them.
func (c *Client) Close() { c.wire.http.CloseIdleConnections() }

// Format prints the address, never the token.
func (c *Client) Format(f fmt.State, verb rune) { c.wire.config.Format(f, verb) }
