// Command bench measures a controller on a real etcd, kube-apiserver and Vault, beside
// a bare client-go loop that makes the same writes. Requests are counted from the audit
// logs, CPU and memory from /proc. See docs/performance.md.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := bench(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		cancel()
		os.Exit(1)
	}
}

func bench(ctx context.Context, args []string) error {
	w := work{Keys: 10, Stores: 1, Namespaces: 1, Auth: byToken, Interval: 20 * time.Second}
	o := options{samples: 50, rounds: 4, progress: os.Stderr}
	var sizes []int
	var arguments, output string
	f := pflag.NewFlagSet("bench", pflag.ContinueOnError)
	f.SortFlags = false
	f.IntSliceVar(&sizes, "mappings", []int{100, 1000}, "how many mappings; several sizes are run one after the other")
	f.IntVar(&w.Keys, "keys", w.Keys, "keys of a mapping, all from one path")
	f.IntVar(&w.Paths, "paths", 0, "distinct paths in Vault; 0 is one for each mapping")
	f.IntVar(&w.Stores, "stores", w.Stores, "ClusterSecretStores that the mappings are spread over")
	f.IntVar(&w.Namespaces, "namespaces", w.Namespaces, "namespaces that the mappings are spread over")
	f.StringVar(&w.Auth, "auth", w.Auth, "how the stores log in: token or approle")
	f.DurationVar(&w.Interval, "interval", w.Interval, "refreshInterval of the mappings, once it is refreshes by interval that are measured")
	f.IntVar(&o.rounds, "rounds", o.rounds, "intervals over which unchanged refreshes are watched")
	f.IntVar(&o.samples, "samples", o.samples, "samples of each latency")
	f.StringSliceVar(&o.skip, "skip", nil, "phases to leave out: forced, idle, hanging, changed, busy, plugin")
	f.DurationVar(&o.soak, "soak", 0, "refresh all mappings at a short interval for so long, and see whether anything grows")
	f.StringVar(&o.binary, "controller", "", "path of the controller; empty is bin/vaultsecret-controller")
	f.StringVar(&arguments, "args", strings.Join(ownArguments, " "), "its arguments; {kubeconfig}, {port} for its metrics and {debug} for its profiles are filled in")
	f.StringVar(&o.profiles, "profiles", "", "directory for CPU and heap profiles of the controller; empty takes none")
	f.StringVar(&o.plugin, "plugin", "", "path of the plugin; empty is bin/kubectl-vaultsecret, if it is there")
	f.StringVar(&output, "json", "", "also write the results to this file")
	if err := f.Parse(args); err != nil {
		if err == pflag.ErrHelp {
			return nil
		}
		return err
	}
	o.arguments = strings.Fields(arguments)
	fmt.Printf("%s/%s, %d CPUs, %s\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	var all []result
	for _, n := range sizes {
		w.Mappings = n
		r, err := measure(ctx, w, o)
		if err != nil {
			return fmt.Errorf("%d mappings: %w", n, err)
		}
		if err := r.print(os.Stdout); err != nil {
			return err
		}
		all = append(all, r)
	}
	if output == "" {
		return nil
	}
	raw, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(output, append(raw, '\n'), 0o644)
}

// measure runs one size of work on a sandbox of its own, which ends with it. The
// directory, with the logs of all parts, stays after an error.
func measure(ctx context.Context, w work, o options) (result, error) {
	w, err := w.complete()
	if err != nil {
		return result{}, err
	}
	dir, err := os.MkdirTemp("", "vaultsecret-bench-")
	if err != nil {
		return result{}, err
	}
	sb, err := sandbox.Start(ctx, sandbox.Config{Dir: dir, CRDs: true, Progress: o.progress})
	if err != nil {
		return result{}, err
	}
	defer sb.Stop(context.WithoutCancel(ctx)) //nolint:errcheck // what is left ends with this process
	r, err := newRun(ctx, w, o, sb)
	if err == nil {
		err = r.all(ctx)
	}
	if err != nil {
		return result{}, fmt.Errorf("%w; the logs are in %s", err, dir)
	}
	return r.result, os.RemoveAll(dir)
}
