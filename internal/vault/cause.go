package vault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// failed turns what kept an answer from coming into a *kv.Error.
func (c *Client) failed(act, path string, err error) *kv.Error {
	e := &kv.Error{Kind: kv.Unreachable, Path: path, Err: err}
	var redirect *redirectError
	switch {
	case errors.Is(err, errToken):
		e.Kind, e.Detail = kv.BadConfig, act+": "+err.Error()
		return e
	case errors.As(err, &redirect):
		e.Kind, e.Detail = kv.BadAnswer, redirect.Error()
	case errors.Is(err, errTooLarge):
		e.Kind, e.Detail = kv.BadAnswer, errTooLarge.Error()
	default:
		e.Detail = Cause(err)
	}
	// The cause's own text may hold addresses that vary, so only what can be
	// branched on stays in the chain.
	e.Err = sentinel(err)
	e.Detail = fmt.Sprintf("%s: Vault at %s: %s", act, c.Address(), e.Detail)
	return e
}

// Causes that a person can mend where the client was made.
var (
	// ErrUnknownAuthority: no CA that is known here signed the server's certificate.
	ErrUnknownAuthority = errors.New("certificate signed by unknown authority")
	// ErrPlain: the server answers http where https was spoken.
	ErrPlain = errors.New("http instead of https")
	// ErrOtherName: the server's certificate is for other names.
	ErrOtherName = errors.New("certificate for another name")
)

func sentinel(err error) error {
	var (
		redirect  *redirectError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		record    tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &redirect):
		return redirect
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return ErrPlain
	case errors.As(err, &authority):
		return ErrUnknownAuthority
	case errors.As(err, &host):
		return ErrOtherName
	}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, syscall.ECONNREFUSED} {
		if errors.Is(err, known) {
			return known
		}
	}
	return nil
}

// Cause says in words that do not change from try to try why a network or API error
// came: no ephemeral ports, request ids or times, and no control characters.
func Cause(err error) string {
	var (
		dns       *net.DNSError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		authority x509.UnknownAuthorityError
		other     *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		alert     tls.AlertError
	)
	text := err.Error()
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host " + clean(dns.Name)
	case errors.As(err, &dns):
		return "the name " + clean(dns.Name) + " cannot be looked up now"
	case errors.As(err, &host):
		return clean("its certificate is for another name: " + host.Error())
	case errors.As(err, &authority):
		return "certificate signed by unknown authority; set caBundle or caProvider in the store"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired or is not yet valid"
	case errors.As(err, &invalid), errors.As(err, &other):
		return "its certificate cannot be verified"
	case errors.As(err, &record), strings.Contains(text, "server gave HTTP response to HTTPS client"):
		return "it answers http, the address says https"
	case errors.As(err, &alert), strings.Contains(text, "remote error: tls:"):
		return "it refused the TLS connection (" + tail(text, "tls: ") + ")"
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return "no answer in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to host"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection ended before the answer did"
	}
	return innermost(err)
}

func tail(text, marker string) string {
	return clean(text[strings.LastIndex(text, marker)+len(marker):])
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// innermost drops the URL and the addresses that wrap a cause.
func innermost(err error) string {
	for {
		var u *url.Error
		var op *net.OpError
		switch {
		case errors.As(err, &op) && op.Err != nil:
			err = op.Err
		case errors.As(err, &u) && u.Err != nil:
			err = u.Err
		default:
			return clean(err.Error())
		}
	}
}

// maxText bounds one foreign text, in bytes.
const maxText = 300

// What varies from try to try in Vault's and Go's texts.
var (
	varyingID   = regexp.MustCompile(`(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
	varyingTime = regexp.MustCompile(`\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?( [+-]\d{4})?( UTC)?( m=[+-][\d.]+)?`)
	varyingFrom = regexp.MustCompile(`\S+:\d+->`)
	vaultToken  = regexp.MustCompile(`\b(?:hv[sbr]|[sbr])\.[A-Za-z0-9_-]{20,}`)
)

// clean makes a foreign text fit for an error: one line without control characters
// or escape sequences, bounded, the same from try to try, without Vault tokens.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError, !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text)
	text = vaultToken.ReplaceAllString(text, redact.Mask)
	text = varyingID.ReplaceAllString(text, "<id>")
	text = varyingTime.ReplaceAllString(text, "<time>")
	text = varyingFrom.ReplaceAllString(text, "")
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return text
}

func printable(token redact.Bytes) bool {
	for _, b := range token.Reveal() {
		if b <= ' ' || b > '~' {
			return false
		}
	}
	return true
}
