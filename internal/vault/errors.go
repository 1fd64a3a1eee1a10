package vault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/hashicorp/vault/api"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// classify turns what vault/api returned into a *kv.Error. act is what was tried,
// in ESO's words.
func (c *Client) classify(act, path string, err error) *kv.Error {
	e := &kv.Error{Path: path, Err: err}
	var answer *api.ResponseError
	if errors.As(err, &answer) {
		e.Code = answer.StatusCode
		e.Kind = kindOfStatus(answer.StatusCode, answer.Errors)
		e.Detail = fmt.Sprintf("%s: %s: Code: %d. Errors: %s", act, path, e.Code, strings.Join(clean(answer.Errors), "; "))
		switch e.Kind {
		case kv.Sealed:
			e.Detail = fmt.Sprintf("%s: Vault at %s is sealed; unseal it: kubectl vaultsecret unseal", act, c.Address())
		case kv.Uninitialized:
			e.Detail = fmt.Sprintf("%s: Vault at %s is not initialized; initialize it: kubectl vaultsecret init", act, c.Address())
		case kv.NoMount:
			e.Detail = fmt.Sprintf("%s: no secrets engine is mounted at %s (no handler for route); check spec.provider.vault.path", act, path)
		}
		return e
	}
	e.Kind = kv.Unreachable
	var redirect *redirectError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var dns *net.DNSError
	switch {
	case errors.As(err, &redirect):
		e.Kind, e.Detail = kv.BadAnswer, redirect.Error()
	case errors.Is(err, errTooLarge):
		e.Kind, e.Detail = kv.BadAnswer, errTooLarge.Error()
	case errors.As(err, &dns) && dns.IsNotFound:
		e.Detail = "no such host: " + dns.Name
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Detail = "connection refused"
	case errors.Is(err, syscall.ECONNRESET):
		e.Detail = "connection reset"
	case errors.As(err, &host):
		e.Detail = "its certificate is for another name: " + host.Error()
	case errors.As(err, &invalid):
		e.Detail = "its certificate is not valid: " + invalid.Error()
	case isUnknownAuthority(err):
		e.Detail = "its certificate is signed by an unknown authority; set caBundle or caProvider in the store"
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		e.Detail = "no answer in time"
	case errors.Is(err, context.Canceled):
		e.Detail = "interrupted"
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		e.Detail = "it speaks http, the store's server says https"
	case isSyntax(err):
		e.Kind, e.Detail = kv.BadAnswer, "the answer is no JSON of Vault's"
	default:
		e.Detail = stable(err)
	}
	e.Detail = fmt.Sprintf("%s: Vault at %s: %s", act, c.Address(), e.Detail)
	return e
}

func kindOfStatus(code int, messages []string) kv.Kind {
	text := strings.Join(messages, " ")
	switch {
	case code == http.StatusServiceUnavailable && strings.Contains(text, "sealed"):
		return kv.Sealed
	case code == http.StatusNotImplemented, strings.Contains(text, "not initialized"):
		return kv.Uninitialized
	case code == http.StatusForbidden:
		return kv.Denied
	case code == http.StatusNotFound && strings.Contains(text, "no handler for route"):
		return kv.NoMount
	case code == http.StatusTooManyRequests, code == http.StatusPreconditionFailed, code >= 500:
		return kv.Unreachable
	}
	return kv.BadRequest
}

// clean drops what Vault adds to an error for people at a terminal and what varies.
func clean(messages []string) []string {
	var out []string
	for _, m := range messages {
		m = strings.TrimPrefix(strings.TrimSpace(m), "1 error occurred:")
		out = append(out, strings.Join(strings.Fields(strings.ReplaceAll(m, "*", "")), " "))
	}
	if len(out) == 0 {
		return []string{"none given"}
	}
	return out
}

func isUnknownAuthority(err error) bool {
	var authority x509.UnknownAuthorityError
	var verification *tls.CertificateVerificationError
	return errors.As(err, &authority) || errors.As(err, &verification)
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

func isSyntax(err error) bool {
	text := err.Error()
	return strings.Contains(text, "invalid character") || strings.Contains(text, "unexpected end of JSON")
}

// stable drops URL and addresses, which may hold an ephemeral port.
func stable(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}
