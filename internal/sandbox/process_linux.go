package sandbox

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
)

// processAttributes gives each part a session of its own. Unless it is to outlive
// us, it ends when the process that started it does, however that ends.
func processAttributes(detach bool) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setsid: true}
	if !detach {
		a.Pdeathsig = syscall.SIGKILL
	}
	return a
}

// startTime is a text that no other process with this PID shares; "" when there is
// no such process, or only its zombie.
func startTime(pid int) string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The second field, the name in parentheses, may hold anything.
	fields := bytes.Fields(raw[bytes.LastIndexByte(raw, ')')+1:])
	const state, started = 0, 19
	if len(fields) <= started || fields[state][0] == 'Z' || fields[state][0] == 'X' {
		return ""
	}
	return string(fields[started])
}
