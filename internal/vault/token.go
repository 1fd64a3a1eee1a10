package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// ErrUnproven is in a BadCredential error when the token may as well be good, and its
// policies lack auth/token/lookup-self (as without Vault's default policy). Vault says
// "invalid token" of one that it does not know; old versions say nothing.
var ErrUnproven = errors.New("the token may not look itself up")

// LookupSelf asks what the client's token is. A token that Vault does not know gives
// a BadCredential error, with ErrUnproven where that is not certain.
func (c *Client) LookupSelf(ctx context.Context) (Token, error) {
	secret, err := c.ask(ctx, "cannot check the vault credentials", request{path: "auth/token/lookup-self"})
	if err != nil {
		if e := asError(err); e.Kind == kv.Denied {
			if !strings.Contains(e.Detail, "invalid token") {
				e.Err = ErrUnproven
			}
			e.Kind = kv.BadCredential
			e.Detail = fmt.Sprintf("invalid vault credentials: Vault at %s does not accept the token (auth/token/lookup-self: Code: %d)", c.Address(), e.Code)
		}
		return Token{}, err
	}
	token := Token{ID: c.token}
	if token.TTL, err = secret.TokenTTL(); err != nil {
		return Token{}, &kv.Error{Kind: kv.BadAnswer, Path: "auth/token/lookup-self", Detail: "invalid vault credentials: the answer of auth/token/lookup-self holds no ttl"}
	}
	token.Renewable, _ = secret.TokenIsRenewable()
	token.Policies, _ = secret.TokenPolicies()
	token.Accessor, _ = secret.TokenAccessor()
	kind, _ := secret.Data["type"].(string)
	token.Batch = kind == "batch"
	if uses, ok := secret.Data["num_uses"].(json.Number); ok {
		left, _ := uses.Int64()
		token.Uses = int(left)
	}
	return token, nil
}

// RenewSelf renews the client's token and returns its new ttl.
func (c *Client) RenewSelf(ctx context.Context) (time.Duration, error) {
	const path = "auth/token/renew-self"
	secret, err := c.ask(ctx, "renewing the token", request{method: http.MethodPut, path: path, body: struct{}{}})
	if err != nil {
		return 0, err
	}
	if secret.Auth == nil {
		return 0, &kv.Error{Kind: kv.BadAnswer, Path: path, Detail: "renewing the token: the answer holds no lease"}
	}
	return time.Duration(secret.Auth.LeaseDuration) * time.Second, nil
}

// RevokeSelf revokes the client's token.
func (c *Client) RevokeSelf(ctx context.Context) error {
	_, err := c.ask(ctx, "revoking the token", request{method: http.MethodPut, path: "auth/token/revoke-self"})
	return err
}

// Capabilities asks what the client's token may do on each of the paths.
func (c *Client) Capabilities(ctx context.Context, paths ...string) (map[string][]string, error) {
	secret, err := c.ask(ctx, "asking for capabilities", request{
		method: http.MethodPut, path: "sys/capabilities-self", body: map[string]any{"paths": paths},
	})
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, path := range paths {
		list, _ := secret.Data[path].([]any)
		for _, capability := range list {
			if name, ok := capability.(string); ok {
				out[path] = append(out[path], name)
			}
		}
	}
	return out, nil
}
