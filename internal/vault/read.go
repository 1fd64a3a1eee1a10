package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// reading is what ESO says when a read fails.
const reading = "cannot read secret data from Vault"

// Read reads one secret, or with ref.Metadata its metadata as ESO's metadataPolicy
// Fetch shows it. mount, kvVersion and ref.Key are as in DataPath. Errors are
// *kv.Error; only Absent is absence.
func (c *Client) Read(ctx context.Context, mount string, kvVersion int, ref kv.Ref) (kv.Payload, error) {
	if err := checkKey(mount, kvVersion, ref.Key); err != nil {
		return kv.Payload{}, err
	}
	if ref.Metadata {
		return c.readMetadata(ctx, mount, kvVersion, ref.Key)
	}
	path := DataPath(mount, kvVersion, ref.Key)
	var query url.Values
	if ref.Version != "" && kvVersion == 2 {
		query = url.Values{"version": {ref.Version}}
	}
	answer, err := c.get(ctx, path, "read", query)
	if err != nil {
		return kv.Payload{}, err
	}
	if answer.code == http.StatusNotFound {
		return kv.Payload{}, c.absent(ctx, path, kvVersion, ref.Version, answer)
	}
	if kvVersion == 1 {
		if answer.Data == nil {
			return kv.Payload{}, &kv.Error{Kind: kv.BadAnswer, Path: path, Detail: fmt.Sprintf("reading %s: failed to find data field", path)}
		}
		return kv.NewPayload(path, 0, answer.Data), nil
	}
	fields, ok := answer.Data["data"].(map[string]any)
	if !ok {
		return kv.Payload{}, c.noDataField(ctx, path, kvVersion)
	}
	return kv.NewPayload(path, answer.version(), fields), nil
}

// noDataField explains an answer that has no data.data: most often the mount is KV v1.
func (c *Client) noDataField(ctx context.Context, path string, kvVersion int) error {
	if mount, err := c.Mount(ctx, path); err == nil && mount.KV() && mount.Version != kvVersion {
		return wrongVersion(path, mount, kvVersion, http.StatusOK)
	}
	return &kv.Error{Kind: kv.BadAnswer, Path: path, Detail: fmt.Sprintf("reading %s: failed to find data field", clean(path))}
}

func (c *Client) readMetadata(ctx context.Context, mount string, kvVersion int, key string) (kv.Payload, error) {
	if kvVersion == 1 {
		return kv.Payload{}, &kv.Error{Kind: kv.BadRequest, Path: key, Detail: "cannot perform metadata fetch operations with kv version v1"}
	}
	path := MetadataPath(mount, kvVersion, key)
	answer, err := c.get(ctx, path, "read", nil)
	if err != nil {
		return kv.Payload{}, err
	}
	if answer.code == http.StatusNotFound {
		err := asError(c.absent(ctx, path, kvVersion, "", answer))
		if err.Kind == kv.Absent {
			// As in ESO: missing metadata is an error and never removes anything.
			err.Kind, err.Detail = kv.BadRequest, "secret not found: "+clean(path)
		}
		return kv.Payload{}, err
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
	code int
	// Errors is nil when the body has no such list, and empty when it has an empty one.
	Errors []string       `json:"errors"`
	Data   map[string]any `json:"data"`
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

// gone is kv.ErrDeleted or kv.ErrDestroyed when a 404 itself proves that the version
// was deleted or destroyed, else nil.
func (a answer) gone() error {
	metadata, _ := a.Data["metadata"].(map[string]any)
	if data, ok := a.Data["data"]; !ok || data != nil {
		return nil
	}
	if metadata["destroyed"] == true {
		return kv.ErrDestroyed
	}
	if at, _ := metadata["deletion_time"].(string); at != "" {
		return kv.ErrDeleted
	}
	return nil
}

// get reads a path; 404 is an answer, other failures are errors. right is the
// capability that it takes.
func (c *Client) get(ctx context.Context, path, right string, query url.Values) (answer, error) {
	r := request{path: path, query: query}
	resp, err := c.do(ctx, r)
	if err != nil {
		return answer{}, c.failed(reading, path, err)
	}
	if resp.code >= 300 && resp.code != http.StatusNotFound {
		e := c.refused(reading, r, resp)
		if e.Kind == kv.Denied {
			return answer{}, c.denied(ctx, e, right)
		}
		return answer{}, e
	}
	a := answer{}
	decoder := json.NewDecoder(bytes.NewReader(resp.body))
	decoder.UseNumber()
	if err := decoder.Decode(&a); err != nil && !errors.Is(err, io.EOF) || len(resp.body) == 0 && resp.code < 300 {
		return answer{}, &kv.Error{Kind: kv.BadAnswer, Path: path, Code: resp.code, Detail: fmt.Sprintf(
			"%s: Vault at %s: the answer to %s is no JSON of Vault's", reading, c.Address(), clean(path))}
	}
	a.code = resp.code
	if resp.code == http.StatusNotFound && kindOf(resp.code, a.Errors) == kv.NoMount {
		return answer{}, c.refused(reading, r, resp)
	}
	return a, nil
}
