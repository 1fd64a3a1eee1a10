package vault_test

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// What a real server answers to shares, step by step.
func TestUnseal(t *testing.T) {
	sb := shared.Sandbox(t)
	client := connect(t, sb.VaultAddress(0), "")
	ctx := t.Context()
	leader, err := client.Leader(ctx)
	if err != nil || !leader.Self || !leader.HA || leader.Address != sb.VaultAddress(0) {
		t.Errorf("leader %+v, %v", leader, err)
	}
	if err := sb.SealVault(ctx, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sb.UnsealVault(context.Background()); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := client.Read(ctx, "secret", 2, kv.Ref{Key: "x"}); kv.KindOf(err) != kv.Sealed {
		t.Errorf("a read while sealed: %v", err)
	}
	if _, err := client.Leader(ctx); kv.KindOf(err) != kv.Sealed {
		t.Errorf("the leader while sealed: %v", err)
	}
	status, err := client.SealStatus(ctx)
	if err != nil || !status.Sealed || !status.Initialized || status.Threshold != 3 || status.Shares != 5 || status.Progress != 0 || status.Type != "shamir" {
		t.Fatalf("%+v, %v", status, err)
	}
	give := func(share string) (vault.SealStatus, error) { return client.Unseal(ctx, redact.Bytes(share), false) }
	first, err := give(sb.Shares[0])
	if err != nil || first.Progress != 1 || first.Nonce == "" {
		t.Errorf("first share: %+v, %v", first, err)
	}
	if again, err := give(sb.Shares[0]); err != nil || again.Progress != 1 || again.Nonce != first.Nonce {
		t.Errorf("the same share: %+v, %v", again, err)
	}
	for share, says := range map[string]string{"no share!": "must be a valid hex or base64 string", "c2hvcnQ=": "key is shorter than minimum"} {
		if _, err := give(share); kv.KindOf(err) != kv.BadRequest || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), share) {
			t.Errorf("%q: %v", share, err)
		}
	}
	if reset, err := client.ResetUnseal(ctx); err != nil || reset.Progress != 0 || reset.Nonce != "" {
		t.Errorf("reset: %+v, %v", reset, err)
	}
	wrong := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("w", 33)))
	for i, share := range []string{sb.Shares[0], sb.Shares[1], wrong} {
		_, err := give(share)
		if (err != nil) != (i == 2) {
			t.Errorf("share %d: %v", i, err)
		}
		if err != nil && (kv.KindOf(err) != kv.BadRequest || strings.Contains(err.Error(), wrong)) {
			t.Errorf("a wrong set: %v", err)
		}
	}
	for _, share := range sb.Shares[2:] {
		if status, err = give(share); err != nil {
			t.Fatal(err)
		}
	}
	if status.Sealed {
		t.Errorf("three right shares: %+v", status)
	}
	if _, err := client.Init(ctx, vault.InitRequest{Shares: 5, Threshold: 3}); kv.KindOf(err) != kv.BadRequest || !strings.Contains(err.Error(), "already initialized") {
		t.Errorf("init again: %v", err)
	}
}

func TestToken(t *testing.T) {
	sb := shared.Sandbox(t)
	mount := sb.KVMount(t, 2)
	client := connect(t, sb.VaultAddress(0), sb.VaultToken(t, limited(mount)))
	token, err := client.LookupSelf(t.Context())
	if err != nil || token.TTL <= 0 || token.Batch || len(token.Policies) != 2 || token.Accessor == "" {
		t.Errorf("%+v, %v", token, err)
	}
	can, err := client.Capabilities(t.Context(), mount+"/data/x", "sys/seal")
	if err != nil || strings.Join(can[mount+"/data/x"], ",") != "read" || strings.Join(can["sys/seal"], ",") != "deny" {
		t.Errorf("%v, %v", can, err)
	}
	if ttl, err := client.RenewSelf(t.Context()); err != nil || ttl <= 0 {
		t.Errorf("%v, %v", ttl, err)
	}
	if err := client.RevokeSelf(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := client.LookupSelf(t.Context()); kv.KindOf(err) != kv.BadCredential {
		t.Errorf("%v", err)
	}
	mountOf, err := client.WithToken(redact.Bytes(sb.RootToken)).Mount(t.Context(), mount+"/data/deep/down")
	if err != nil || mountOf != (vault.Mount{Path: mount, Type: "kv", Version: 2}) {
		t.Errorf("%+v, %v", mountOf, err)
	}
}
