package controller

import (
	"fmt"
	"net"
	"slices"

	"github.com/spf13/pflag"
)

// Config is everything that can be said to the controller.
type Config struct {
	// Kubeconfig is the path of a kubeconfig; empty is the Pod's own identity, or
	// KUBECONFIG outside a cluster.
	Kubeconfig string
	// Namespace is the only namespace to serve; empty is all.
	Namespace string
	// Class serves the stores whose spec.controller is empty or the same.
	Class string
	// Concurrency bounds how many mappings of one store are synced at a time; beside those,
	// a fifth as many are refreshed by interval.
	Concurrency int
	LeaderElect bool
	// LeaseNamespace is where the Lease is; empty is the Pod's namespace.
	LeaseNamespace string
	// MetricsAddress and HealthAddress are host:port; "0" is off.
	MetricsAddress, HealthAddress string
	// ProfilingAddress is a loopback host:port of Go's profiles; empty is off.
	ProfilingAddress string
	// LogFormat is text or json, LogLevel debug, info, warn or error.
	LogFormat, LogLevel string
	// Once runs one pass over everything and ends.
	Once bool
	// PortForward is auto or never: reach Vault's Pods by port-forward when its
	// Service name does not resolve. Only with Kubeconfig.
	PortForward string
	// Shard is "i/n", empty for all.
	Shard string
	// MaxDeletePercent of a store's mappings may have their Secret deleted within
	// an hour.
	MaxDeletePercent int
	// RestartWorkloads lets mappings have the workloads restarted that use their Secret
	// (eso.AnnotationRestart).
	RestartWorkloads bool
	// LeftDelimiter and RightDelimiter enclose template actions.
	LeftDelimiter, RightDelimiter string
}

// Default is the configuration without any flag.
func Default() Config {
	return Config{
		Class: "default", Concurrency: 50, MetricsAddress: ":8080", HealthAddress: ":8081",
		LogFormat: "text", LogLevel: "info", PortForward: "auto", MaxDeletePercent: 50,
		LeftDelimiter: "{{", RightDelimiter: "}}",
	}
}

// AddFlags binds every field to its flag; the values that c has are the defaults.
func (c *Config) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&c.Kubeconfig, "kubeconfig", c.Kubeconfig, "path of a kubeconfig; inside a cluster the Pod's own identity is used without it")
	f.StringVar(&c.Namespace, "namespace", c.Namespace, "serve this namespace only; empty is all")
	f.StringVar(&c.Class, "controller-class", c.Class, "serve stores whose spec.controller is empty or this")
	f.IntVar(&c.Concurrency, "concurrency", c.Concurrency, "mappings of one store that are synced at the same time; by interval a fifth of that")
	f.BoolVar(&c.LeaderElect, "leader-elect", c.LeaderElect, "sync only while holding the Lease, so that several replicas can run")
	f.StringVar(&c.LeaseNamespace, "leader-election-namespace", c.LeaseNamespace, "namespace of the Lease; empty is the Pod's own")
	f.StringVar(&c.MetricsAddress, "metrics-bind-address", c.MetricsAddress, "host:port of /metrics; 0 is off")
	f.StringVar(&c.HealthAddress, "health-probe-bind-address", c.HealthAddress, "host:port of /healthz and /readyz; 0 is off")
	f.StringVar(&c.ProfilingAddress, "profiling-bind-address", c.ProfilingAddress, "host:port of /debug/pprof, on a loopback address only; empty is off")
	f.StringVar(&c.LogFormat, "log-format", c.LogFormat, "text or json")
	f.StringVar(&c.LogLevel, "log-level", c.LogLevel, "debug, info, warn or error")
	f.BoolVar(&c.Once, "once", c.Once, "sync everything once and end: exit code 0 all is well, 2 a mapping failed, 1 it could not run")
	f.StringVar(&c.PortForward, "port-forward", c.PortForward, "auto or never: outside a cluster, reach a Vault Service whose name does not resolve through its Pods")
	f.StringVar(&c.Shard, "shard", c.Shard, "serve part i of n of the namespaces, for example 0/3; empty is all")
	f.IntVar(&c.MaxDeletePercent, "max-delete-percent", c.MaxDeletePercent, "share of a store's mappings, from five on, whose Secrets deletionPolicy=Delete may delete within an hour; 100 is no limit")
	f.BoolVar(&c.RestartWorkloads, "restart-workloads", c.RestartWorkloads, "let ExternalSecrets with the annotation vaultsecret.io/restart have the workloads restarted that use their Secret; needs the rights of manifests/restart")
	f.StringVar(&c.LeftDelimiter, "template-left-delimiter", c.LeftDelimiter, "what opens a template action")
	f.StringVar(&c.RightDelimiter, "template-right-delimiter", c.RightDelimiter, "what closes a template action")
}

// Validate names the flag that cannot be used as given.
func (c *Config) Validate() error {
	oneOf := func(flag, value string, allowed ...string) error {
		if slices.Contains(allowed, value) {
			return nil
		}
		return fmt.Errorf("--%s=%s: want one of %v", flag, value, allowed)
	}
	if err := oneOf("log-format", c.LogFormat, "text", "json"); err != nil {
		return err
	}
	if err := oneOf("log-level", c.LogLevel, "debug", "info", "warn", "error"); err != nil {
		return err
	}
	if err := oneOf("port-forward", c.PortForward, "auto", "never"); err != nil {
		return err
	}
	if err := loopback("profiling-bind-address", c.ProfilingAddress); err != nil {
		return err
	}
	if c.Concurrency < 1 || c.Concurrency > 1000 {
		return fmt.Errorf("--concurrency=%d: want 1 to 1000", c.Concurrency)
	}
	if c.MaxDeletePercent < 0 || c.MaxDeletePercent > 100 {
		return fmt.Errorf("--max-delete-percent=%d: want 0 to 100", c.MaxDeletePercent)
	}
	if c.LeftDelimiter == "" || c.RightDelimiter == "" {
		return fmt.Errorf("--template-left-delimiter and --template-right-delimiter: must not be empty")
	}
	if c.Once && c.LeaderElect {
		return fmt.Errorf("--once and --leader-elect: use one of the two")
	}
	_, err := parseShard(c.Shard)
	return err
}

// loopback refuses an address that others can reach; empty is fine.
func loopback(flag, address string) error {
	if address == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("--%s=%s: want a loopback host:port, such as 127.0.0.1:6060", flag, address)
	}
	return nil
}
