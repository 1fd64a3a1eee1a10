package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// partsCPU is the CPU seconds that each process of the stack has used so far, by the
// program's name: all that this process has started, and itself as "bench".
func partsCPU() (map[string]float64, error) {
	own, err := ownCPU()
	if err != nil {
		return nil, err
	}
	parts := map[string]float64{"bench": own}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	for _, stat := range stats {
		raw, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended meanwhile
		}
		text := string(raw)
		from, to := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
		fields := strings.Fields(text[to+1:]) // from field 3 on
		if parent, err := strconv.Atoi(fields[1]); err != nil || parent != os.Getpid() {
			continue
		}
		seconds, err := cpuSeconds(fields)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", stat, err)
		}
		parts[text[from+1:to]] += seconds
	}
	return parts, nil
}

// cpuSeconds are user and system time, of a stat line's fields from the third on.
func cpuSeconds(fields []string) (float64, error) {
	sum := 0.0
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			return 0, err
		}
		sum += float64(n) / ticks
	}
	return sum, nil
}

// since is what was used between two looks.
func since(before, now map[string]float64) map[string]float64 {
	used := map[string]float64{}
	for part, seconds := range now {
		used[part] = seconds - before[part]
	}
	return used
}
