package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// setting reads a path of Vault's configuration. found is false when Vault itself says
// that nothing is there; every other failure is an error, and a 403 names the right
// that is missing.
func (c *Client) setting(ctx context.Context, act, path string, query url.Values) (data map[string]any, found bool, err error) {
	r := request{path: path, query: query}
	resp, err := c.do(ctx, r)
	if err != nil {
		return nil, false, c.failed(act, path, err)
	}
	if resp.code >= 300 && resp.code != http.StatusNotFound {
		return nil, false, c.explained(ctx, c.refused(act, r, resp), "read")
	}
	var answer struct {
		Errors []string       `json:"errors"`
		Data   map[string]any `json:"data"`
	}
	decoder := json.NewDecoder(bytes.NewReader(resp.body))
	decoder.UseNumber()
	switch err := decoder.Decode(&answer); {
	case err != nil:
		return nil, false, &kv.Error{Kind: kv.BadAnswer, Path: path, Code: resp.code, Detail: fmt.Sprintf(
			"%s: Vault at %s: the answer to %s is no JSON of Vault's", act, c.Address(), clean(path))}
	case resp.code == http.StatusNotFound && len(answer.Errors) > 0:
		return nil, false, c.refused(act, r, resp)
	}
	return answer.Data, resp.code != http.StatusNotFound, nil
}

// set writes a path of Vault's configuration. It is not repeated when no answer came:
// some of what is written here would then exist twice.
func (c *Client) set(ctx context.Context, act, path string, body any) (*api.Secret, error) {
	secret, err := c.ask(ctx, act, request{method: http.MethodPut, path: path, body: body, once: true})
	return secret, c.explained(ctx, err, "update")
}

// unset deletes a path of Vault's configuration; what is not there is no error.
func (c *Client) unset(ctx context.Context, act, path string) error {
	_, err := c.fetch(ctx, act, request{method: http.MethodDelete, path: path, ok: []int{http.StatusNotFound}}, nil)
	return c.explained(ctx, err, "delete")
}

// explained adds to a 403 which right is missing, or that the token is at fault.
func (c *Client) explained(ctx context.Context, err error, right string) error {
	if err == nil {
		return nil
	}
	e := asError(err)
	if e.Kind != kv.Denied {
		return e
	}
	return c.denied(ctx, e, right)
}

// checkName refuses names that would take a request to another path.
func checkName(what, name string) error {
	if name == "" || Traverses(name) || strings.ContainsAny(name, "?#%\\ ") || strings.HasPrefix(name, "/") || strings.Contains(name, "//") || clean(name) != name {
		return &kv.Error{Kind: kv.BadRequest, Path: name, Detail: fmt.Sprintf("%s %q is no name in Vault's paths", what, clean(name))}
	}
	return nil
}

// text, number, flag and list read fields of an answer; what is missing or of another
// type is zero.
func text(data map[string]any, name string) string {
	s, _ := data[name].(string)
	return s
}

func flag(data map[string]any, name string) bool {
	b, _ := data[name].(bool)
	return b
}

func seconds(data map[string]any, name string) time.Duration {
	n, _ := data[name].(json.Number)
	s, _ := n.Int64()
	return time.Duration(s) * time.Second
}

func list(data map[string]any, name string) []string {
	items, _ := data[name].([]any)
	out := make([]string, 0, len(items))
	for _, item := range items {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
