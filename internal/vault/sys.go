package vault

import (
	"context"

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

func sealStatus(s *api.SealStatusResponse) SealStatus {
	return SealStatus{
		Initialized: s.Initialized, Sealed: s.Sealed, Type: s.Type, Threshold: s.T, Shares: s.N,
		Progress: s.Progress, Nonce: s.Nonce, Version: s.Version, Migration: s.Migration,
		Recovery: s.RecoverySeal, ClusterName: s.ClusterName, StorageType: s.StorageType,
	}
}

// SealStatus asks one server for its state; no token is needed.
func (c *Client) SealStatus(ctx context.Context) (SealStatus, error) {
	s, err := c.api.Sys().SealStatusWithContext(ctx)
	if err != nil {
		return SealStatus{}, c.classify("asking for the seal status", "sys/seal-status", err)
	}
	return sealStatus(s), nil
}

// Unseal gives one share.
func (c *Client) Unseal(ctx context.Context, share redact.Bytes, migrate bool) (SealStatus, error) {
	s, err := c.api.Sys().UnsealWithOptionsWithContext(ctx, &api.UnsealOpts{Key: string(share.Reveal()), Migrate: migrate})
	if err != nil {
		return SealStatus{}, c.classify("unsealing", "sys/unseal", err)
	}
	return sealStatus(s), nil
}

// ResetUnseal drops the shares given so far.
func (c *Client) ResetUnseal(ctx context.Context) (SealStatus, error) {
	s, err := c.api.Sys().ResetUnsealProcessWithContext(ctx)
	if err != nil {
		return SealStatus{}, c.classify("resetting the unseal progress", "sys/unseal", err)
	}
	return sealStatus(s), nil
}

// InitRequest says how the key is to be split.
type InitRequest struct {
	Shares, Threshold int
	// PGPKeys are base64 public keys, one a share, in order; nil for plain shares.
	PGPKeys []string
}

// InitAnswer holds what only the one who initialised ever sees.
type InitAnswer struct {
	// Shares are base64 (or, with PGPKeys, base64 of the encrypted share).
	Shares    []redact.Bytes
	RootToken redact.Bytes
}

// Init initialises Vault.
func (c *Client) Init(ctx context.Context, request InitRequest) (InitAnswer, error) {
	r, err := c.api.Sys().InitWithContext(ctx, &api.InitRequest{SecretShares: request.Shares, SecretThreshold: request.Threshold, PGPKeys: request.PGPKeys})
	if err != nil {
		return InitAnswer{}, c.classify("initializing", "sys/init", err)
	}
	answer := InitAnswer{RootToken: redact.Bytes(r.RootToken)}
	for _, share := range r.KeysB64 {
		answer.Shares = append(answer.Shares, redact.Bytes(share))
	}
	return answer, nil
}
