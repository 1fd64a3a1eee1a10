package vault

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// Login is what a login request needs.
type Login struct {
	// Path is the request path, e.g. "auth/approle/login".
	Path string
	// Namespace is the Vault Enterprise namespace of the login alone, "" for none.
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
	Batch bool
	// Uses is how many requests the token serves; 0 is any number.
	Uses     int
	Policies []string
	Accessor string
	// Metadata is known of a token that was looked up by its accessor.
	Metadata map[string]string
}

// Login logs in and returns the new token, which c does not use: see WithToken. The
// client's own token stays out of the request. A refused login is BadCredential.
func (c *Client) Login(ctx context.Context, login Login) (Token, error) {
	if Traverses(login.Path) {
		return Token{}, &kv.Error{Kind: kv.BadConfig, Path: login.Path, Detail: fmt.Sprintf("logging in: %q: \"..\" would leave the auth method", clean(login.Path))}
	}
	body := make(map[string]string, len(login.Body))
	r := request{method: http.MethodPut, path: login.Path, body: body, anonymous: true, namespace: &login.Namespace}
	for name, value := range login.Body {
		body[name] = string(value.Reveal())
		if name != "role" && name != "name" {
			r.hide = append(r.hide, value)
		}
	}
	var answer struct {
		Auth *struct {
			ClientToken   string   `json:"client_token"`
			Accessor      string   `json:"accessor"`
			Policies      []string `json:"policies"`
			LeaseDuration int64    `json:"lease_duration"`
			Renewable     bool     `json:"renewable"`
			TokenType     string   `json:"token_type"`
			NumUses       int      `json:"num_uses"`
			MFA           any      `json:"mfa_requirement"`
		} `json:"auth"`
	}
	if _, err := c.fetch(ctx, "logging in", r, &answer); err != nil {
		switch e := asError(err); e.Kind {
		case kv.Denied, kv.BadRequest:
			e.Kind = kv.BadCredential
		case kv.NoMount:
			e.Kind = kv.BadConfig
			e.Detail = fmt.Sprintf("logging in: no auth method is enabled at %s (Code: %d, no handler for route)", clean(login.Path), e.Code)
		}
		return Token{}, err
	}
	if answer.Auth != nil && answer.Auth.ClientToken == "" && answer.Auth.MFA != nil {
		return Token{}, &kv.Error{Kind: kv.BadCredential, Path: login.Path, Detail: "logging in at " + clean(login.Path) + ": Vault asks for a second factor, which nobody can give here"}
	}
	if answer.Auth == nil || answer.Auth.ClientToken == "" {
		return Token{}, &kv.Error{Kind: kv.BadAnswer, Path: login.Path, Detail: "logging in at " + clean(login.Path) + ": the answer holds no token"}
	}
	a := answer.Auth
	return Token{
		ID: redact.Bytes(a.ClientToken), TTL: time.Duration(a.LeaseDuration) * time.Second, Renewable: a.Renewable,
		Batch: a.TokenType == "batch" || a.Accessor == "", Uses: a.NumUses, Policies: a.Policies, Accessor: a.Accessor,
	}, nil
}

// asError returns the *kv.Error that fetch and ask return.
func asError(err error) *kv.Error {
	if e, ok := err.(*kv.Error); ok {
		return e
	}
	return &kv.Error{Kind: kv.BadAnswer, Detail: err.Error(), Err: err}
}
