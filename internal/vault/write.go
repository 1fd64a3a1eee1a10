package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// ErrConflict is the cause of the error of a write whose check-and-set failed: somebody
// else wrote a version since. Nothing was overwritten.
var ErrConflict = errors.New("another version was written meanwhile")

// ErrUnsure is the cause of the error of a write that was sent and got no answer, when
// asking again did not tell either whether it took effect.
var ErrUnsure = errors.New("whether it was written is not known")

const writing = "cannot write secret data to Vault"

// Write writes a whole KV v2 secret as a new version, on condition that cas is still the
// newest version's number (0: nothing was ever written there). mount and key are as in
// DataPath. Numbers in data should be json.Number, whose form survives.
//
// To change one field, change it in Payload.Copy of a read, and write that with the
// Version that was read: all other fields stay as they were.
//
// A write is sent once. When the answer is lost, the path is read: it tells whether the
// new version is this one. Errors are *kv.Error, with ErrConflict or ErrUnsure as cause.
func (c *Client) Write(ctx context.Context, mount, key string, data map[string]any, cas int) (Version, error) {
	if err := checkKey(mount, 2, key); err != nil {
		return Version{}, err
	}
	path := DataPath(mount, 2, key)
	if flaw := flawed(data, ""); flaw != "" {
		return Version{}, &kv.Error{Kind: kv.BadRequest, Path: path, Detail: fmt.Sprintf("%s: %s: %s", writing, clean(path), flaw)}
	}
	if err := c.versioned(ctx, path); err != nil {
		return Version{}, err
	}
	r := request{
		method: http.MethodPut, path: path, once: true, hide: values(data),
		body: map[string]any{"data": data, "options": map[string]any{"cas": cas}},
	}
	resp, err := c.do(ctx, r)
	if err != nil {
		return c.lookBack(ctx, mount, key, data, cas, c.failed(writing, path, err))
	}
	if resp.code >= 300 {
		return c.unwritten(ctx, mount, key, data, cas, r, resp)
	}
	var answer struct {
		Data map[string]any `json:"data"`
	}
	decoder := json.NewDecoder(bytes.NewReader(resp.body))
	decoder.UseNumber()
	err = decoder.Decode(&answer)
	f := fields{from: answer.Data}
	v := Version{Number: f.number("version"), Created: f.time("created_time")}
	if err != nil || f.err != nil || v.Number <= cas {
		return c.lookBack(ctx, mount, key, data, cas, &kv.Error{Kind: kv.BadAnswer, Path: path, Code: resp.code, Detail: fmt.Sprintf(
			"%s: %s: the answer does not say which version was written", writing, clean(path))})
	}
	return v, nil
}

// versioned refuses a mount that keeps no versions. It is asked before each write: a KV
// v1 mount would take the request for a secret named data/… and write that.
func (c *Client) versioned(ctx context.Context, path string) error {
	on, err := c.Mount(ctx, path)
	if err != nil {
		e := asError(err)
		if e.Kind == kv.Denied {
			return c.denied(ctx, &kv.Error{Kind: kv.Denied, Path: path, Code: e.Code, Detail: fmt.Sprintf("%s: %s: permission denied, or there is no such mount", writing, clean(path))}, "update")
		}
		return err
	}
	what := "is KV v1, which keeps no versions: a write could neither be checked nor taken back"
	switch {
	case on.KV() && on.Version == 2:
		return nil
	case !on.KV():
		what = fmt.Sprintf("is of type %s, not kv", clean(on.Type))
	}
	return &kv.Error{Kind: kv.WrongVersion, Path: path, Detail: fmt.Sprintf("%s: %s: the mount %s %s", writing, clean(path), clean(on.Path), what)}
}

// unwritten explains a refusal. Only a 5xx leaves it open whether the write took effect.
func (c *Client) unwritten(ctx context.Context, mount, key string, data map[string]any, cas int, r request, resp response) (Version, error) {
	if resp.code == http.StatusBadRequest && bytes.Contains(resp.body, []byte("check-and-set parameter did not match")) {
		return Version{}, conflict(r.path, cas)
	}
	e := c.refused(writing, r, resp)
	switch {
	case e.Kind == kv.Denied:
		right := "update"
		if cas == 0 {
			right = "create"
		}
		return Version{}, c.denied(ctx, e, right)
	case e.Kind == kv.Unreachable && e.Code >= 500:
		return c.lookBack(ctx, mount, key, data, cas, e)
	}
	return Version{}, e
}

func conflict(path string, cas int) error {
	return &kv.Error{Kind: kv.BadRequest, Path: path, Code: http.StatusBadRequest, Err: ErrConflict, Detail: fmt.Sprintf(
		"%s: %s: %s (version %d is not the newest any more); nothing was overwritten", writing, clean(path), ErrConflict, cas)}
}

// lookBack finds out what became of a write whose answer was lost.
func (c *Client) lookBack(ctx context.Context, mount, key string, data map[string]any, cas int, lost *kv.Error) (Version, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	made, err := c.Read(ctx, mount, 2, kv.Ref{Key: key, Version: strconv.Itoa(cas + 1)})
	if err == nil && reflect.DeepEqual(made.Fields(), data) {
		return Version{Number: made.Version}, nil
	}
	now, err := c.Read(ctx, mount, 2, kv.Ref{Key: key})
	switch {
	case err == nil && now.Version == cas, cas == 0 && kv.KindOf(err) == kv.Absent && !errors.Is(err, kv.ErrDeleted) && !errors.Is(err, kv.ErrDestroyed):
		lost.Detail += "; it was not written"
		return Version{}, lost
	case err == nil:
		return Version{}, conflict(lost.Path, cas)
	}
	lost.Err = ErrUnsure
	lost.Detail += "; " + ErrUnsure.Error()
	return Version{}, lost
}

// flawed names the first field that JSON cannot carry: encoding/json would replace
// bytes that are not UTF-8 without a word.
func flawed(value any, at string) string {
	switch v := value.(type) {
	case string:
		if !utf8.ValidString(v) {
			return fmt.Sprintf("the value of %q is not UTF-8 and would be changed on its way; encode it, e.g. as base64", clean(strings.TrimPrefix(at, ".")))
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if !utf8.ValidString(name) {
				return fmt.Sprintf("the key %q is not UTF-8", clean(name))
			}
			if flaw := flawed(v[name], at+"."+name); flaw != "" {
				return flaw
			}
		}
	case []any:
		for _, one := range v {
			if flaw := flawed(one, at); flaw != "" {
				return flaw
			}
		}
	}
	return ""
}

// values are the texts of data, for hiding them in whatever a refusal quotes.
func values(value any) []redact.Bytes {
	switch v := value.(type) {
	case string:
		return []redact.Bytes{redact.Bytes(v)}
	case map[string]any:
		var all []redact.Bytes
		for _, name := range slices.Sorted(maps.Keys(v)) {
			all = append(all, values(v[name])...)
		}
		return all
	case []any:
		var all []redact.Bytes
		for _, one := range v {
			all = append(all, values(one)...)
		}
		return all
	}
	return nil
}
