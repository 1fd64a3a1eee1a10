package main

import (
	"context"
	"fmt"
	"net"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// hangingResult compares the other stores' figures without and with one store that
// accepts connections and never answers, and has a tenth of the mappings beside.
type hangingResult struct {
	Mappings int     `json:"hangingMappings"`
	Without  figures `json:"without"`
	With     figures `json:"with"`
}

type figures struct {
	Forced  forcedResult  `json:"forced"`
	Latency latencyResult `json:"latency"`
}

// hang is how long the store hangs before the others are measured again.
const hang = 5 * time.Second

func (r *run) hanging(ctx context.Context) (*hangingResult, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	go swallow(listener)
	result := &hangingResult{Mappings: max(1, r.Mappings/10), Without: figures{r.result.Forced, r.result.Idle}}
	store := r.store(0, "http://"+listener.Addr().String())
	store.Name = "hanging"
	if _, err := r.clients.ClusterSecretStores().Create(ctx, store, metav1.CreateOptions{}); err != nil {
		return nil, err
	}
	err = each(ctx, 0, result.Mappings, atOnce, func(ctx context.Context, i int) error {
		es := r.named(fmt.Sprintf("hanging-%d", i), r.namespace(i), r.path(i), store.Name)
		_, err := r.clients.ExternalSecrets(es.Namespace).Create(ctx, es, metav1.CreateOptions{})
		return err
	})
	if err != nil {
		return nil, err
	}
	time.Sleep(hang)
	if result.With.Forced, err = r.forced(ctx); err != nil {
		return nil, err
	}
	result.With.Latency, err = r.latency(ctx)
	return result, err
}

// swallow accepts and never answers, until the listener is closed.
func swallow(listener net.Listener) {
	var held []net.Conn
	for {
		conn, err := listener.Accept()
		if err != nil {
			for _, c := range held {
				_ = c.Close()
			}
			return
		}
		held = append(held, conn)
	}
}
