package sandbox

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1 "k8s.io/api/core/v1"
)

// Main starts one sandbox for a package's tests, runs them, and stops it; call it
// from TestMain. ready, if not nil, is called with it before the tests.
// VAULTSECRET_SANDBOX=DIR uses the sandbox that runs there and leaves it running.
func Main(m *testing.M, config Config, ready func(*Sandbox) error) int {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	s, stop, err := forTests(ctx, config)
	if err != nil {
		fmt.Fprintln(os.Stderr, "starting the sandbox:", err)
		return 1
	}
	defer stop()
	go func() {
		<-ctx.Done()
		if ctx.Err() != nil {
			stop()
		}
	}()
	if ready != nil {
		if err := ready(s); err != nil {
			fmt.Fprintln(os.Stderr, "preparing the sandbox:", err)
			return 1
		}
	}
	return m.Run()
}

func forTests(ctx context.Context, config Config) (*Sandbox, func(), error) {
	if dir := os.Getenv("VAULTSECRET_SANDBOX"); dir != "" {
		s, err := Load(dir)
		return s, func() {}, err
	}
	dir, err := os.MkdirTemp("", "sandbox-")
	if err != nil {
		return nil, nil, err
	}
	config.Dir, config.Progress = dir, os.Stderr
	s, err := Start(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	return s, func() {
		s.Stop()
		_ = os.RemoveAll(dir)
	}, nil
}

var serial atomic.Int64 // numbers names within one process

func unique(t testing.TB, prefix string) string {
	name := strings.ToLower(t.Name())
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, name)
	if len(name) > 30 {
		name = name[len(name)-30:]
	}
	return fmt.Sprintf("%s%s-%x-%d", prefix, strings.Trim(name, "-"), time.Now().Unix()&0xfffff, serial.Add(1))
}

// Namespace creates a namespace for one test and deletes it afterwards.
func (s *Sandbox) Namespace(t testing.TB) string {
	t.Helper()
	client, _, err := s.Client()
	if err != nil {
		t.Fatal(err)
	}
	name := unique(t, "t-")
	if _, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.CoreV1().Namespaces().Delete(context.Background(), name, metav1.DeleteOptions{})
	})
	return name
}

// KVMount mounts a KV engine of the version for one test and unmounts it afterwards.
func (s *Sandbox) KVMount(t testing.TB, version int) string {
	t.Helper()
	name := unique(t, "kv-")
	body := map[string]any{"type": "kv", "options": map[string]any{"version": fmt.Sprint(version)}}
	if _, err := s.Vault(t.Context(), http.MethodPost, "sys/mounts/"+name, body); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = s.Vault(context.Background(), http.MethodDelete, "sys/mounts/"+name, nil)
	})
	if version == 2 { // a v2 mount upgrades for a moment after it is made
		s.eventually(t, func() error {
			_, err := s.Vault(t.Context(), http.MethodPost, name+"/data/ready", map[string]any{"data": map[string]any{"ready": "1"}})
			return err
		})
		if _, err := s.Vault(t.Context(), http.MethodDelete, name+"/metadata/ready", nil); err != nil {
			t.Fatal(err)
		}
	}
	return name
}

// Put writes a KV v2 secret.
func (s *Sandbox) Put(t testing.TB, mount, path string, data map[string]any) {
	t.Helper()
	if _, err := s.Vault(t.Context(), http.MethodPost, mount+"/data/"+path, map[string]any{"data": data}); err != nil {
		t.Fatal(err)
	}
}

// Token makes a token with a policy of the given rules and returns it.
func (s *Sandbox) Token(t testing.TB, rules string) string {
	t.Helper()
	policy := unique(t, "p-")
	if _, err := s.Vault(t.Context(), http.MethodPut, "sys/policies/acl/"+policy, map[string]any{"policy": rules}); err != nil {
		t.Fatal(err)
	}
	answer, err := s.Vault(t.Context(), http.MethodPost, "auth/token/create", map[string]any{"policies": []string{policy}, "ttl": "1h"})
	if err != nil {
		t.Fatal(err)
	}
	return answer["auth"].(map[string]any)["client_token"].(string)
}

func (s *Sandbox) eventually(t testing.TB, check func() error) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
