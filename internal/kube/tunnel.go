package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// When a Tunnel forwards.
const (
	ForwardAuto   = "auto"
	ForwardNever  = "never"
	ForwardAlways = "always"
)

// Tunnel dials in-cluster Service names from outside a cluster: where a name does not
// resolve here, through a port-forward to a Pod behind the Service. TLS on top of it
// is verified against the Service's name as usual.
type Tunnel struct {
	Clients *Clients
	// Mode is one of the Forward… constants; empty is ForwardAuto.
	Mode string

	mu  sync.Mutex
	via map[string]string
}

// DialContext dials host:port.
func (t *Tunnel) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	name, isService := inCluster(host)
	direct := func() (net.Conn, error) {
		return (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, network, address)
	}
	switch {
	case !isService, t.Mode == ForwardNever:
		return direct()
	case t.Mode != ForwardAlways:
		_, err := net.DefaultResolver.LookupHost(ctx, host)
		var dns *net.DNSError
		if err == nil || !errors.As(err, &dns) {
			return direct()
		}
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("port %q of %s is not a port", port, host)
	}
	pod, podPort := name.pod, int32(number)
	if pod == "" {
		if pod, podPort, err = t.Clients.behind(ctx, name.namespace, name.service, podPort); err != nil {
			return nil, err
		}
	}
	conn, err := t.Clients.DialPod(ctx, name.namespace, pod, podPort)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.via == nil {
		t.via = map[string]string{}
	}
	t.via[address] = "port-forward to " + pod
	return conn, nil
}

// Via says how an address was reached, "" when directly or not yet.
func (t *Tunnel) Via(address string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.via[address]
}

// clusterName is a name that a cluster's DNS knows: of a Service, or of one Pod
// behind a headless Service.
type clusterName struct{ pod, service, namespace string }

// inCluster takes SERVICE.NAMESPACE.svc and POD.SERVICE.NAMESPACE.svc, with or
// without the cluster's domain.
func inCluster(host string) (clusterName, bool) {
	parts := strings.Split(strings.TrimSuffix(host, "."), ".")
	switch {
	case slices.Contains(parts, ""):
	case len(parts) > 2 && parts[2] == "svc":
		return clusterName{service: parts[0], namespace: parts[1]}, true
	case len(parts) > 3 && parts[3] == "svc":
		return clusterName{pod: parts[0], service: parts[1], namespace: parts[2]}, true
	}
	return clusterName{}, false
}

// DialPod opens a connection to a port of a Pod through the API server.
func (c *Clients) DialPod(ctx context.Context, namespace, pod string, port int32) (net.Conn, error) {
	what := fmt.Sprintf("port-forward to pod %s/%s:%d", namespace, pod, port)
	url := c.core.Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("portforward").URL()
	websocket, err := portforward.NewSPDYOverWebsocketDialerForStreaming(url, c.Config)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	transport, upgrader, err := spdy.RoundTripperFor(c.Config)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	fallback := portforward.NewFallbackDialerForStreaming(websocket, spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, url), func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	type dialed struct {
		conn net.Conn
		err  error
	}
	done := make(chan dialed, 1)
	go func() {
		conn, err := openStreams(fallback, port)
		done <- dialed{conn, err}
	}()
	select {
	case d := <-done:
		if d.err != nil {
			return nil, fmt.Errorf("%s: %w", what, d.err)
		}
		return d.conn, nil
	case <-ctx.Done():
		go func() {
			if d := <-done; d.err == nil {
				d.conn.Close()
			}
		}()
		return nil, fmt.Errorf("%s: %w", what, ctx.Err())
	}
}

func openStreams(dialer httpstream.Dialer, port int32) (net.Conn, error) {
	connection, _, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
	if err != nil {
		return nil, err
	}
	headers := http.Header{}
	headers.Set(corev1.PortHeader, strconv.Itoa(int(port)))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	errorStream, err := connection.CreateStream(headers)
	if err != nil {
		connection.Close()
		return nil, err
	}
	errorStream.Close() // nothing is written to it
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := connection.CreateStream(headers)
	if err != nil {
		connection.Close()
		return nil, err
	}
	c := &podConn{Stream: data, connection: connection, watched: make(chan struct{})}
	go c.watch(errorStream)
	return c, nil
}

// podConn makes a net.Conn of a forwarded stream. It has no deadlines; whoever uses
// it closes it.
type podConn struct {
	httpstream.Stream
	connection httpstream.Connection
	// watched is closed when the API server has said all that it says of the stream;
	// reason is what it said.
	watched chan struct{}
	reason  string
}

// lastWords bounds the wait for what the API server says of a stream that ended: it
// comes by another stream, which ends at about the same time.
const lastWords = time.Second

func (c *podConn) watch(errorStream io.Reader) {
	message, _ := io.ReadAll(io.LimitReader(errorStream, 4096))
	c.reason = strings.TrimSpace(string(message))
	close(c.watched)
	if c.reason != "" {
		c.connection.Close()
	}
}

func (c *podConn) Read(p []byte) (int, error) {
	n, err := c.Stream.Read(p)
	if err == nil || errors.Is(err, io.EOF) {
		return n, c.ended(err, err)
	}
	return n, c.ended(err, syscall.ECONNRESET)
}

func (c *podConn) Write(p []byte) (int, error) {
	n, err := c.Stream.Write(p)
	return n, c.ended(err, syscall.EPIPE)
}

// ended says why the forwarded stream failed: in the API server's words if it gave any,
// else as a network connection does (like), whatever the protocol below calls it; which
// of them is met first differs from try to try.
func (c *podConn) ended(err, like error) error {
	if err == nil {
		return nil
	}
	select {
	case <-c.watched:
		if c.reason != "" {
			return fmt.Errorf("the port-forward ended: %s", c.reason)
		}
	case <-time.After(lastWords):
	}
	if errors.Is(err, like) {
		return err
	}
	return fmt.Errorf("the port-forward broke: %w (%w)", like, err)
}

func (c *podConn) Close() error {
	_ = c.Stream.Reset()
	return c.connection.Close()
}

type podAddr struct{}

func (podAddr) Network() string { return "port-forward" }
func (podAddr) String() string  { return "pod" }

func (c *podConn) LocalAddr() net.Addr              { return podAddr{} }
func (c *podConn) RemoteAddr() net.Addr             { return podAddr{} }
func (c *podConn) SetDeadline(time.Time) error      { return nil }
func (c *podConn) SetReadDeadline(time.Time) error  { return nil }
func (c *podConn) SetWriteDeadline(time.Time) error { return nil }

// InCluster reports whether a host is a name that a cluster's DNS alone knows.
func InCluster(host string) bool {
	_, is := inCluster(host)
	return is
}
