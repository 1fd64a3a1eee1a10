package vault

import (
	"context"
	"net/url"
	"strings"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// NewPeriodicToken makes an orphan token that lives as long as somebody renews it
// within each period. It takes "update" and "sudo" on auth/token/create-orphan.
func (c *Client) NewPeriodicToken(ctx context.Context, policies []string, period time.Duration, name string, metadata map[string]string) (Token, error) {
	const path = "auth/token/create-orphan"
	secret, err := c.set(ctx, "making a token", path, map[string]any{
		"policies": policies, "period": int64(period.Seconds()), "renewable": true, "display_name": name, "meta": metadata,
	})
	if err != nil {
		return Token{}, err
	}
	if secret.Auth == nil || secret.Auth.ClientToken == "" {
		return Token{}, &kv.Error{Kind: kv.BadAnswer, Path: path, Detail: "making a token: the answer of " + path + " holds none"}
	}
	return Token{
		ID: redact.Bytes(secret.Auth.ClientToken), Accessor: secret.Auth.Accessor, Policies: secret.Auth.Policies,
		TTL: time.Duration(secret.Auth.LeaseDuration) * time.Second, Renewable: secret.Auth.Renewable,
	}, nil
}

// RenewAccessor renews a token that is known by its accessor.
func (c *Client) RenewAccessor(ctx context.Context, accessor string) error {
	_, err := c.set(ctx, "renewing a token", "auth/token/renew-accessor", map[string]string{"accessor": accessor})
	return err
}

// RevokeAccessor revokes a token that is known by its accessor. One that has ended
// already is no error.
func (c *Client) RevokeAccessor(ctx context.Context, accessor string) error {
	_, err := c.set(ctx, "revoking a token", "auth/token/revoke-accessor", map[string]string{"accessor": accessor})
	if unknownAccessor(err) {
		return nil
	}
	return err
}

// LookupAccessor asks what a token is that is known by its accessor; found is false when
// it has ended.
func (c *Client) LookupAccessor(ctx context.Context, accessor string) (token Token, found bool, err error) {
	secret, err := c.set(ctx, "looking a token up", "auth/token/lookup-accessor", map[string]string{"accessor": accessor})
	if unknownAccessor(err) {
		return Token{}, false, nil
	}
	if err != nil {
		return Token{}, false, err
	}
	token.TTL, _ = secret.TokenTTL()
	token.Policies, _ = secret.TokenPolicies()
	token.Renewable, _ = secret.TokenIsRenewable()
	token.Metadata, _ = secret.TokenMetadata()
	token.Accessor = accessor
	return token, true, nil
}

// Accessors lists the accessors of all tokens. It takes "list" and "sudo" on
// auth/token/accessors.
func (c *Client) Accessors(ctx context.Context) ([]string, error) {
	data, _, err := c.setting(ctx, "listing tokens", "auth/token/accessors", url.Values{"list": {"true"}})
	return list(data, "keys"), err
}

// unknownAccessor tells Vault's answer to an accessor that is none, or no longer one.
func unknownAccessor(err error) bool {
	return err != nil && asError(err).Code >= 400 && strings.Contains(err.Error(), "invalid accessor")
}
