package vault

import (
	"context"
	"errors"
	"net/http"

	"github.com/hashicorp/vault/api"

	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// SealStatus is one server's state, as sys/seal-status tells it.
type SealStatus struct {
	Initialized bool   `json:"initialized"`
	Sealed      bool   `json:"sealed"`
	Type        string `json:"type"`
	// Threshold of Shares shares unseal; Progress were given, under Nonce.
	Threshold int    `json:"threshold"`
	Shares    int    `json:"shares"`
	Progress  int    `json:"progress"`
	Nonce     string `json:"-"`
	Version   string `json:"version"`
	Migration bool   `json:"migration,omitempty"`
	// Recovery says that the seal unseals by itself and shares are recovery keys.
	Recovery    bool   `json:"recovery,omitempty"`
	ClusterName string `json:"clusterName,omitempty"`
	// StorageType is "raft", "file", …
	StorageType string `json:"storageType,omitempty"`
}

// seal sends a request whose answer is a seal status.
func (c *Client) seal(ctx context.Context, act string, r request) (SealStatus, error) {
	var s api.SealStatusResponse
	if _, err := c.fetch(ctx, act, r, &s); err != nil {
		return SealStatus{}, err
	}
	return SealStatus{
		Initialized: s.Initialized, Sealed: s.Sealed, Type: clean(s.Type), Threshold: s.T, Shares: s.N,
		Progress: s.Progress, Nonce: s.Nonce, Version: clean(s.Version), Migration: s.Migration,
		Recovery: s.RecoverySeal, ClusterName: clean(s.ClusterName), StorageType: clean(s.StorageType),
	}, nil
}

// SealStatus asks one server for its state; no token is needed.
func (c *Client) SealStatus(ctx context.Context) (SealStatus, error) {
	return c.seal(ctx, "asking for the seal status", request{path: "sys/seal-status", anonymous: true})
}

// Unseal gives one share. It is sent once: a share that came in twice would look like
// somebody else's duplicate.
func (c *Client) Unseal(ctx context.Context, share redact.Bytes, migrate bool) (SealStatus, error) {
	return c.seal(ctx, "unsealing", request{
		method: http.MethodPut, path: "sys/unseal", anonymous: true, once: true, hide: []redact.Bytes{share},
		body: api.UnsealOpts{Key: string(share.Reveal()), Migrate: migrate},
	})
}

// ResetUnseal drops the shares given so far.
func (c *Client) ResetUnseal(ctx context.Context) (SealStatus, error) {
	return c.seal(ctx, "resetting the unseal progress", request{
		method: http.MethodPut, path: "sys/unseal", anonymous: true, body: api.UnsealOpts{Reset: true},
	})
}

// Leader is one server's view of its cluster.
type Leader struct {
	// HA is whether the storage knows of several servers.
	HA bool
	// Self is whether the asked server is the active one.
	Self bool
	// Address is the active server's API address, "" while there is none.
	Address string
}

// Leader asks one server who is active; no token is needed. A sealed server gives a
// Sealed error.
func (c *Client) Leader(ctx context.Context) (Leader, error) {
	var l api.LeaderResponse
	if _, err := c.fetch(ctx, "asking for the leader", request{path: "sys/leader", anonymous: true}, &l); err != nil {
		return Leader{}, err
	}
	return Leader{HA: l.HAEnabled, Self: l.IsSelf, Address: clean(l.LeaderAddress)}, nil
}

// InitRequest says how the key is to be split.
type InitRequest struct {
	Shares, Threshold int
	// PGPKeys are base64 public keys, one a share, in order; nil for plain shares.
	PGPKeys []string
	// RootTokenPGPKey is a base64 public key, "" for a plain root token.
	RootTokenPGPKey string
	// Recovery asks for recovery keys, which is what there is to split where a key
	// service unseals.
	Recovery bool
}

func (r InitRequest) body() api.InitRequest {
	if r.Recovery {
		return api.InitRequest{RecoveryShares: r.Shares, RecoveryThreshold: r.Threshold, RecoveryPGPKeys: r.PGPKeys, RootTokenPGPKey: r.RootTokenPGPKey}
	}
	return api.InitRequest{SecretShares: r.Shares, SecretThreshold: r.Threshold, PGPKeys: r.PGPKeys, RootTokenPGPKey: r.RootTokenPGPKey}
}

// InitAnswer holds what only the one who initialised ever sees.
type InitAnswer struct {
	// Shares are base64 (or, with PGPKeys, base64 of the encrypted share), of the
	// recovery key when that was asked for.
	Shares    []redact.Bytes
	RootToken redact.Bytes
}

// Init initialises Vault. It is sent once and never repeated, since a second answer
// would hold no keys.
func (c *Client) Init(ctx context.Context, r InitRequest) (InitAnswer, error) {
	var out api.InitResponse
	_, err := c.fetch(ctx, "initializing", request{
		method: http.MethodPut, path: "sys/init", anonymous: true, once: true,
		body: r.body(),
	}, &out)
	if err != nil {
		return InitAnswer{}, err
	}
	answer := InitAnswer{RootToken: redact.Bytes(out.RootToken)}
	keys := out.KeysB64
	if r.Recovery {
		keys = out.RecoveryKeysB64
	}
	for _, share := range keys {
		answer.Shares = append(answer.Shares, redact.Bytes(share))
	}
	return answer, nil
}

// RaftJoin tells a server that is not initialized to join the raft cluster that the
// server at leader (an API address, as the joining server sees it) is of. ca holds PEM
// certificates to verify it by, nil for the system's.
func (c *Client) RaftJoin(ctx context.Context, leader string, ca []byte) error {
	var answer api.RaftJoinResponse
	_, err := c.fetch(ctx, "joining the raft cluster", request{
		method: http.MethodPut, path: "sys/storage/raft/join", anonymous: true, once: true,
		body: api.RaftJoinRequest{LeaderAPIAddr: leader, LeaderCACert: string(ca)},
	}, &answer)
	if err == nil && !answer.Joined {
		return errors.New("joining the raft cluster: Vault says that it did not join")
	}
	return err
}
