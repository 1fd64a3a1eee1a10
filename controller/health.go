package controller

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// servers are the ports that the process listens on beside its work.
type servers struct {
	all   []*http.Server
	ready atomic.Bool
}

// serve opens the ports. healthz answers while the process lives; readyz once the
// watches are in sync, also for a replica that stands by: it could take over.
func (s *servers) serve(c Config, m *metrics) error {
	health := http.NewServeMux()
	health.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	health.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !s.ready.Load() {
			http.Error(w, "the watches are not in sync yet", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	metrics := http.NewServeMux()
	metrics.Handle("GET /metrics", m.mappings.ahead(promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{DisableCompression: true})))
	profiles := http.NewServeMux()
	profiles.HandleFunc("/debug/pprof/", pprof.Index)
	profiles.HandleFunc("/debug/pprof/profile", pprof.Profile)
	for _, port := range []struct {
		flag, address string
		handler       http.Handler
	}{
		{"health-probe-bind-address", c.HealthAddress, health},
		{"metrics-bind-address", c.MetricsAddress, metrics},
		{"profiling-bind-address", c.ProfilingAddress, profiles},
	} {
		if port.address == "" || port.address == "0" {
			continue
		}
		listener, err := net.Listen("tcp", port.address)
		if err != nil {
			return fmt.Errorf("listening for --%s: %w", port.flag, err)
		}
		server := &http.Server{Handler: port.handler, ReadHeaderTimeout: 10 * time.Second}
		s.all = append(s.all, server)
		go func() {
			if err := server.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
				s.ready.Store(false)
			}
		}()
	}
	return nil
}

func (s *servers) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, server := range s.all {
		_ = server.Shutdown(ctx)
	}
}
