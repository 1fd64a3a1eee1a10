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
	"slices"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/hashicorp/vault/api"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// Bounds on what is read of one answer, in bytes.
const (
	maxAnswer  = 32 << 20
	maxRefusal = 64 << 10
)

// request is one call of Vault's API.
type request struct {
	// method is GET when empty.
	method string
	// path below /v1/, not escaped.
	path  string
	query url.Values
	// body is sent as JSON, nil for none.
	body any
	// anonymous leaves the token out.
	anonymous bool
	// namespace replaces the client's, when not nil.
	namespace *string
	// once forbids repetition: the call must not happen twice.
	once bool
	// ok lists statuses beyond 2xx that are answers.
	ok []int
	// hide lists secrets that the answer to a refusal might quote.
	hide []redact.Bytes
}

// response is an answer as it came.
type response struct {
	code int
	body []byte
}

var errTooLarge = errors.New("the answer is larger than 32 MiB")

// redirectError says that a redirect was not followed, since the token would have
// gone along.
type redirectError struct{ to string }

func (e *redirectError) Error() string {
	return "it redirects to " + e.to + ", which is not followed; set spec.provider.vault.server to the address that answers"
}

// do sends the request, repeating it by the client's rules, and reads the answer.
func (c *Client) do(ctx context.Context, r request) (response, error) {
	ctx, cancel := context.WithTimeout(ctx, c.wire.config.Timeout)
	defer cancel()
	target := *c.wire.base
	target.Path += "/v1/" + r.path
	target.RawQuery = r.query.Encode()
	var body []byte
	if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return response{}, errors.New("encoding the request")
		}
	}
	for redirects := 0; ; redirects++ {
		resp, err := c.round(ctx, r, &target, body)
		if err != nil {
			return response{}, err
		}
		if !slices.Contains([]int{301, 302, 307, 308}, resp.StatusCode) {
			defer resp.Body.Close()
			c.wire.record(resp)
			return read(resp)
		}
		resp.Body.Close()
		next, err := resp.Location()
		if err != nil || redirects > 0 {
			return response{}, &redirectError{to: "a place that it redirects from"}
		}
		if next.Host != target.Host || next.Scheme != target.Scheme {
			return response{}, &redirectError{to: clean(next.Scheme + "://" + next.Host)}
		}
		target = *next
	}
}

func (c *Client) round(ctx context.Context, r request, target *url.URL, body []byte) (*http.Response, error) {
	method := r.method
	if method == "" {
		method = http.MethodGet
	}
	var content any
	if body != nil {
		content = body
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, method, target.String(), content)
	if err != nil {
		return nil, errors.New("the request cannot be formed from this address and path")
	}
	req.Header = c.wire.headers.Clone()
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	namespace := c.wire.config.Namespace
	if r.namespace != nil {
		namespace = *r.namespace
	}
	if namespace != "" {
		req.Header.Set(api.NamespaceHeaderName, namespace)
	}
	req.Header.Del(api.AuthHeaderName)
	if !r.anonymous && len(c.token) > 0 {
		if !printable(c.token) {
			return nil, errToken
		}
		req.Header.Set(api.AuthHeaderName, string(c.token.Reveal()))
	}
	c.wire.replay(req.Header)
	return c.wire.retrying(r).Do(req)
}

// retrying is the client that repeats, by the store's retrySettings.
func (w *wire) retrying(r request) *retryablehttp.Client {
	client := &retryablehttp.Client{
		HTTPClient: w.http, RetryMax: 2, RetryWaitMin: time.Second, RetryWaitMax: 1500 * time.Millisecond,
		Backoff: retryablehttp.RateLimitLinearJitterBackoff, ErrorHandler: retryablehttp.PassthroughErrorHandler,
		CheckRetry: func(ctx context.Context, resp *http.Response, err error) (bool, error) {
			if resp != nil && (slices.Contains(r.ok, resp.StatusCode) ||
				w.config.MaxRetries == nil && resp.StatusCode == http.StatusServiceUnavailable) {
				return false, nil
			}
			if err != nil && sentinel(err) == ErrPlain {
				return false, nil // it will not change
			}
			return api.DefaultRetryPolicy(ctx, resp, err)
		},
	}
	if w.config.MaxRetries != nil {
		client.RetryMax = max(0, *w.config.MaxRetries)
	}
	if w.config.RetryInterval > 0 {
		client.RetryWaitMin, client.RetryWaitMax = w.config.RetryInterval, w.config.RetryInterval
	}
	if r.once {
		client.RetryMax = 0
	}
	return client
}

// read takes the body within its bound; of a refusal only the beginning.
func read(resp *http.Response) (response, error) {
	if resp.StatusCode >= 400 {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
		return response{resp.StatusCode, body}, err
	}
	if resp.ContentLength > maxAnswer {
		return response{}, errTooLarge
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		return response{}, errTooLarge
	}
	return response{resp.StatusCode, body}, err
}

// record and replay keep X-Vault-Index states, so that a read sees what an earlier
// answer of a replicated Vault was based on.
func (w *wire) record(resp *http.Response) {
	if state := resp.Header.Get(api.HeaderIndex); state != "" && (w.config.ReadYourWrites || w.config.ForwardInconsistent) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.states = api.MergeReplicationStates(w.states, state)
	}
}

func (w *wire) replay(h http.Header) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, state := range w.states {
		h.Add(api.HeaderIndex, state)
	}
}

// fetch sends the request and decodes the answer into out (nil for no interest). act
// is what is tried, in ESO's words, for the error.
func (c *Client) fetch(ctx context.Context, act string, r request, out any) (int, error) {
	resp, err := c.do(ctx, r)
	if err != nil {
		return 0, c.failed(act, r.path, err)
	}
	if resp.code >= 300 && !slices.Contains(r.ok, resp.code) {
		return resp.code, c.refused(act, r, resp)
	}
	if out == nil || len(resp.body) == 0 {
		return resp.code, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(resp.body))
	decoder.UseNumber()
	if err := decoder.Decode(out); err != nil {
		return resp.code, &kv.Error{Kind: kv.BadAnswer, Path: r.path, Code: resp.code, Detail: fmt.Sprintf(
			"%s: Vault at %s: the answer to %s is no JSON of Vault's", act, c.Address(), clean(r.path))}
	}
	return resp.code, nil
}

// ask is fetch for answers in Vault's usual envelope. An answer without a body gives
// an empty Secret.
func (c *Client) ask(ctx context.Context, act string, r request) (*api.Secret, error) {
	secret := new(api.Secret)
	_, err := c.fetch(ctx, act, r, secret)
	return secret, err
}
