package vault

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

var errToken = errors.New("the token contains non-printable characters and cannot be used")

// refused turns a status of 300 and more into a *kv.Error.
func (c *Client) refused(act string, r request, resp response) *kv.Error {
	if resp.code == http.StatusBadRequest && strings.Contains(string(resp.body), "Client sent an HTTP request to an HTTPS server") {
		return &kv.Error{Kind: kv.Unreachable, Path: r.path, Code: resp.code, Detail: fmt.Sprintf("%s: Vault at %s: it answers https, the address says http", act, c.Address())}
	}
	messages := refusal(resp.body, append(r.hide, c.token))
	e := &kv.Error{Path: r.path, Code: resp.code, Kind: kindOf(resp.code, messages)}
	path := clean(r.path)
	switch e.Kind {
	case kv.Sealed:
		e.Detail = fmt.Sprintf("%s: Vault at %s is sealed; unseal it: kubectl vaultsecret unseal", act, c.Address())
	case kv.Uninitialized:
		e.Detail = fmt.Sprintf("%s: Vault at %s is not initialized; initialize it: kubectl vaultsecret init", act, c.Address())
	case kv.NoMount:
		e.Detail = fmt.Sprintf("%s: nothing is mounted at %s (Code: %d, no handler for route); check the mount's path and the Vault namespace", act, path, resp.code)
	case kv.Unreachable:
		e.Detail = fmt.Sprintf("%s: Vault at %s: %s: Code: %d. Errors: %s", act, c.Address(), path, resp.code, strings.Join(messages, "; "))
	default:
		e.Detail = fmt.Sprintf("%s: %s: Code: %d. Errors: %s", act, path, resp.code, strings.Join(messages, "; "))
	}
	return e
}

// kindOf is the truth table of refusals, as measured on Vault 1.21:
//
//	503 "Vault is sealed"            Sealed
//	501, "not initialized"           Uninitialized
//	403                              Denied (whether the token is at fault is asked apart)
//	404 "no handler for route"       NoMount
//	412, 429, 472, 473, other 5xx    Unreachable
//	other 4xx                        BadRequest
//	3xx                              BadAnswer
func kindOf(code int, messages []string) kv.Kind {
	text := strings.Join(messages, " ")
	switch {
	case code == http.StatusServiceUnavailable && strings.Contains(text, "Vault is sealed"):
		return kv.Sealed
	case code == http.StatusNotImplemented,
		code >= 400 && strings.Contains(text, "server is not yet initialized"),
		code >= 400 && strings.Contains(text, "Vault is not initialized"):
		return kv.Uninitialized
	case code == http.StatusForbidden:
		return kv.Denied
	case code == http.StatusNotFound && strings.Contains(text, "no handler for route"):
		return kv.NoMount
	case code == http.StatusTooManyRequests, code == http.StatusPreconditionFailed, code == 472, code == 473, code >= 500:
		return kv.Unreachable
	case code < 400:
		return kv.BadAnswer
	}
	return kv.BadRequest
}

// refusal returns Vault's own error texts, made fit to be shown. A body that is not
// Vault's is not quoted: a gateway's error page may repeat the request.
func refusal(body []byte, hide []redact.Bytes) []string {
	var answer struct {
		Errors []string `json:"errors"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return []string{"an answer that is not Vault's"}
	}
	var out []string
	for _, message := range answer.Errors {
		message = masked(message, hide)
		message = strings.TrimPrefix(strings.TrimSpace(message), "1 error occurred:")
		message = strings.ReplaceAll(message, "\n\t* ", " ")
		if message = clean(message); message != "" {
			out = append(out, message)
		}
	}
	if len(out) == 0 {
		return []string{"none given"}
	}
	return out
}

// masked hides secrets that a text quotes. One so short that it may be part of any
// word hides the whole text, since a masked word would spell it out.
func masked(message string, hide []redact.Bytes) string {
	for _, secret := range hide {
		switch quoted := string(secret.Reveal()); {
		case quoted == "" || !strings.Contains(message, quoted):
		case len(quoted) < 6:
			return "a text that may quote the credential"
		default:
			message = strings.ReplaceAll(message, quoted, redact.Mask)
		}
	}
	return message
}
