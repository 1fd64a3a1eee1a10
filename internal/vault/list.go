package vault

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// Bounds of ListAll: requests at a time, names, and depth. A Vault that answers with
// folders without end must not hold the process.
const (
	listWidth = 4
	maxNames  = 100_000
	maxDepth  = 64
)

// List returns the names in a folder of a KV mount, folders included with their
// trailing slash. A folder that does not exist gives an Absent error.
func (c *Client) List(ctx context.Context, mount string, kvVersion int, folder string) ([]string, error) {
	if Traverses(folder) || Traverses(mount) {
		return nil, &kv.Error{Kind: kv.BadRequest, Path: folder, Detail: fmt.Sprintf("path %q: \"..\" would leave the mount", clean(folder))}
	}
	if mount == "" && tidy(folder) == "" {
		return nil, &kv.Error{Kind: kv.BadRequest, Field: "spec.provider.vault.path", Detail: "provided Path isn't a valid kv path: set find.path, or spec.provider.vault.path in the store"}
	}
	path := ListPath(mount, kvVersion, folder)
	answer, err := c.get(ctx, path, "list", url.Values{"list": {"true"}})
	if err != nil {
		return nil, err
	}
	if answer.code == http.StatusNotFound {
		return nil, c.absent(ctx, path, kvVersion, "", answer)
	}
	keys, ok := answer.Data["keys"].([]any)
	if !ok {
		return nil, &kv.Error{Kind: kv.BadAnswer, Path: path, Detail: fmt.Sprintf("listing %s: the answer holds no keys", clean(path))}
	}
	names := make([]string, 0, len(keys))
	for _, key := range keys {
		name, ok := key.(string)
		if !ok || name == "" || Traverses(name) {
			return nil, &kv.Error{Kind: kv.BadAnswer, Path: path, Detail: fmt.Sprintf("listing %s: the answer holds a key that is no name", clean(path))}
		}
		names = append(names, name)
	}
	return names, nil
}

// ListAll returns the full names (relative to the mount, or with the mount "" as keys
// are written) of all secrets below a folder, sorted. One folder that cannot be listed
// fails all, and the error names it.
func (c *Client) ListAll(ctx context.Context, mount string, kvVersion int, folder string) ([]string, error) {
	start := strings.Trim(relative(mount, kvVersion, folder), "/")
	if start != "" {
		start += "/"
	}
	var mu sync.Mutex
	var names []string
	level := []string{start}
	for depth := 0; len(level) > 0; depth++ {
		if depth > maxDepth {
			return nil, &kv.Error{Kind: kv.BadAnswer, Path: level[0], Detail: fmt.Sprintf("listing: folders are nested more than %d deep below %s", maxDepth, clean(start))}
		}
		var next []string
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(listWidth)
		for _, folder := range level {
			group.Go(func() error {
				entries, err := c.List(ctx, mount, kvVersion, slashed(mount, folder))
				if kv.KindOf(err) == kv.Absent && depth > 0 {
					return nil // it went while we walked
				}
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				for _, entry := range entries {
					if strings.HasSuffix(entry, "/") {
						next = append(next, folder+entry)
					} else {
						names = append(names, folder+entry)
					}
				}
				if len(names)+len(next) > maxNames {
					return &kv.Error{Kind: kv.BadAnswer, Path: folder, Detail: fmt.Sprintf("listing: more than %d names below %q; narrow find.path", maxNames, clean(start))}
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return nil, err
		}
		slices.Sort(next)
		level = next
	}
	slices.Sort(names)
	return names, nil
}

// slashed marks a name as relative to the mount already.
func slashed(mount, folder string) string {
	if mount == "" {
		return folder
	}
	return "/" + folder
}
