package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// ProxyURL is an HTTP proxy that knows the names of the sandbox's Vault Services
// and nothing else. A program on the host takes it for the cluster's network:
// what a name does not resolve to, or nobody listens on, is a broken connection.
func (s *Sandbox) ProxyURL() string { return "http://" + local(s.state.Ports.Proxy) }

// startProxy runs the proxy here, or as a process of its own when the sandbox is to
// outlive this one.
func (s *Sandbox) startProxy(ctx context.Context) error {
	if s.VaultNodes() == 0 {
		return nil
	}
	if !s.detach {
		listener, err := net.Listen("tcp", local(s.state.Ports.Proxy))
		if err != nil {
			return fmt.Errorf("starting the proxy: %w", err)
		}
		out, err := os.OpenFile(s.path("proxy.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		server := s.proxyServer(out)
		s.proxy = server
		go func() {
			_ = server.Serve(listener) // until Stop closes it
			_ = out.Close()
		}()
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := s.start("proxy", self, nil, "proxy", "--dir", s.Dir); err != nil {
		return err
	}
	return s.await(ctx, "proxy", func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", local(s.state.Ports.Proxy))
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// ServeProxy serves the proxy of a loaded sandbox; it is a process's whole life.
func (s *Sandbox) ServeProxy() error {
	listener, err := net.Listen("tcp", local(s.state.Ports.Proxy))
	if err != nil {
		return err
	}
	return s.proxyServer(os.Stderr).Serve(listener)
}

func (s *Sandbox) proxyServer(out io.Writer) *http.Server {
	logger := log.New(out, "", log.LstdFlags)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
		return s.dialService(ctx, address)
	}}
	return &http.Server{ReadHeaderTimeout: 10 * time.Second, ErrorLog: logger, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect {
			s.tunnel(w, r, logger)
			return
		}
		out := r.Clone(r.Context())
		out.RequestURI = ""
		out.Header.Del("Proxy-Connection")
		resp, err := transport.RoundTrip(out)
		if err != nil {
			refuse(logger, r, err)
		}
		defer resp.Body.Close()
		for name, values := range resp.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body) // the client sees a short body
	})}
}

// refuse breaks the connection: a status code would look like Vault's own answer.
func refuse(logger *log.Logger, r *http.Request, err error) {
	logger.Printf("%s %s: %v", r.Method, r.Host, err)
	panic(http.ErrAbortHandler)
}

func (s *Sandbox) tunnel(w http.ResponseWriter, r *http.Request, logger *log.Logger) {
	up, err := s.dialService(r.Context(), r.Host)
	if err != nil {
		refuse(logger, r, err)
	}
	defer up.Close()
	down, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		refuse(logger, r, err)
	}
	defer down.Close()
	if _, err := io.WriteString(down, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(up, buffered)
		_ = up.Close()
	}()
	_, _ = io.Copy(down, up)
}

// dialService connects to the process behind a Service's name, as a Pod in
// namespace vault would reach it: vault (the active node), vault-N.vault-internal.
func (s *Sandbox) dialService(ctx context.Context, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	name := strings.TrimSuffix(strings.TrimSuffix(host, ".cluster.local"), ".svc")
	node := -1
	switch {
	case name == "vault."+vaultNamespace:
		node = s.activeVault(ctx)
	default:
		for i := range s.VaultNodes() {
			if name == vaultName(i)+"."+internal+"."+vaultNamespace {
				node = i
			}
		}
	}
	if node < 0 || port != "8200" {
		return nil, fmt.Errorf("lookup %s: no such host and port in the sandbox", address)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", local(s.state.Ports.Vaults[node].API))
}

// activeVault is the node that leads, or the first.
func (s *Sandbox) activeVault(ctx context.Context) int {
	if s.VaultNodes() == 1 {
		return 0
	}
	for i := range s.VaultNodes() {
		client, err := s.VaultClient(i)
		if err != nil {
			continue
		}
		if leader, err := client.Sys().LeaderWithContext(ctx); err == nil && leader.IsSelf {
			return i
		}
	}
	return 0
}
