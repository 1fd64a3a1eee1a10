package controller

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// gcPercent trades a little CPU for memory: the heap may grow by half of what is live
// before it is collected.
const gcPercent = 50

// respectMemoryLimit tells the garbage collector of the container's memory limit, so
// that it works harder before the kernel ends the process. GOMEMLIMIT and GOGC win.
func respectMemoryLimit() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	raw, err := os.ReadFile("/sys/fs/cgroup/memory.max")
	if err != nil {
		return
	}
	limit, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	if err != nil || limit <= 0 || limit == math.MaxInt64 {
		return
	}
	debug.SetMemoryLimit(limit / 10 * 9)
}
