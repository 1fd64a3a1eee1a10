package vault

import (
	"context"
	"fmt"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// absent decides what a 404 means. Only two are absence:
//
//	data.data null, metadata says deleted or destroyed      that version is gone
//	an empty list of errors, and the mount is confirmed     nothing is there
//	  as KV of the store's version
//
// All else is unknown: a gateway's 404, a mount of another kind, and a mount about
// which the token may not ask.
func (c *Client) absent(ctx context.Context, path string, kvVersion int, version string, a answer) error {
	what, shown := clean(path), clean(path)
	if version != "" {
		what += " version " + clean(version)
	}
	if how := a.gone(); how != nil && kvVersion == 2 {
		return &kv.Error{Kind: kv.Absent, Path: path, Code: a.code, Err: how, Detail: fmt.Sprintf("Secret does not exist (%s: %s)", what, how)}
	}
	mount, err := c.Mount(ctx, path)
	if err != nil {
		e := asError(err)
		kind := e.Kind
		if !kind.Down() {
			kind = kv.BadAnswer
		}
		if e.Kind == kv.NoMount || e.Kind == kv.Denied {
			kind = kv.NoMount
		}
		return &kv.Error{Kind: kind, Path: path, Code: a.code, Detail: fmt.Sprintf(
			"%s: %s: Code: 404, and whether its mount exists could not be confirmed, so this proves nothing (%s)", reading, shown, e.Detail)}
	}
	switch {
	case !mount.KV():
		return &kv.Error{Kind: kv.NoMount, Path: path, Code: a.code, Detail: fmt.Sprintf(
			"%s: %s: the mount %s is of type %s, not kv; check spec.provider.vault.path", reading, shown, clean(mount.Path), clean(mount.Type))}
	case mount.Version != kvVersion:
		return wrongVersion(path, mount, kvVersion, a.code)
	case a.Errors == nil || len(a.Errors) > 0 || a.Data != nil:
		return &kv.Error{Kind: kv.BadAnswer, Path: path, Code: a.code, Detail: fmt.Sprintf(
			"%s: %s: Code: 404, but not one by which Vault says that nothing is there", reading, shown)}
	}
	return &kv.Error{Kind: kv.Absent, Path: path, Code: a.code, Detail: fmt.Sprintf("Secret does not exist (%s)", what)}
}

func wrongVersion(path string, mount Mount, kvVersion, code int) error {
	return &kv.Error{Kind: kv.WrongVersion, Path: path, Code: code, Field: "spec.provider.vault.version", Detail: fmt.Sprintf(
		"%s: %s: the mount %s is KV v%d, the store says v%d; set spec.provider.vault.version: v%d",
		reading, clean(path), clean(mount.Path), mount.Version, kvVersion, mount.Version)}
}
