package kube

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

// SilentError is of an API server that was asked, and from which nothing came for so
// long that it was given up.
type SilentError struct {
	// Server is its address, as scheme://host.
	Server string
	// For is how long nothing came.
	For time.Duration
}

func (e *SilentError) Error() string {
	return fmt.Sprintf("no answer in time: nothing came from %s for %s", e.Server, e.For)
}

// Timeout makes it a net.Error, as the other ends of waiting are.
func (e *SilentError) Timeout() bool { return true }

// Temporary is of net.Error.
func (e *SilentError) Temporary() bool { return true }

// LimitPatience makes the clients of a config give up a read from which nothing comes
// for so long: neither the head of an answer nor more of its body. An answer that is
// slow but comes is not cut, so it does for lists of any length; client-go's own
// Timeout is of the whole answer. Left alone are watches, which are silent while nothing
// happens, connections to a Pod, and writes, which the API server itself bounds
// and of which nobody knows, when they are given up, whether they were done.
func LimitPatience(config *rest.Config, patience time.Duration) {
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &impatient{next, patience} })
}

type impatient struct {
	next     http.RoundTripper
	patience time.Duration
}

// WrappedRoundTripper lets client-go find what is below.
func (i *impatient) WrappedRoundTripper() http.RoundTripper { return i.next }

// RoundTrip sends a request and gives it up when nothing comes.
func (i *impatient) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method != http.MethodGet || longLived(request.URL) {
		return i.next.RoundTrip(request)
	}
	ctx, giveUp := context.WithCancelCause(request.Context())
	silence := &SilentError{Server: request.URL.Scheme + "://" + request.URL.Host, For: i.patience}
	timer := time.AfterFunc(i.patience, func() { giveUp(silence) })
	answer, err := i.next.RoundTrip(request.WithContext(ctx))
	if err != nil {
		timer.Stop()
		defer giveUp(nil)
		return nil, cause(ctx, err)
	}
	timer.Reset(i.patience) // the head came; the body's silence counts anew
	answer.Body = &attended{ReadCloser: answer.Body, ctx: ctx, timer: timer, patience: i.patience, done: sync.OnceFunc(func() {
		timer.Stop()
		giveUp(nil)
	})}
	return answer, nil
}

// longLived reports whether an answer may be silent for long: a watch, or a
// connection to a Pod.
func longLived(u *url.URL) bool {
	watch := u.Query().Get("watch")
	return watch != "" && watch != "false" && watch != "0" || strings.HasSuffix(u.Path, "/portforward")
}

// cause is err, or the silence that it comes of.
func cause(ctx context.Context, err error) error {
	if silence, ok := context.Cause(ctx).(*SilentError); ok {
		return silence
	}
	return err
}

// attended is the body of an answer, somebody waiting for its next bytes.
type attended struct {
	io.ReadCloser
	ctx      context.Context
	timer    *time.Timer
	patience time.Duration
	done     func()
}

func (a *attended) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if err != nil {
		a.done()
		if err != io.EOF {
			err = cause(a.ctx, err)
		}
		return n, err
	}
	a.timer.Reset(a.patience)
	return n, nil
}

func (a *attended) Close() error {
	defer a.done()
	return a.ReadCloser.Close()
}
