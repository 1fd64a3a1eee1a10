package kube

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/streaming/pkg/httpstream"
)

// brokenStream fails as what carries the stream does.
type brokenStream struct {
	httpstream.Stream
	err error
}

func (s brokenStream) Read([]byte) (int, error)  { return 0, s.err }
func (s brokenStream) Write([]byte) (int, error) { return 0, s.err }

func closed() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// N14: which of its own errors websocket or SPDY meets first when a port-forward breaks
// differs from try to try; told is that a network connection broke.
func TestNeverTellsAPortForwardsBreakInVaryingWords(t *testing.T) {
	for _, text := range []string{"websocket: close sent", "Stream reset", "websocket: close 1006 (abnormal closure): unexpected EOF"} {
		c := &podConn{Stream: brokenStream{err: errors.New(text)}, watched: closed()}
		if _, err := c.Write(nil); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("writing: %v", err)
		}
		if _, err := c.Read(nil); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("reading: %v", err)
		}
	}
	c := &podConn{Stream: brokenStream{err: io.EOF}, watched: closed()}
	if _, err := c.Read(nil); err != io.EOF {
		t.Errorf("the end of a stream is %v, want io.EOF itself", err)
	}
	c.reason = "pod not found"
	for name, call := range map[string]func([]byte) (int, error){"reading": c.Read, "writing": c.Write} {
		if _, err := call(nil); err == nil || !strings.Contains(err.Error(), "pod not found") {
			t.Errorf("%s: %v, want the API server's words", name, err)
		}
	}
}

// What the API server says comes by another stream, after the data's end or before it:
// told is the same.
func TestPortForwardsReasonIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &podConn{Stream: brokenStream{err: io.EOF}, connection: silent{}, watched: make(chan struct{})}
		says, words := io.Pipe()
		go c.watch(says)
		go func() {
			time.Sleep(lastWords / 2)
			_, _ = io.WriteString(words, "nothing listens there")
			words.Close()
		}()
		if _, err := c.Read(nil); err == nil || !strings.Contains(err.Error(), "nothing listens there") {
			t.Errorf("%v, want the API server's words", err)
		}
	})
}

// silent is a connection that only closes.
type silent struct{ httpstream.Connection }

func (silent) Close() error { return nil }
