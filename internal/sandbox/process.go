package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// readyBound is how long a part may take to become ready. On two busy cores the
// slowest takes seconds.
const readyBound = 2 * time.Minute

// process is one part of a sandbox that runs.
type process struct {
	Name string `json:"name"`
	PID  int    `json:"pid"`
	// Started identifies the process beside its PID, so that a PID that was given
	// to somebody else is never ended.
	Started string `json:"started"`
	// Dir is the working directory, which its children share.
	Dir string `json:"dir"`
}

func thisProcess() process {
	return process{Name: "owner", PID: os.Getpid(), Started: startTime(os.Getpid())}
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
	cmd.Env = append(plainEnvironment(), env...)
	cmd.SysProcAttr = processAttributes(s.detach)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := spawn(cmd); err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	s.state.Processes = append(s.state.Processes, process{Name: name, PID: cmd.Process.Pid, Started: startTime(cmd.Process.Pid), Dir: s.Dir})
	return s.save()
}

// spawn starts a command from a thread that lives as long as the command: the
// kernel sends the parent-death signal when the thread ends, not the process.
func spawn(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this function
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // reaps it; how it ended is read from its log
		}
	}()
	return <-started
}

// plainEnvironment leaves out what would steer a part, VAULT_… and proxies above all.
func plainEnvironment() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "GOCOVERDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// stop ends the part of that name, if it runs: SIGTERM, then SIGKILL after five seconds.
func (s *Sandbox) stop(name string) {
	p, found := s.process(name)
	if !found {
		return
	}
	p.signal(syscall.SIGTERM)
	if !p.gone(5 * time.Second) {
		p.signal(syscall.SIGKILL)
		p.gone(5 * time.Second)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Processes = slices.DeleteFunc(s.state.Processes, func(q process) bool { return q == p })
	_ = s.save() // stale at worst: an ended process is recognised by its start time
}

// killAll ends what is left and forgets it.
func (s *Sandbox) killAll(ctx context.Context) error {
	s.mu.Lock()
	ending := s.state.Processes
	s.state.Processes = nil
	s.mu.Unlock()
	var all sync.WaitGroup
	stuck := make([]error, len(ending))
	for i, p := range ending {
		all.Go(func() {
			p.signal(syscall.SIGKILL)
			if !p.gone(5*time.Second) && ctx.Err() == nil {
				stuck[i] = fmt.Errorf("%s (process %d) does not end", p.Name, p.PID)
			}
		})
	}
	all.Wait()
	return errors.Join(stuck...)
}

func (s *Sandbox) process(name string) (process, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.state.Processes, func(p process) bool { return p.Name == name })
	if i < 0 {
		return process{}, false
	}
	return s.state.Processes[i], true
}

func (s *Sandbox) anyAlive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.state.Processes, process.alive)
}

func (p process) alive() bool {
	return p.Started != "" && startTime(p.PID) == p.Started
}

// remains tells whether the part or a child of its runs: Vault's plugins outlive it
// when it is killed.
func (p process) remains() bool { return p.alive() || p.hasOrphans() }

// signal reaches the part and its children.
func (p process) signal(signal syscall.Signal) {
	if p.remains() {
		_ = syscall.Kill(-p.PID, signal) // it may have ended just now
	}
}

// gone waits until nothing remains of the part, at most for the bound.
func (p process) gone(bound time.Duration) bool {
	for deadline := time.Now().Add(bound); p.remains(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// await polls check until it succeeds. After readyBound, or when the part has
// ended, the error shows the end of the part's log.
func (s *Sandbox) await(ctx context.Context, name string, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyBound)
	defer cancel()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		if p, found := s.process(name); !found || !p.alive() {
			return fmt.Errorf("%s has ended\n%s", name, s.tail(name))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w\n%s", name, err, s.tail(name))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// tail is the end of a part's log, for an error.
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
