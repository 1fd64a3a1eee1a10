package gather

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"unicode"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
)

// denials remembers what the caller may not do.
type denials struct {
	mu   sync.Mutex
	list []string
}

func (d *denials) add(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Contains(d.list, what) {
		d.list = append(d.list, what)
	}
}

func (d *denials) sorted() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(slices.Values(d.list))
}

// reason is why a lookup gave nothing, in words that stay the same from try to try.
// act is what was tried, e.g. "get secrets in apps".
func (d *denials) reason(act string, err error) string {
	var network net.Error
	switch {
	case apierrors.IsForbidden(err):
		d.add(act)
		return "you may not " + act
	case errors.Is(err, context.DeadlineExceeded), apierrors.IsTimeout(err), apierrors.IsServerTimeout(err),
		errors.As(err, &network) && network.Timeout():
		return "no answer in time (" + act + ")"
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused (" + act + ")"
	}
	return Clean(err.Error())
}

// fact is a Fact of a lookup's result.
func fact[T any](d *denials, act string, value T, err error) diagnose.Fact[T] {
	if err != nil {
		return diagnose.Unknown[T](d.reason(act, err))
	}
	return diagnose.Known(value)
}

// Clean drops control characters, and with them terminal escapes, from a text that
// somebody else wrote (an event, an annotation, an answer of Vault).
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfeff, r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, text)
}
