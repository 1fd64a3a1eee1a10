package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// profiled says for how long a phase's CPU profile is taken, 0 for none.
func profiled(phase string) time.Duration {
	switch phase {
	case "unchanged refreshes", "latency while all refresh":
		return 20 * time.Second
	case "all forced", "100 % changed":
		return 3 * time.Second
	}
	return 0
}

// profileCPU takes a phase's profile, if profiles are wanted; stop waits for it.
func (r *run) profileCPU(ctx context.Context, phase string) (stop func() error) {
	length := profiled(phase)
	if r.options.profiles == "" || length == 0 {
		return func() error { return nil }
	}
	done := make(chan error, 1)
	go func() {
		done <- r.profile(ctx, strings.ReplaceAll(phase, " ", "-"), fmt.Sprintf("profile?seconds=%d", int(length.Seconds())))
	}()
	return func() error { return <-done }
}

// profile stores one of the controller's profiles.
func (r *run) profile(ctx context.Context, name, which string) error {
	if r.options.profiles == "" {
		return nil
	}
	url := fmt.Sprintf("http://127.0.0.1:%d/debug/pprof/%s", r.controller.debug, which)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := new(http.Transport).RoundTrip(request)
	if err != nil {
		return fmt.Errorf("taking a profile: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("taking a profile: %s", answer.Status)
	}
	if err := os.MkdirAll(r.options.profiles, 0o755); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(r.options.profiles, fmt.Sprintf("%d-%s.pprof", r.Mappings, name)))
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(file, answer.Body)
	return err
}
