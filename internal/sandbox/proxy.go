package sandbox

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// ProxyURL is an HTTP proxy that knows the Service names of the sandbox's Vault. A
// controller that runs on the host takes it for the cluster's DNS.
func (s *Sandbox) ProxyURL() string { return fmt.Sprintf("http://127.0.0.1:%d", s.ProxyPort) }

// startProxy runs the proxy here, or as a process of its own when the sandbox is to
// outlive this one.
func (s *Sandbox) startProxy(ctx context.Context, port int) error {
	s.ProxyPort = port
	if len(s.Vaults) == 0 {
		return nil
	}
	if !s.config.Detach {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return err
		}
		s.proxy = listener
		go func() { _ = s.serveProxy(listener) }()
		return nil
	}
	if err := s.save(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := s.start("proxy", self, nil, "proxy", "--dir", s.Dir); err != nil {
		return err
	}
	return s.wait(ctx, "proxy", func(context.Context) error {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// ServeProxy serves the proxy of a sandbox until the process ends.
func (s *Sandbox) ServeProxy() error {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", s.ProxyPort))
	if err != nil {
		return err
	}
	return s.serveProxy(listener)
}

func (s *Sandbox) serveProxy(listener net.Listener) error {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
		return s.dial(ctx, address)
	}}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect {
			s.tunnel(w, r)
			return
		}
		out := r.Clone(r.Context())
		out.RequestURI = ""
		out.Header.Del("Proxy-Connection")
		resp, err := transport.RoundTrip(out)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		for name, values := range resp.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	})}
	return server.Serve(listener)
}

func (s *Sandbox) tunnel(w http.ResponseWriter, r *http.Request) {
	up, err := s.dial(r.Context(), r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer up.Close()
	down, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer down.Close()
	if _, err := down.Write([]byte("HTTP/1.1 200 OK\r\n\r\n")); err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(up, buffered)
		up.Close()
	}()
	_, _ = io.Copy(down, up)
}

// dial knows vault.vault.svc (the first node) and vault-N.vault-internal.vault.svc,
// and nothing else.
func (s *Sandbox) dial(ctx context.Context, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	name := strings.TrimSuffix(strings.TrimSuffix(host, ".cluster.local"), ".svc")
	for i, node := range s.Vaults {
		if name == fmt.Sprintf("vault-%d.vault-internal.vault", i) || i == 0 && (name == "vault.vault" || name == "vault") {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", node.API))
		}
	}
	return nil, fmt.Errorf("no such host: %s", host)
}
