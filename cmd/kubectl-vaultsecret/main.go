// Command kubectl-vaultsecret is the kubectl plugin `kubectl vaultsecret`. Called as
// kubectl_complete-vaultsecret it answers kubectl's completion.
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"vaultsecret.io/kubectl-vaultsecret/plugin"
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	var caught atomic.Int32
	go func() {
		s := (<-signals).(syscall.Signal)
		caught.Store(int32(128 + int(s)))
		cancel()
		<-signals // the second one does not wait for a clean end
		os.Exit(128 + int(s))
	}()
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	start := plugin.Run
	if strings.HasPrefix(filepath.Base(os.Args[0]), "kubectl_complete-") {
		start = plugin.Complete
	}
	code := start(ctx, os.Args[1:], streams)
	if signalled := int(caught.Load()); signalled != 0 && code != 0 {
		return signalled
	}
	return code
}
