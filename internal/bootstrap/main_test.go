package bootstrap

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/sandbox"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// Three raft nodes over TLS with a private CA serve all tests of the package.
var shared = sandbox.Shared{Config: sandbox.Config{VaultNodes: 3, VaultTLS: true, CRDs: true}}

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// servers are the sandbox's Vault, all sealed; they are open again after the test.
func servers(t *testing.T) (*sandbox.Sandbox, []Server) {
	t.Helper()
	sb := shared.Sandbox(t)
	ca, err := os.ReadFile(sb.VaultCA())
	if err != nil {
		t.Fatal(err)
	}
	var all []Server
	for i := range sb.VaultNodes() {
		client, err := vault.New(vault.Config{Address: sb.VaultAddress(i), CA: ca})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		all = append(all, Server{Name: []string{"vault-0", "vault-1", "vault-2"}[i], Client: client})
	}
	t.Cleanup(func() {
		ctx := context.Background()
		_, _ = Reset(ctx, all) // an open server has nothing to reset
		if err := sb.UnsealVault(ctx); err != nil {
			t.Errorf("opening Vault again: %v", err)
		}
	})
	for i := range all { // a restart seals even without a leader
		sb.StopVault(i)
		if err := sb.StartVault(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	return sb, all
}

// giver answers with shares in turn; before, if set, runs ahead of each answer.
func giver(before func(n int), shares ...string) func(context.Context, int, int) (redact.Bytes, error) {
	n := 0
	return func(context.Context, int, int) (redact.Bytes, error) {
		if before != nil {
			before(n)
		}
		if n == len(shares) {
			return nil, ErrNoMoreShares
		}
		n++
		return redact.Bytes(shares[n-1]), nil
	}
}

// talk collects what a person would read.
type talk struct {
	mu    sync.Mutex
	lines []string
}

func (l *talk) say(server, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, server+": "+text)
}

func (l *talk) String() string { return strings.Join(l.lines, "\n") }

// unseal runs the machine and returns what was said.
func unseal(t *testing.T, all []Server, ask func(context.Context, int, int) (redact.Bytes, error)) (*talk, error) {
	t.Helper()
	said := &talk{}
	err := (&Unseal{Servers: all, Ask: ask, Say: said.say}).Run(t.Context())
	return said, err
}

// wants fails unless the error is of the kind and says every text.
func wants(t *testing.T, err, kind error, texts ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("error %v, want %v", err, kind)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error does not say %q: %v", text, err)
		}
	}
}

func allOpen(t *testing.T, all []Server) {
	t.Helper()
	for _, s := range States(t.Context(), all) {
		if s.Err != nil || s.Sealed || !s.Initialized {
			t.Errorf("%s is %s, want unsealed", s.Server, s)
		}
	}
}
