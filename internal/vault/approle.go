package vault

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// TokenSettings are what a role says of the tokens that it gives.
type TokenSettings struct {
	Policies []string
	// TTL and MaxTTL of 0 are Vault's defaults.
	TTL, MaxTTL time.Duration
	// BoundCIDRs are the networks from which the token is taken; none is every one.
	BoundCIDRs []string
}

func (t TokenSettings) body() map[string]any {
	return map[string]any{
		"token_policies": append([]string{}, t.Policies...), "token_bound_cidrs": append([]string{}, t.BoundCIDRs...),
		"token_ttl": int64(t.TTL.Seconds()), "token_max_ttl": int64(t.MaxTTL.Seconds()),
	}
}

func tokenSettings(data map[string]any) TokenSettings {
	return TokenSettings{
		Policies: list(data, "token_policies"), BoundCIDRs: list(data, "token_bound_cidrs"),
		TTL: seconds(data, "token_ttl"), MaxTTL: seconds(data, "token_max_ttl"),
	}
}

// AppRole is a role of the AppRole method.
type AppRole struct {
	TokenSettings
	// SecretIDTTL of 0 never ends.
	SecretIDTTL        time.Duration
	SecretIDBoundCIDRs []string
}

// SecretID is a secret_id, or with Value nil what is known of one.
type SecretID struct {
	Value    redact.Bytes
	Accessor string
	Metadata map[string]string
	// Expires is zero when it never does.
	Expires time.Time
}

func rolePath(mount, role string) (string, error) {
	if err := checkName("auth method", mount); err != nil {
		return "", err
	}
	if err := checkName("role", role); err != nil {
		return "", err
	}
	return "auth/" + mount + "/role/" + role, nil
}

// AppRole reads a role; nil when there is none of the name.
func (c *Client) AppRole(ctx context.Context, mount, role string) (*AppRole, error) {
	path, err := rolePath(mount, role)
	if err != nil {
		return nil, err
	}
	data, found, err := c.setting(ctx, "reading a role", path, nil)
	if err != nil || !found {
		return nil, err
	}
	return &AppRole{
		TokenSettings: tokenSettings(data), SecretIDTTL: seconds(data, "secret_id_ttl"),
		SecretIDBoundCIDRs: list(data, "secret_id_bound_cidrs"),
	}, nil
}

// WriteAppRole creates a role or sets these fields of it; its role_id stays. A login
// takes a secret_id, any number of times.
func (c *Client) WriteAppRole(ctx context.Context, mount, role string, settings AppRole) error {
	path, err := rolePath(mount, role)
	if err != nil {
		return err
	}
	body := settings.body()
	body["bind_secret_id"], body["secret_id_num_uses"] = true, 0
	body["secret_id_ttl"], body["secret_id_bound_cidrs"] = int64(settings.SecretIDTTL.Seconds()), append([]string{}, settings.SecretIDBoundCIDRs...)
	_, err = c.set(ctx, "writing a role", path, body)
	return err
}

// DeleteRole deletes a role of an AppRole or Kubernetes method, and of an AppRole its
// secret_ids. Tokens that it gave live on to their end.
func (c *Client) DeleteRole(ctx context.Context, mount, role string) error {
	path, err := rolePath(mount, role)
	if err != nil {
		return err
	}
	return c.unset(ctx, "deleting a role", path)
}

// Roles lists the roles of an AppRole or Kubernetes method, sorted.
func (c *Client) Roles(ctx context.Context, mount string) ([]string, error) {
	if err := checkName("auth method", mount); err != nil {
		return nil, err
	}
	data, _, err := c.setting(ctx, "listing roles", "auth/"+mount+"/role", url.Values{"list": {"true"}})
	roles := list(data, "keys")
	slices.Sort(roles)
	return roles, err
}

// RoleID reads the role_id of an AppRole, which is no secret.
func (c *Client) RoleID(ctx context.Context, mount, role string) (string, error) {
	path, err := rolePath(mount, role)
	if err != nil {
		return "", err
	}
	data, found, err := c.setting(ctx, "reading a role_id", path+"/role-id", nil)
	if err == nil && (!found || text(data, "role_id") == "") {
		err = &kv.Error{Kind: kv.BadAnswer, Path: path, Detail: fmt.Sprintf("reading a role_id: %s/role-id holds none", clean(path))}
	}
	return text(data, "role_id"), err
}

// NewSecretID makes a secret_id that carries the metadata.
func (c *Client) NewSecretID(ctx context.Context, mount, role string, metadata map[string]string) (SecretID, error) {
	path, err := rolePath(mount, role)
	if err != nil {
		return SecretID{}, err
	}
	encoded, err := json.Marshal(metadata)
	if err != nil {
		return SecretID{}, fmt.Errorf("encoding a secret_id's metadata: %w", err)
	}
	secret, err := c.set(ctx, "making a secret_id", path+"/secret-id", map[string]string{"metadata": string(encoded)})
	if err != nil {
		return SecretID{}, err
	}
	made := SecretID{Value: redact.Bytes(text(secret.Data, "secret_id")), Accessor: text(secret.Data, "secret_id_accessor"), Metadata: metadata}
	if len(made.Value) == 0 || made.Accessor == "" {
		return SecretID{}, &kv.Error{Kind: kv.BadAnswer, Path: path, Detail: fmt.Sprintf("making a secret_id: the answer of %s/secret-id holds none", clean(path))}
	}
	return made, nil
}

// SecretIDs lists the secret_ids of a role by accessor, with what is known of each.
func (c *Client) SecretIDs(ctx context.Context, mount, role string) ([]SecretID, error) {
	path, err := rolePath(mount, role)
	if err != nil {
		return nil, err
	}
	data, _, err := c.setting(ctx, "listing secret_ids", path+"/secret-id", url.Values{"list": {"true"}})
	if err != nil {
		return nil, err
	}
	var ids []SecretID
	for _, accessor := range list(data, "keys") {
		id, found, err := c.secretID(ctx, path, accessor)
		if err != nil {
			return nil, err
		}
		if found {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// secretID looks one up. Vault answers a lookup of an accessor that has ended since it
// was listed with 404, or with 500 in older versions.
func (c *Client) secretID(ctx context.Context, path, accessor string) (SecretID, bool, error) {
	var answer struct {
		Data struct {
			Metadata   map[string]string `json:"metadata"`
			Expiration time.Time         `json:"expiration_time"`
		} `json:"data"`
	}
	code, err := c.fetch(ctx, "looking a secret_id up", request{
		method: http.MethodPut, path: path + "/secret-id-accessor/lookup", body: map[string]string{"secret_id_accessor": accessor},
		ok: []int{http.StatusNotFound},
	}, &answer)
	if err != nil {
		return SecretID{}, false, c.explained(ctx, err, "update")
	}
	return SecretID{Accessor: accessor, Metadata: answer.Data.Metadata, Expires: answer.Data.Expiration}, code != http.StatusNotFound, nil
}

// DestroySecretID destroys a secret_id; tokens that it gave live on to their end.
func (c *Client) DestroySecretID(ctx context.Context, mount, role, accessor string) error {
	path, err := rolePath(mount, role)
	if err != nil {
		return err
	}
	_, err = c.set(ctx, "destroying a secret_id", path+"/secret-id-accessor/destroy", map[string]string{"secret_id_accessor": accessor})
	return err
}
