package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/vault/api"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// reading is what ESO says when a read fails.
const reading = "cannot read secret data from Vault"

// Read reads one secret, or with metadata its metadata as ESO's metadataPolicy Fetch
// shows it. version "" is the newest. mount, kvVersion and key are as in DataPath.
func (c *Client) Read(ctx context.Context, mount string, kvVersion int, ref kv.Ref) (kv.Payload, error) {
	if Traverses(ref.Key) || Traverses(mount) {
		return kv.Payload{}, &kv.Error{Kind: kv.BadRequest, Path: ref.Key, Detail: fmt.Sprintf("key %q: \"..\" would leave the mount", ref.Key)}
	}
	if ref.Metadata {
		return c.readMetadata(ctx, mount, kvVersion, ref.Key)
	}
	path := DataPath(mount, kvVersion, ref.Key)
	var query map[string][]string
	if ref.Version != "" && kvVersion == 2 {
		query = map[string][]string{"version": {ref.Version}}
	}
	answer, err := c.get(ctx, path, query)
	if err != nil {
		return kv.Payload{}, err
	}
	if answer.code == http.StatusNotFound {
		return kv.Payload{}, c.absent(ctx, path, kvVersion, ref, answer)
	}
	if kvVersion == 1 {
		return kv.NewPayload(path, 0, answer.Data), nil
	}
	fields, ok := answer.Data["data"].(map[string]any)
	if !ok {
		return kv.Payload{}, &kv.Error{Kind: kv.BadAnswer, Path: path, Detail: fmt.Sprintf("reading %s: failed to find data field; is the mount KV v2?", path)}
	}
	return kv.NewPayload(path, answer.version(), fields), nil
}

func (c *Client) readMetadata(ctx context.Context, mount string, kvVersion int, key string) (kv.Payload, error) {
	if kvVersion == 1 {
		return kv.Payload{}, &kv.Error{Kind: kv.BadRequest, Path: key, Detail: "cannot perform metadata fetch operations with kv version v1"}
	}
	path := MetadataPath(mount, kvVersion, key)
	answer, err := c.get(ctx, path, nil)
	if err != nil {
		return kv.Payload{}, err
	}
	if answer.code == http.StatusNotFound {
		return kv.Payload{}, &kv.Error{Kind: kv.BadRequest, Path: path, Code: answer.code, Detail: "secret not found: " + path}
	}
	fields := map[string]any{}
	for _, name := range []string{"created_time", "current_version", "delete_version_after"} {
		if value, ok := answer.Data[name]; ok {
			fields[name] = fmt.Sprint(value)
		}
	}
	custom, _ := answer.Data["custom_metadata"].(map[string]any)
	for name, value := range custom {
		fields[name] = fmt.Sprint(value)
	}
	return kv.NewPayload(path, 0, fields), nil
}

// answer is a decoded body with its status.
type answer struct {
	code     int
	Errors   []string       `json:"errors"`
	Warnings []string       `json:"warnings"`
	Data     map[string]any `json:"data"`
}

func (a answer) version() int {
	metadata, _ := a.Data["metadata"].(map[string]any)
	number, _ := metadata["version"].(json.Number)
	version, err := number.Int64()
	if err != nil {
		return 0
	}
	return int(version)
}

// gone tells whether the answer itself proves that the version was deleted or destroyed.
func (a answer) gone() (how string, proven bool) {
	metadata, _ := a.Data["metadata"].(map[string]any)
	if metadata["destroyed"] == true {
		return "destroyed", true
	}
	if at, _ := metadata["deletion_time"].(string); at != "" {
		return "deleted", true
	}
	return "", false
}

// get reads a path raw; 404 is an answer, other failures are errors.
func (c *Client) get(ctx context.Context, path string, query map[string][]string) (answer, error) {
	resp, err := c.api.Logical().ReadRawWithDataWithContext(ctx, path, query)
	if resp != nil && resp.Body != nil {
		defer resp.Body.Close()
	}
	var refused *api.ResponseError
	if err != nil && (!errors.As(err, &refused) || refused.StatusCode != http.StatusNotFound) {
		e := c.classify(reading, path, err)
		if e.Kind == kv.Denied {
			return answer{}, c.denied(ctx, e)
		}
		return answer{}, e
	}
	if resp == nil || resp.Body == nil {
		return answer{}, &kv.Error{Kind: kv.BadAnswer, Path: path, Detail: "reading " + path + ": an empty answer"}
	}
	a := answer{code: resp.StatusCode}
	decoder := json.NewDecoder(resp.Body)
	decoder.UseNumber()
	if err := decoder.Decode(&a); err != nil && !(errors.Is(err, io.EOF) && a.code == http.StatusNotFound) {
		if errors.Is(err, errTooLarge) {
			return answer{}, c.classify(reading, path, err)
		}
		return answer{}, &kv.Error{Kind: kv.BadAnswer, Path: path, Code: a.code, Detail: fmt.Sprintf("%s: Vault at %s: the answer to %s is no JSON of Vault's", reading, c.Address(), path)}
	}
	return a, nil
}

