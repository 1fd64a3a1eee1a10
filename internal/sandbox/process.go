package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// process is one part of a sandbox that runs.
type process struct {
	Name string `json:"name"`
	PID  int    `json:"pid"`
	// Started identifies the process beside its PID, so that a PID that was given
	// to somebody else is never ended.
	Started string `json:"started"`
}

// start runs a binary in a session of its own, its output in DIR/NAME.log.
func (s *Sandbox) start(name, binary string, env []string, args ...string) error {
	log, err := os.OpenFile(s.path(name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(binary, args...)
	cmd.Dir = s.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = processAttributes(s.config.Detach)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	go func() { _ = cmd.Wait() }()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Processes = append(s.Processes, process{Name: name, PID: cmd.Process.Pid, Started: startTime(cmd.Process.Pid)})
	return nil
}

// stop ends the processes of a name: SIGTERM, then SIGKILL after five seconds.
func (s *Sandbox) stop(name string) {
	s.mu.Lock()
	var ending, rest []process
	for _, p := range s.Processes {
		if p.Name == name {
			ending = append(ending, p)
		} else {
			rest = append(rest, p)
		}
	}
	s.Processes = rest
	s.mu.Unlock()
	for _, p := range ending {
		p.end()
	}
}

func (p process) alive() bool {
	return p.Started != "" && startTime(p.PID) == p.Started
}

func (p process) end() {
	if !p.alive() {
		return
	}
	_ = syscall.Kill(-p.PID, syscall.SIGTERM)
	for deadline := time.Now().Add(5 * time.Second); p.alive() && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	if p.alive() {
		_ = syscall.Kill(-p.PID, syscall.SIGKILL)
	}
}

// startTime is a text that no other process with this PID shares; "" when there is
// no such process, or it is a zombie.
func startTime(pid int) string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err == nil {
		fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
		if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
			return ""
		}
		return fields[19]
	}
	if _, err := os.Stat("/proc/self/stat"); err == nil {
		return ""
	}
	out, err := exec.Command("ps", "-o", "lstart=", "-p", fmt.Sprint(pid)).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// wait polls check until it succeeds; after the bound, or when the part has ended,
// the error shows the end of the part's log.
func (s *Sandbox) wait(ctx context.Context, name string, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		if !s.running(name) {
			return fmt.Errorf("%s has ended: %w\n%s", name, err, s.tail(name))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w\n%s", name, err, s.tail(name))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *Sandbox) running(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.Processes {
		if p.Name == name && p.alive() {
			return true
		}
	}
	return false
}

func (s *Sandbox) tail(name string) string {
	raw, err := os.ReadFile(s.path(name + ".log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	if len(lines) > 8 {
		lines = lines[len(lines)-8:]
	}
	return "the end of " + s.path(name+".log") + ":\n  " + strings.Join(lines, "\n  ")
}

func (s *Sandbox) path(elements ...string) string {
	return filepath.Join(append([]string{s.Dir}, elements...)...)
}

// freePorts returns n ports that were free at one moment.
func freePorts(n int) ([]int, error) {
	var ports []int
	var listeners []net.Listener
	defer func() {
		for _, l := range listeners {
			l.Close()
		}
	}()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, errors.Join(errors.New("finding a free port"), err)
		}
		listeners = append(listeners, l)
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
