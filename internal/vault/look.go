package vault

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// Inspect is LookupSelf with the number of uses that the token has left; 0 is no limit.
func (c *Client) Inspect(ctx context.Context) (Token, int, error) {
	const act, path = "cannot check the vault credentials", "auth/token/lookup-self"
	secret, err := c.ask(ctx, act, request{path: path})
	if err != nil {
		_, explained := c.LookupSelf(ctx)
		if explained == nil {
			explained = err
		}
		return Token{}, 0, explained
	}
	var token Token
	token.TTL, _ = secret.TokenTTL()
	token.Renewable, _ = secret.TokenIsRenewable()
	token.Policies, _ = secret.TokenPolicies()
	kind, _ := secret.Data["type"].(string)
	token.Batch = kind == "batch"
	number, _ := secret.Data["num_uses"].(json.Number)
	uses, _ := number.Int64()
	return token, int(uses), nil
}

// VisibleMounts lists the paths of the KV mounts under which the token may do
// something, sorted, without trailing slashes.
func (c *Client) VisibleMounts(ctx context.Context) ([]string, error) {
	answer, err := c.ask(ctx, "asking for the mounts", request{path: "sys/internal/ui/mounts"})
	if err != nil {
		return nil, err
	}
	engines, _ := answer.Data["secret"].(map[string]any)
	var paths []string
	for path, mount := range engines {
		if m, _ := mount.(map[string]any); m["type"] == "kv" || m["type"] == "generic" {
			paths = append(paths, strings.TrimSuffix(path, "/"))
		}
	}
	slices.Sort(paths)
	return paths, nil
}

// Health is one server's own view of itself.
type Health struct {
	Initialized, Sealed, Standby bool
	Version                      string
	// Enterprise tells the edition, nil where the server does not (before 1.16, and
	// OpenBao).
	Enterprise *bool
	// Time is the server's clock, to the second.
	Time time.Time
}

// Health asks one server how it is, whatever its state; no token is needed.
func (c *Client) Health(ctx context.Context) (Health, error) {
	var answer struct {
		Initialized, Sealed, Standby bool
		Version                      string
		Enterprise                   *bool
		Time                         int64 `json:"server_time_utc"`
	}
	states := []int{http.StatusTooManyRequests, 472, 473, http.StatusNotImplemented, http.StatusServiceUnavailable}
	if _, err := c.fetch(ctx, "asking for the health", request{path: "sys/health", anonymous: true, ok: states}, &answer); err != nil {
		return Health{}, err
	}
	return Health{
		Initialized: answer.Initialized, Sealed: answer.Sealed, Standby: answer.Standby,
		Version: answer.Version, Enterprise: answer.Enterprise, Time: time.Unix(answer.Time, 0),
	}, nil
}

// IsRedirect reports whether an error says that the server redirects to another one,
// which is not followed: a standby that cannot forward does that.
func IsRedirect(err error) bool { return errors.As(err, new(*redirectError)) }

// IsHidden reports whether an error of Mount says that Vault does not tell: the
// mount is missing, or the token may do nothing under it.
func IsHidden(err error) bool { return kv.KindOf(err) == kv.Denied }
