//go:build unix && !linux

package sandbox

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// processAttributes gives each part a session of its own. There is no parent-death
// signal here: what a killed test leaves running is ended by the next one.
func processAttributes(bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true}
}

// startTime is a text that no other process with this PID shares; "" when there is
// no such process, or only its zombie.
func startTime(pid int) string {
	out, err := exec.Command("ps", "-o", "stat=,lstart=", "-p", strconv.Itoa(pid)).Output()
	state, started, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if err != nil || strings.HasPrefix(state, "Z") {
		return ""
	}
	return strings.TrimSpace(started)
}

// hasOrphans is not known here: a child that outlives its part is not ended.
func (p process) hasOrphans() bool { return false }
