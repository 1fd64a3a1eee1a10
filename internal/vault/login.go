package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hashicorp/vault/api"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// Login is what a login request needs.
type Login struct {
	// Path is the request path, e.g. "auth/approle/login".
	Path string
	// Namespace is the Vault Enterprise namespace of the login.
	Namespace string
	// Body holds the credential. It is sent and never printed.
	Body map[string]redact.Bytes
}

// Token is a Vault token and what is known of it.
type Token struct {
	ID redact.Bytes
	// TTL at the time it was learned; 0 never expires.
	TTL       time.Duration
	Renewable bool
	// Batch tokens can be neither renewed nor revoked.
	Batch    bool
	Policies []string
	Accessor string
}

// Login logs in and makes the client use the new token.
func (c *Client) Login(ctx context.Context, login Login) (Token, error) {
	body := make(map[string]any, len(login.Body))
	for name, value := range login.Body {
		body[name] = string(value.Reveal())
	}
	client := c.api
	if login.Namespace != "" {
		client = c.api.WithNamespace(login.Namespace)
	}
	// A dead token must not ride along on the login that replaces it.
	anonymous, err := client.CloneWithHeaders()
	if err != nil {
		return Token{}, &kv.Error{Kind: kv.BadConfig, Detail: "preparing the login"}
	}
	anonymous.ClearToken()
	secret, err := anonymous.Logical().WriteWithContext(ctx, login.Path, body)
	if err != nil {
		e := c.classify("logging in", login.Path, err)
		if e.Kind == kv.BadRequest || e.Kind == kv.Denied || e.Kind == kv.NoMount {
			e.Kind = kv.BadCredential
		}
		return Token{}, e
	}
	if secret == nil || secret.Auth == nil || secret.Auth.ClientToken == "" {
		return Token{}, &kv.Error{Kind: kv.BadAnswer, Path: login.Path, Detail: "logging in at " + login.Path + ": the answer holds no token"}
	}
	token := Token{
		ID: redact.Bytes(secret.Auth.ClientToken), TTL: time.Duration(secret.Auth.LeaseDuration) * time.Second,
		Renewable: secret.Auth.Renewable, Policies: secret.Auth.Policies, Accessor: secret.Auth.Accessor,
	}
	token.Batch = token.Accessor == ""
	c.SetToken(token.ID)
	return token, nil
}

// LookupSelf asks what the client's token is. A token that Vault does not know gives
// a BadCredential error.
func (c *Client) LookupSelf(ctx context.Context) (Token, error) {
	secret, err := c.api.Auth().Token().LookupSelfWithContext(ctx)
	if err != nil {
		e := c.classify("invalid vault credentials", "auth/token/lookup-self", err)
		var answer *api.ResponseError
		if errors.As(err, &answer) && answer.StatusCode == http.StatusForbidden {
			e.Kind = kv.BadCredential
			e.Detail = fmt.Sprintf("invalid vault credentials: Vault at %s does not accept the token (auth/token/lookup-self: Code: 403)", c.Address())
		}
		return Token{}, e
	}
	var token Token
	if ttl, err := secret.TokenTTL(); err == nil {
		token.TTL = ttl
	}
	token.Renewable, _ = secret.TokenIsRenewable()
	token.Policies, _ = secret.TokenPolicies()
	token.Accessor, _ = secret.TokenAccessor()
	kind, _ := secret.Data["type"].(string)
	token.Batch = kind == "batch"
	return token, nil
}

// RenewSelf renews the client's token and returns its new ttl.
func (c *Client) RenewSelf(ctx context.Context) (time.Duration, error) {
	secret, err := c.api.Auth().Token().RenewSelfWithContext(ctx, 0)
	if err != nil {
		return 0, c.classify("renewing the token", "auth/token/renew-self", err)
	}
	if secret == nil || secret.Auth == nil {
		return 0, &kv.Error{Kind: kv.BadAnswer, Path: "auth/token/renew-self", Detail: "renewing the token: an empty answer"}
	}
	return time.Duration(secret.Auth.LeaseDuration) * time.Second, nil
}

// RevokeSelf revokes the client's token.
func (c *Client) RevokeSelf(ctx context.Context) error {
	if err := c.api.Auth().Token().RevokeSelfWithContext(ctx, ""); err != nil {
		return c.classify("revoking the token", "auth/token/revoke-self", err)
	}
	return nil
}

// Capabilities asks what the client's token may do on each of the paths.
func (c *Client) Capabilities(ctx context.Context, paths ...string) (map[string][]string, error) {
	secret, err := c.api.Logical().WriteWithContext(ctx, "sys/capabilities-self", map[string]any{"paths": paths})
	if err != nil {
		return nil, c.classify("asking for capabilities", "sys/capabilities-self", err)
	}
	if secret == nil {
		return nil, &kv.Error{Kind: kv.BadAnswer, Detail: "asking for capabilities: an empty answer"}
	}
	out := map[string][]string{}
	for _, path := range paths {
		raw, err := json.Marshal(secret.Data[path])
		if err != nil {
			return nil, err
		}
		var names []string
		if json.Unmarshal(raw, &names) == nil {
			out[path] = names
		}
	}
	return out, nil
}
