package vault

import (
	"context"
	"fmt"
	"strings"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// MountInfo is a secrets engine or an auth method with what its maker wrote of it.
type MountInfo struct {
	Mount
	Description string
}

// Mounts lists the secrets engines by path, without trailing slashes. It takes "read"
// on sys/mounts, which tells what is mounted from what the token may not see.
func (c *Client) Mounts(ctx context.Context) (map[string]MountInfo, error) {
	return c.mountsAt(ctx, "listing the secrets engines", "sys/mounts")
}

// AuthMethods lists the auth methods by path, without trailing slashes. It takes "read"
// on sys/auth.
func (c *Client) AuthMethods(ctx context.Context) (map[string]MountInfo, error) {
	return c.mountsAt(ctx, "listing the auth methods", "sys/auth")
}

func (c *Client) mountsAt(ctx context.Context, act, path string) (map[string]MountInfo, error) {
	data, found, err := c.setting(ctx, act, path, nil)
	if err != nil {
		return nil, err
	}
	if !found || len(data) == 0 {
		return nil, &kv.Error{Kind: kv.BadAnswer, Path: path, Detail: fmt.Sprintf("%s: the answer of %s lists none", act, path)}
	}
	mounts := map[string]MountInfo{}
	for at, value := range data {
		fields, ok := value.(map[string]any)
		if !ok || text(fields, "type") == "" {
			continue
		}
		m := MountInfo{Mount: Mount{Path: strings.Trim(at, "/"), Type: text(fields, "type")}, Description: text(fields, "description")}
		if m.KV() {
			m.Version = 1
			options, _ := fields["options"].(map[string]any)
			if options["version"] == "2" {
				m.Version = 2
			}
		}
		mounts[m.Path] = m
	}
	return mounts, nil
}

// EnableKV mounts a KV v2 engine.
func (c *Client) EnableKV(ctx context.Context, path, description string) error {
	if err := checkName("mount", path); err != nil {
		return err
	}
	_, err := c.set(ctx, "mounting KV v2", "sys/mounts/"+path, map[string]any{
		"type": "kv", "description": description, "options": map[string]string{"version": "2"},
	})
	return err
}

// KVReady reports whether a KV v2 mount serves: right after it was mounted it prepares
// itself, and refuses requests until it has.
func (c *Client) KVReady(ctx context.Context, path string) error {
	_, _, err := c.setting(ctx, "waiting for the new mount", path+"/config", nil)
	return err
}

// EnableAuth enables an auth method.
func (c *Client) EnableAuth(ctx context.Context, path, method, description string) error {
	if err := checkName("auth method", path); err != nil {
		return err
	}
	_, err := c.set(ctx, "enabling an auth method", "sys/auth/"+path, map[string]string{"type": method, "description": description})
	return err
}

// DisableAuth disables an auth method; every token that it gave ends with it.
func (c *Client) DisableAuth(ctx context.Context, path string) error {
	if err := checkName("auth method", path); err != nil {
		return err
	}
	return c.unset(ctx, "disabling an auth method", "sys/auth/"+path)
}
