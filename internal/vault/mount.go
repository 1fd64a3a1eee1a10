package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// Mount is what Vault says of the mount that a path lies in.
type Mount struct {
	// Path has no trailing slash.
	Path string
	// Type is "kv" for KV engines.
	Type string
	// Version is 1 or 2 for KV engines.
	Version int
}

// KV reports whether the mount is a KV engine.
func (m Mount) KV() bool { return m.Type == "kv" || m.Type == "generic" }

// memo remembers, for a Remembering client, what does not change within a pass.
type memo struct {
	keep   bool
	mu     sync.Mutex
	mounts []Mount
	valid  redact.Bytes
}

func (m *memo) mount(path string) (Mount, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.mounts, func(known Mount) bool { return strings.HasPrefix(path+"/", known.Path+"/") })
	if i < 0 {
		return Mount{}, false
	}
	return m.mounts[i], true
}

func (m *memo) add(mount Mount) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.keep {
		m.mounts = append(m.mounts, mount)
	}
}

// Mount asks for the mount that a request path lies in. A token that may read below a
// mount may ask this; 403 is the answer for a mount that does not exist, too.
func (c *Client) Mount(ctx context.Context, path string) (Mount, error) {
	if known, ok := c.memo.mount(path); ok {
		return known, nil
	}
	secret, err := c.ask(ctx, "asking for the mount", request{path: "sys/internal/ui/mounts/" + path})
	if err != nil {
		return Mount{}, err
	}
	m := Mount{}
	m.Type, _ = secret.Data["type"].(string)
	p, _ := secret.Data["path"].(string)
	m.Path = strings.Trim(p, "/")
	if m.Type == "" || !strings.HasPrefix(strings.Trim(path, "/")+"/", m.Path+"/") || m.Path == "" {
		return Mount{}, &kv.Error{Kind: kv.BadAnswer, Path: path, Detail: fmt.Sprintf("asking for the mount: the answer does not say what mount %s lies in", clean(path))}
	}
	if m.KV() {
		m.Version = 1
		options, _ := secret.Data["options"].(map[string]any)
		if options["version"] == "2" {
			m.Version = 2
		}
	}
	c.memo.add(m)
	return m, nil
}

// denied tells a token that lacks a right from one that Vault no longer accepts.
func (c *Client) denied(ctx context.Context, e *kv.Error, right string) error {
	c.memo.mu.Lock()
	valid := c.memo.valid != nil && bytes.Equal(c.memo.valid, c.token)
	c.memo.mu.Unlock()
	if !valid {
		_, err := c.LookupSelf(ctx)
		kind := kv.KindOf(err)
		switch {
		case errors.Is(err, ErrUnproven):
			return &kv.Error{Kind: kind, Path: e.Path, Code: e.Code, Err: ErrUnproven, Detail: e.Detail + fmt.Sprintf(
				`; the token's policies must allow %q on %s, unless the token itself is invalid: it may not look itself up (auth/token/lookup-self)`, right, clean(e.Path))}
		case kind == kv.BadCredential, kind == kv.Sealed, kind == kv.Unreachable:
			return &kv.Error{Kind: kind, Path: e.Path, Code: e.Code, Detail: err.Error()}
		}
		if err == nil && c.memo.keep {
			c.memo.mu.Lock()
			c.memo.valid = c.token
			c.memo.mu.Unlock()
		}
	}
	e.Detail += fmt.Sprintf(`; the token's policies must allow %q on %s`, right, clean(e.Path))
	return e
}
