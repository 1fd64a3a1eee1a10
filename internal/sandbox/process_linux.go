package sandbox

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
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
	stat := readStat(pid)
	if stat == nil {
		return ""
	}
	return stat[19]
}

// readStat returns the fields of /proc/PID/stat from the state on; nil when there is
// no such process, or only its zombie.
func readStat(pid int) []string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	// The field before, the name in parentheses, may hold anything.
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return nil
	}
	return fields
}

// hasOrphans tells whether the part, itself gone, has left children: processes of
// its group in its directory.
func (p process) hasOrphans() bool {
	if p.PID == 0 || syscall.Kill(-p.PID, 0) != nil {
		return false
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	group := strconv.Itoa(p.PID)
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if stat := readStat(pid); stat == nil || stat[2] != group {
			continue
		}
		if dir, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err == nil && dir == p.Dir {
			return true
		}
	}
	return false
}
