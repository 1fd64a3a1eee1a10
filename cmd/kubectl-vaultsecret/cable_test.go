package main

import (
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"

	"k8s.io/client-go/tools/clientcmd"
)

// cable lies between the plugin and the API server, and breaks once, before it carries
// the first answer that finds broken true.
type cable struct {
	server string
	broken func() bool
	// forGood leaves it broken.
	forGood bool

	listener net.Listener
	done     atomic.Bool
	mu       sync.Mutex
	open     []net.Conn
}

// throughCable gives the plugin a kubeconfig with a cable in it.
func (b *bench) throughCable(c *cable) {
	b.Helper()
	config, err := clientcmd.LoadFromFile(b.sb.Kubeconfig())
	b.must(err)
	cluster := config.Clusters["sandbox"]
	at, err := url.Parse(cluster.Server)
	b.must(err)
	c.server = at.Host
	c.listener, err = net.Listen("tcp", "127.0.0.1:0")
	b.must(err)
	b.Cleanup(func() { c.listener.Close(); c.cut() })
	go c.serve()
	cluster.Server = "https://" + c.listener.Addr().String()
	b.env["KUBECONFIG"] = filepath.Join(b.dir, "kubeconfig")
	b.must(clientcmd.WriteToFile(*config, b.env["KUBECONFIG"]))
}

func (c *cable) serve() {
	for {
		client, err := c.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", c.server)
		if err != nil || c.forGood && c.done.Load() {
			client.Close()
			continue
		}
		c.mu.Lock()
		c.open = append(c.open, client, server)
		c.mu.Unlock()
		go func() { _, _ = io.Copy(server, client); server.Close() }()
		go c.answers(client, server)
	}
}

// answers carries what the server says, until it is not to be heard.
func (c *cable) answers(client, server net.Conn) {
	defer client.Close()
	chunk := make([]byte, 32<<10)
	for {
		n, err := server.Read(chunk)
		if n > 0 && !c.done.Load() && c.broken() {
			c.done.Store(true)
			c.cut()
			return
		}
		if _, writeErr := client.Write(chunk[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.open {
		conn.Close()
	}
	c.open = nil
}
