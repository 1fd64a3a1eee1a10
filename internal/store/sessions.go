package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// idle is how long a session is kept, renewed, without being used.
const idle = 2 * time.Hour

// background bounds a call that nobody waits for.
const background = 10 * time.Second

// Sessions holds one login per identity for its whole life: renewed at two thirds of
// its ttl, repeated when renewing no longer lengthens it or when Vault no longer
// accepts the token. It lives as long as the process and runs nothing by itself:
// renewals happen on use and by Tick.
type Sessions struct {
	Resolver Resolver
	// Now is the clock.
	Now func() time.Time
	// Dial, if not nil, replaces the net dialer of every client (a tunnel).
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Observe, if not nil, is told of each call: Login, LookupSelf, RenewSelf,
	// RevokeSelf, ReadSecretData, ListSecrets, and whether it succeeded. It is called
	// from any goroutine.
	Observe func(call string, ok bool)

	mu   sync.Mutex
	live map[string]*session
	work sync.WaitGroup
}

// Format prints how many there are.
func (p *Sessions) Format(f fmt.State, _ rune) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = io.WriteString(f, fmt.Sprintf("sessions(%d)", len(p.live)))
}

// errRetired says that a newer generation of the store, or a newer credential, took
// the place of the one that the caller holds.
var errRetired = &kv.Error{Kind: kv.Unreachable, Detail: "the store or its credential changed while it was read; it is read again in the next pass"}

// open returns the session of an identity, logged in.
func (p *Sessions) open(ctx context.Context, store eso.Store, namespace string) (*session, error) {
	s, err := p.find(ctx, store, namespace)
	if err != nil {
		return nil, err
	}
	_, err = p.ready(ctx, s)
	return s, err
}

// find reads what the store refers to now and returns the session of that identity.
func (p *Sessions) find(ctx context.Context, store eso.Store, namespace string) (*session, error) {
	sc := scope{store: store, namespace: namespace}
	m, err := p.Resolver.resolve(ctx, sc)
	if err != nil {
		return nil, err
	}
	return p.session(sc, m)
}

// session returns the identity's session, and retires those that it replaces.
func (p *Sessions) session(sc scope, m material) (*session, error) {
	k := key(sc, m)
	p.mu.Lock()
	defer p.mu.Unlock()
	if s, ok := p.live[k]; ok {
		s.touch(p.Now())
		return s, nil
	}
	m.config.Dial = p.Dial
	base, err := vault.New(m.config)
	if err != nil {
		return nil, err
	}
	v := sc.store.Spec.Provider.Vault
	s := &session{
		owner: owner(sc), generation: sc.store.Meta.Generation, mount: v.Mount(), kv: v.KVVersion(),
		base: base, login: m.login, gate: make(chan struct{}, 1), used: p.Now(),
	}
	if m.login == nil {
		s.static(m.token)
	}
	for old, other := range p.live {
		if other.owner != s.owner {
			continue
		}
		if other.generation > s.generation {
			return nil, errRetired
		}
		delete(p.live, old)
		p.retire(other)
	}
	if p.live == nil {
		p.live = map[string]*session{}
	}
	p.live[k] = s
	return s, nil
}

func (s *session) touch(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = now
}

// call runs one call under the session's token. When Vault no longer takes the token,
// it logs in and runs the call once more, so that a dead token costs nobody a read.
func (p *Sessions) call(ctx context.Context, s *session, do func(*vault.Client) error) error {
	s.mu.Lock()
	s.calls++
	s.used = p.Now()
	s.mu.Unlock()
	defer p.done(s)
	for try := 1; ; try++ {
		client, err := p.ready(ctx, s)
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.sent++
		s.mu.Unlock()
		err = s.judge(do(client), try)
		if kv.KindOf(err) != kv.BadCredential || s.login == nil || try > 1 {
			return err
		}
		s.lost(client)
	}
}

// judge makes of a refusal that may concern the token or the path one that concerns the
// path, where the token is known to be good: it is the first call after the login, or
// an earlier login's token could not look itself up either. Of a static token nothing
// more can be known; it takes the store from nobody else.
func (s *session) judge(err error, try int) error {
	if !errors.Is(err, vault.ErrUnproven) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blind = s.blind || s.login == nil || try > 1 || s.sent == 1
	var e *kv.Error
	if !s.blind || !errors.As(err, &e) {
		return err
	}
	denied := *e
	denied.Kind = kv.Denied
	return &denied
}

func (p *Sessions) done(s *session) {
	s.mu.Lock()
	s.calls--
	over := s.retired && s.calls == 0
	s.mu.Unlock()
	if over {
		p.end(s)
	}
}

// retire gives a session's token back when its last call is over.
func (p *Sessions) retire(s *session) {
	s.mu.Lock()
	s.retired = true
	over := s.calls == 0
	s.mu.Unlock()
	if over {
		p.end(s)
	}
}

// end drops the session's token, and revokes it when a login got it.
func (p *Sessions) end(s *session) {
	s.mu.Lock()
	client, ours := s.client, s.login != nil && !s.token.Batch
	s.client = nil
	s.mu.Unlock()
	if client != nil && ours {
		p.giveBack(client)
	}
}

// giveBack revokes a token while nobody waits.
func (p *Sessions) giveBack(client *vault.Client) {
	p.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), background)
		defer cancel()
		p.observe("RevokeSelf", client.RevokeSelf(ctx) == nil)
	})
}

// Tick renews what is due and drops what was not used for two hours. It does not wait.
func (p *Sessions) Tick(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k, s := range p.live {
		s.mu.Lock()
		_, need := s.state(now)
		unused := s.calls == 0 && now.Sub(s.used) > idle
		s.mu.Unlock()
		switch {
		case unused:
			delete(p.live, k)
			p.retire(s)
		case need == soon && len(s.gate) == 0:
			p.work.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), background)
				defer cancel()
				_, _ = p.ready(ctx, s) // what fails is tried again, and shows on use
			})
		}
	}
}

// Close revokes every token that was got by a login, and returns when that is done
// or ctx is. Static tokens are not ours.
func (p *Sessions) Close(ctx context.Context) {
	p.mu.Lock()
	live := p.live
	p.live = nil
	p.mu.Unlock()
	for _, s := range live {
		s.mu.Lock()
		s.retired = true
		s.mu.Unlock()
		p.end(s)
	}
	over := make(chan struct{})
	go func() {
		p.work.Wait()
		close(over)
	}()
	select {
	case <-over:
	case <-ctx.Done():
	}
	for _, s := range live {
		s.base.Close()
	}
}

func (p *Sessions) observe(call string, ok bool) {
	if p.Observe != nil {
		p.Observe(call, ok)
	}
}
