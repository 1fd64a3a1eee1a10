package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// controller is the program that is measured.
type controller struct {
	sandbox *sandbox.Sandbox
	pid     int
	port    int // of its metrics
	debug   int // of its profiles, if it was told to serve them
	started time.Time
}

// ownArguments are those of this repository's controller.
var ownArguments = []string{"--metrics-bind-address=127.0.0.1:{port}", "--health-probe-bind-address=0", "--log-format=json", "--profiling-bind-address=127.0.0.1:{debug}"}

const program = "bench-controller"

func startController(s *stage, binary string, arguments []string) (*controller, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	debug, err := freePort()
	if err != nil {
		return nil, err
	}
	args := []string{}
	for _, argument := range arguments {
		args = append(args, fill(argument, s.kubeconfig, port, debug))
	}
	c := &controller{sandbox: s.sandbox, port: port, debug: debug, started: time.Now()}
	c.pid, err = s.sandbox.StartProgram(program, binary, []string{"KUBECONFIG=" + s.kubeconfig, "POD_NAMESPACE=" + system}, args...)
	return c, err
}

func (c *controller) stop() { c.sandbox.StopProgram(program) }

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// usage is what the controller takes at one moment.
type usage struct {
	CPUSeconds float64 `json:"cpuSeconds"`
	RSS        float64 `json:"rssMiB"`
	PeakRSS    float64 `json:"peakRSSMiB"`
	// Private is what of RSS is not the program's file, which the kernel can drop.
	Private     float64 `json:"privateMiB"`
	Heap        float64 `json:"heapMiB"`
	Goroutines  int     `json:"goroutines"`
	Descriptors int     `json:"openFiles"`
	// Syncs is how many it counts itself, by ESO's metric.
	Syncs int `json:"syncs"`
}

// ticks is USER_HZ, which Linux fixes for /proc.
const ticks, mib = 100, 1 << 20

// usage reads /proc and the controller's metrics.
func (c *controller) usage(ctx context.Context) (usage, error) {
	var u usage
	proc := filepath.Join("/proc", strconv.Itoa(c.pid))
	stat, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		return u, fmt.Errorf("the controller has ended, see its log: %w", err)
	}
	if u.CPUSeconds, err = cpuSeconds(strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))); err != nil {
		return u, err
	}
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(status)) {
		name, rest, _ := strings.Cut(line, ":")
		into, found := map[string]*float64{"VmRSS": &u.RSS, "VmHWM": &u.PeakRSS, "RssAnon": &u.Private}[name]
		if !found {
			continue
		}
		kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
		if err != nil {
			return u, err
		}
		*into = kib / 1024
	}
	open, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		return u, err
	}
	u.Descriptors = len(open)
	return u, c.scrape(ctx, func(name string, value float64) {
		switch {
		case name == "go_memstats_heap_inuse_bytes":
			u.Heap = value / mib
		case name == "go_goroutines":
			u.Goroutines = int(value)
		case strings.HasPrefix(name, "externalsecret_sync_calls_total{"):
			u.Syncs += int(value)
		}
	})
}

// scrape passes each sample of the controller's metrics.
func (c *controller) scrape(ctx context.Context, each func(name string, value float64)) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/metrics", c.port), nil)
	if err != nil {
		return err
	}
	answer, err := new(http.Transport).RoundTrip(request)
	if err != nil {
		return fmt.Errorf("reading the controller's metrics: %w", err)
	}
	defer answer.Body.Close()
	for reader := bufio.NewReader(answer.Body); ; {
		line, err := reader.ReadString('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		if value, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64); err == nil {
			each(line[:at], value)
		}
	}
}

// ownCPU is what this process has used so far.
func ownCPU() (float64, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, err
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds(), nil
}