// absent decides what a 404 means. Only a body that names the deletion, or an empty
// one under a mount that is KV of the store's version, is absence.
func (c *Client) absent(ctx context.Context, path string, kvVersion int, ref kv.Ref, a answer) error {
	what := path
	if ref.Version != "" {
		what += " version " + ref.Version
	}
	if how, proven := a.gone(); proven {
		return &kv.Error{Kind: kv.Absent, Path: path, Code: a.code, Detail: fmt.Sprintf("Secret does not exist (%s: %s)", what, how)}
	}
	if slices.ContainsFunc(a.Errors, func(e string) bool { return strings.Contains(e, "no handler for route") }) {
		return &kv.Error{Kind: kv.NoMount, Path: path, Code: a.code, Detail: fmt.Sprintf("%s: no secrets engine is mounted at %s (no handler for route); check spec.provider.vault.path", reading, path)}
	}
	mount, err := c.Mount(ctx, path)
	if err != nil {
		return fmt.Errorf("%s answers 404, and whether its mount exists could not be seen: %w", path, err)
	}
	switch {
	case mount.Type != "kv" && mount.Type != "generic":
		return &kv.Error{Kind: kv.NoMount, Path: path, Code: a.code, Detail: fmt.Sprintf("%s: the mount of %s is of type %s, not kv", reading, path, mount.Type)}
	case mount.Version != kvVersion:
		return &kv.Error{Kind: kv.WrongVersion, Path: path, Code: a.code, Detail: fmt.Sprintf("%s: %s: the mount %s is KV v%d, the store says v%d; correct spec.provider.vault.version", reading, path, mount.Path, mount.Version, kvVersion)}
	case len(a.Errors) > 0 || a.Data != nil:
		return &kv.Error{Kind: kv.BadAnswer, Path: path, Code: a.code, Detail: fmt.Sprintf("%s: %s: a 404 that is not Vault's own", reading, path)}
	}
	return &kv.Error{Kind: kv.Absent, Path: path, Code: a.code, Detail: fmt.Sprintf("Secret does not exist (%s)", what)}
}

// denied tells a token that lacks a right from one that is no longer valid.
func (c *Client) denied(ctx context.Context, e *kv.Error) error {
	if _, err := c.LookupSelf(ctx); kv.KindOf(err) == kv.BadCredential {
		return &kv.Error{Kind: kv.BadCredential, Path: e.Path, Code: e.Code, Err: err, Detail: err.Error()}
	}
	e.Detail += `; the policy must allow "read" on this path`
	return e
}

// Mount is what Vault says of the mount that a path lies in.
type Mount struct {
	// Path has no trailing slash.
	Path string
	// Type is "kv" for KV engines.
	Type string
	// Version is 1 or 2 for KV engines.
	Version int
}

// Mount asks for the mount of a path; a token that may read below a mount may ask.
func (c *Client) Mount(ctx context.Context, path string) (Mount, error) {
	endpoint := "sys/internal/ui/mounts/" + path
	resp, err := c.api.Logical().ReadWithContext(ctx, endpoint)
	if err != nil {
		return Mount{}, c.classify("asking for the mount", endpoint, err)
	}
	if resp == nil {
		return Mount{}, &kv.Error{Kind: kv.NoMount, Path: path, Detail: "no secrets engine is mounted at " + path}
	}
	m := Mount{Version: 1}
	m.Type, _ = resp.Data["type"].(string)
	p, _ := resp.Data["path"].(string)
	m.Path = strings.TrimSuffix(p, "/")
	options, _ := resp.Data["options"].(map[string]any)
	if options["version"] == "2" {
		m.Version = 2
	}
	return m, nil
}

// List returns the names below a folder of a KV mount, folders included with their
// trailing slash. A folder that does not exist gives an Absent error.
func (c *Client) List(ctx context.Context, mount string, kvVersion int, folder string) ([]string, error) {
	if Traverses(folder) {
		return nil, &kv.Error{Kind: kv.BadRequest, Path: folder, Detail: fmt.Sprintf("path %q: \"..\" would leave the mount", folder)}
	}
	path := MetadataPath(mount, kvVersion, folder)
	answer, err := c.get(ctx, path, map[string][]string{"list": {"true"}})
	if err != nil {
		return nil, err
	}
	if answer.code == http.StatusNotFound {
		return nil, c.absent(ctx, path, kvVersion, kv.Ref{Key: folder}, answer)
	}
	keys, _ := answer.Data["keys"].([]any)
	var names []string
	for _, key := range keys {
		if name, ok := key.(string); ok {
			names = append(names, name)
		}
	}
	return names, nil
}
