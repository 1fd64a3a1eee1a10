package sandbox

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Namespace creates a namespace for one test and deletes it afterwards.
func (s *Sandbox) Namespace(t testing.TB) string {
	t.Helper()
	name := unique("test")
	namespaces := s.client.CoreV1().Namespaces()
	if _, err := namespaces.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		t.Fatalf("creating a namespace: %v", err)
	}
	t.Cleanup(func() {
		if err := namespaces.Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
			t.Errorf("deleting namespace %s: %v", name, err)
		}
	})
	return name
}

// KVMount mounts a KV engine of version 1 or 2 for one test, waits until it can be
// written, and unmounts it afterwards. The name has no slash.
func (s *Sandbox) KVMount(t testing.TB, version int) string {
	t.Helper()
	client := s.RootVault(t)
	name := unique("kv")
	err := client.Sys().MountWithContext(t.Context(), name, &api.MountInput{Type: "kv", Options: map[string]string{"version": strconv.Itoa(version)}})
	if err != nil {
		t.Fatalf("mounting KV: %v", err)
	}
	t.Cleanup(func() {
		if err := client.Sys().UnmountWithContext(context.Background(), name); err != nil {
			t.Errorf("unmounting %s: %v", name, err)
		}
	})
	if version == 2 { // it upgrades itself for a moment after it was mounted
		Eventually(t, func() error {
			_, err := client.Logical().ReadWithContext(t.Context(), name+"/config")
			return err
		})
	}
	return name
}

// Put writes a KV v2 secret as root.
func (s *Sandbox) Put(t testing.TB, mount, path string, data map[string]any) {
	t.Helper()
	if _, err := s.RootVault(t).KVv2(mount).Put(t.Context(), path, data); err != nil {
		t.Fatalf("writing %s/%s: %v", mount, path, err)
	}
}

// RootVault is a client of the first node with the root token, for the caller to
// change.
func (s *Sandbox) RootVault(t testing.TB) *api.Client {
	t.Helper()
	client, err := s.VaultClient(0)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// VaultToken makes a token, good for an hour, with the default policy and one of
// the given rules (HCL), and removes both afterwards.
func (s *Sandbox) VaultToken(t testing.TB, rules string) string {
	t.Helper()
	client := s.RootVault(t)
	policy := unique("policy")
	if err := client.Sys().PutPolicyWithContext(t.Context(), policy, rules); err != nil {
		t.Fatalf("writing a policy: %v", err)
	}
	made, err := client.Auth().Token().CreateWithContext(t.Context(), &api.TokenCreateRequest{Policies: []string{policy}, TTL: "1h"})
	if err != nil {
		t.Fatalf("making a token: %v", err)
	}
	t.Cleanup(func() {
		if err := client.Sys().DeletePolicyWithContext(context.Background(), policy); err != nil {
			t.Errorf("deleting policy %s: %v", policy, err)
		}
		// The test may have revoked it itself.
		_ = client.Auth().Token().RevokeTreeWithContext(context.Background(), made.Auth.ClientToken)
	})
	return made.Auth.ClientToken
}

// Eventually polls until check succeeds and fails the test with its last error after
// a minute.
func Eventually(t testing.TB, check func() error) {
	t.Helper()
	const bound = time.Minute
	for deadline := time.Now().Add(bound); ; time.Sleep(50 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %v", bound, err)
		}
	}
}

// unique is a name that nothing in this sandbox has.
func unique(prefix string) string {
	return prefix + "-" + strings.ToLower(rand.Text()[:10])
}
