package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

// pluginResult is wall time of the plugin's commands; the median of several runs.
type pluginResult struct {
	Version        float64 `json:"versionClientSeconds"`
	KubectlVersion float64 `json:"kubectlVersionClientSeconds"`
	// Complete is the completion of mapping names in one namespace.
	Complete float64 `json:"completeNamesSeconds"`
	// FirstRow and Status are of status -A, PeakRSS too.
	FirstRow float64 `json:"statusFirstRowSeconds"`
	Status   float64 `json:"statusSeconds"`
	PeakRSS  float64 `json:"statusPeakRSSMiB"`
}

// pluginRuns is how often each command is run.
const pluginRuns = 5

// plugin times the plugin's commands; without a plugin there is nothing to time.
func (r *run) plugin(ctx context.Context) (*pluginResult, error) {
	binary := r.options.plugin
	if binary == "" {
		root, err := sandbox.Root()
		if err != nil {
			return nil, err
		}
		binary = filepath.Join(root, "bin", "kubectl-vaultsecret")
	}
	if _, err := os.Stat(binary); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var p pluginResult
	for _, timed := range []struct {
		into    *float64
		program string
		args    []string
	}{
		{&p.Version, binary, []string{"version", "--client"}},
		{&p.KubectlVersion, r.sandbox.Binary("kubectl"), []string{"version", "--client"}},
		{&p.Complete, binary, []string{"__complete", "status", "--namespace", r.namespace(0), "m"}},
		{&p.Status, binary, []string{"status", "-A"}},
	} {
		var all []float64
		for range pluginRuns {
			ran, err := r.command(ctx, timed.program, timed.args...)
			if err != nil {
				return nil, err
			}
			all = append(all, ran.total)
			if timed.into == &p.Status {
				p.FirstRow, p.PeakRSS = ran.first, ran.peak
			}
		}
		slices.Sort(all)
		*timed.into = all[len(all)/2]
	}
	return &p, nil
}

// ran is one run of a command, in seconds and MiB.
type ran struct{ first, total, peak float64 }

// command runs a program to its end. The first row is the second line of its output,
// the first being the header. status exits with 3 or so when a mapping fails, which is
// no failure here.
func (r *run) command(ctx context.Context, program string, args ...string) (ran, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+r.sandbox.Kubeconfig())
	out, err := cmd.StdoutPipe()
	if err != nil {
		return ran{}, err
	}
	var result ran
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return ran{}, err
	}
	reader := bufio.NewReader(out)
	for line := 0; ; line++ {
		if _, err = reader.ReadString('\n'); err != nil {
			break
		}
		if line == 1 {
			result.first = time.Since(begin).Seconds()
		}
	}
	if !errors.Is(err, io.EOF) {
		return ran{}, err
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return ran{}, fmt.Errorf("%s: %w", program, err)
	}
	result.total = time.Since(begin).Seconds()
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		result.peak = float64(u.Maxrss) / 1024
	}
	return result, nil
}
