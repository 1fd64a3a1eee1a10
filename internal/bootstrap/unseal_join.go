package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Join is how a server that is not initialized is told to join the others' raft cluster,
// as `vault operator raft join` does.
type Join struct {
	// Leader is the API address of the active server as the joining one sees it; empty is
	// the api_addr that the active server tells.
	Leader string
	// CA holds PEM certificates to verify the leader by, nil for the system's.
	CA []byte
}

// join waits, bounded, until servers that are not initialized have joined the cluster;
// with Join it tells them to.
func (u *Unseal) join(ctx context.Context, waiting []Server) error {
	deadline := time.Now().Add(u.Settle)
	if u.Join != nil {
		if err := u.tell(ctx, waiting, deadline); err != nil {
			return err
		}
	} else {
		for _, s := range waiting {
			u.Say(s.Name, "not initialized; waiting for it to join the cluster of the others")
		}
	}
	for {
		var missing []string
		for _, s := range States(ctx, waiting) {
			if !s.Initialized {
				missing = append(missing, s.Server)
			}
		}
		if len(missing) == 0 {
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("%s: %w; retry_join is not in its configuration, or does not reach them", strings.Join(missing, ", "), ErrNotJoined)
		}
		pause(ctx, 200*time.Millisecond)
	}
}

// tell has each waiting server join the active one.
func (u *Unseal) tell(ctx context.Context, waiting []Server, deadline time.Time) error {
	leader, err := u.leader(ctx, deadline)
	if err != nil {
		return err
	}
	for _, s := range waiting {
		err := s.Client.RaftJoin(ctx, leader, u.Join.CA)
		if err != nil && !s.state(ctx).Initialized { // it may just have joined by itself
			return fmt.Errorf("%s: %w: %w; name an address of the active server that it reaches with --join=ADDRESS", s.Name, ErrNotJoined, err)
		}
		u.Say(s.Name, "told to join the raft cluster of "+leader)
	}
	return nil
}

// leader is the address of the active server; right after unsealing there is none yet.
func (u *Unseal) leader(ctx context.Context, deadline time.Time) (string, error) {
	if u.Join.Leader != "" {
		return u.Join.Leader, nil
	}
	for {
		for _, s := range u.Servers {
			if s.Down != nil {
				continue
			}
			if leader, err := s.Client.Leader(ctx); err == nil && leader.Address != "" {
				return leader.Address, nil
			}
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return "", errors.New("no server is active, so there is no cluster to join")
		}
		pause(ctx, 200*time.Millisecond)
	}
}

// AwaitOpen waits until servers whose seal a key service opens are open, at most for the
// bound. Whether they are is for the caller to look at.
func AwaitOpen(ctx context.Context, servers []Server, bound time.Duration) {
	for deadline := time.Now().Add(bound); time.Now().Before(deadline) && ctx.Err() == nil; pause(ctx, 200*time.Millisecond) {
		open := true
		for _, s := range States(ctx, servers) {
			open = open && s.Open()
		}
		if open {
			return
		}
	}
}
