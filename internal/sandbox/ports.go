package sandbox

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
)

// Ports come from below the ranges that Linux and macOS take for outgoing
// connections and that Kubernetes takes for NodePorts, so that a port stays free
// while the Vault that owns it is stopped.
const lowestPort, highestPort = 12000, 29999

// freePorts returns n distinct ports that were free at one moment.
func freePorts(n int) ([]int, error) {
	var ports []int
	var listeners []net.Listener
	defer func() {
		for _, l := range listeners {
			_ = l.Close()
		}
	}()
	for range 100 * n {
		port := lowestPort + rand.IntN(highestPort-lowestPort+1)
		l, err := net.Listen("tcp", local(port))
		if err != nil {
			continue
		}
		listeners = append(listeners, l)
		ports = append(ports, port)
		if len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("no %d free ports from %d to %d", n, lowestPort, highestPort)
}

func local(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// portTaken tells whether a part's log blames a port that somebody else has.
func (s *Sandbox) portTaken() bool {
	for _, log := range s.logs() {
		raw, err := os.ReadFile(log)
		if err == nil && strings.Contains(string(raw), "address already in use") {
			return true
		}
	}
	return false
}
