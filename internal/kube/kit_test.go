package kube_test

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// cable is what lies between a client and the API server, and can be pulled.
type cable struct {
	listener net.Listener
	server   string

	mu     sync.Mutex
	pulled bool
	open   map[net.Conn]bool
}

// wire puts a cable before the API server of a config.
func wire(t *testing.T, config *rest.Config) *cable {
	t.Helper()
	at, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{listener: listener, server: at.Host, open: map[net.Conn]bool{}}
	t.Cleanup(func() { listener.Close(); c.pull() })
	go c.accept()
	at.Host = listener.Addr().String()
	config.Host = at.String()
	return c
}

func (c *cable) accept() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", c.server)
		if err != nil || !c.keep(conn, server) {
			conn.Close()
			continue
		}
		go func() { _, _ = io.Copy(server, conn); server.Close() }()
		go func() { _, _ = io.Copy(conn, server); conn.Close() }()
	}
}

func (c *cable) keep(conns ...net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		if c.pulled {
			conn.Close()
			continue
		}
		c.open[conn] = true
	}
	return !c.pulled
}

// pull breaks every connection, and those to come.
func (c *cable) pull() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pulled = true
	for conn := range c.open {
		conn.Close()
	}
	clear(c.open)
}

func (c *cable) plug() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pulled = false
}

func awaitEvents(t *testing.T, c *kube.Clients, namespace string, want int) {
	t.Helper()
	sandbox.Eventually(t, func() error {
		list, err := c.Events(namespace).List(t.Context(), metav1.ListOptions{})
		if err == nil && len(list.Items) != want {
			err = fmt.Errorf("%d events, want %d", len(list.Items), want)
		}
		return err
	})
}
