package store

import (
	"context"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// Sessions holds one login per identity for its whole life: renewed at two thirds of
// its ttl, repeated when renewing no longer lengthens it or when Vault no longer
// accepts the token. It lives as long as the process.
type Sessions struct {
	Resolver Resolver
	// Now is the clock.
	Now func() time.Time
	// Dial, if not nil, replaces the net dialer of every client (a tunnel).
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Observe, if not nil, is told of each call: Login, LookupSelf, RenewSelf,
	// RevokeSelf, ReadSecretData, ListSecrets, and whether it succeeded.
	Observe func(call string, ok bool)

	mu   sync.Mutex
	live map[string]*session
}

// session is one identity's client.
type session struct {
	client *vault.Client
	mount  string
	kv     int
	login  *vault.Login
	// owner and name tell sessions that a newer identity of the same store and
	// namespace replaces.
	owner string

	mu      sync.Mutex
	token   vault.Token
	learned time.Time // when token.TTL was learned; zero: not logged in
	dead    bool      // Vault no longer accepts the token
}

// key holds every input of an identity: the store and its generation, every object
// that was read with UID and resourceVersion, and for referent stores the namespace.
func key(s scope, m material) string {
	namespace := ""
	if s.store.Referent() {
		namespace = s.namespace
	}
	parts := []string{owner(s), strconv.FormatInt(s.store.Meta.Generation, 10), namespace}
	return strings.Join(append(parts, m.identity...), "\n")
}

func owner(s scope) string {
	namespace := ""
	if s.store.Referent() {
		namespace = s.namespace
	}
	return s.store.String() + "\n" + string(s.store.Meta.UID) + "\n" + namespace
}

// open returns the live session of an identity, logging in if there is none.
func (p *Sessions) open(ctx context.Context, store eso.Store, namespace string) (*session, error) {
	s := scope{store: store, namespace: namespace}
	m, err := p.Resolver.resolve(ctx, s)
	if err != nil {
		return nil, err
	}
	k := key(s, m)
	p.mu.Lock()
	if p.live == nil {
		p.live = map[string]*session{}
	}
	current, ok := p.live[k]
	if !ok {
		m.config.Dial = p.Dial
		client, err := vault.New(m.config)
		if err != nil {
			p.mu.Unlock()
			return nil, err
		}
		v := store.Spec.Provider.Vault
		current = &session{client: client, mount: v.Mount(), kv: v.KVVersion(), login: m.login, owner: owner(s)}
		if m.login == nil {
			client.SetToken(m.token)
		}
		for old, other := range p.live {
			if other.owner == current.owner {
				delete(p.live, old)
				go p.revoke(other)
			}
		}
		p.live[k] = current
	}
	p.mu.Unlock()
	if m.login != nil {
		current.mu.Lock()
		current.login = m.login // a fresh service-account token for the next login
		current.mu.Unlock()
	}
	return current, p.refresh(ctx, current)
}

// refresh makes sure that the session's token serves for a while yet. Callers of one
// session wait for each other, so that one login serves all.
func (p *Sessions) refresh(ctx context.Context, s *session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.login == nil {
		return nil
	}
	now := p.Now()
	if !s.learned.IsZero() && !s.dead {
		age, ttl := now.Sub(s.learned), s.token.TTL
		if ttl == 0 || age < ttl*2/3 {
			return nil
		}
		if s.token.Renewable && age < ttl {
			renewed, err := s.client.RenewSelf(ctx)
			p.observe("RenewSelf", err == nil)
			if err == nil && renewed > ttl/2 {
				s.token.TTL, s.learned = renewed, now
				return nil
			}
		}
	}
	token, err := s.client.Login(ctx, *s.login)
	p.observe("Login", err == nil)
	if err != nil {
		if age := now.Sub(s.learned); !s.learned.IsZero() && !s.dead && age < s.token.TTL {
			return nil // the old token serves until its end
		}
		return err
	}
	s.token, s.learned, s.dead = token, now, false
	return nil
}

// retry runs a call and, when Vault no longer accepts the token, logs in and runs it
// once more.
func (p *Sessions) retry(ctx context.Context, s *session, call func() error) error {
	err := call()
	if kv.KindOf(err) != kv.BadCredential || s.login == nil {
		return err
	}
	s.mu.Lock()
	s.dead = true
	s.mu.Unlock()
	if loginErr := p.refresh(ctx, s); loginErr != nil {
		return loginErr
	}
	return call()
}

// Close revokes every token that was got by a login. Static tokens are not ours.
func (p *Sessions) Close(ctx context.Context) {
	p.mu.Lock()
	live := p.live
	p.live = nil
	p.mu.Unlock()
	var all sync.WaitGroup
	for _, s := range live {
		all.Go(func() { p.revokeNow(ctx, s) })
	}
	all.Wait()
}

func (p *Sessions) revoke(s *session) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	p.revokeNow(ctx, s)
}

func (p *Sessions) revokeNow(ctx context.Context, s *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.login == nil || s.learned.IsZero() || s.dead || s.token.Batch {
		return
	}
	s.dead = true
	p.observe("RevokeSelf", s.client.RevokeSelf(ctx) == nil)
}

func (p *Sessions) observe(call string, ok bool) {
	if p.Observe != nil {
		p.Observe(call, ok)
	}
}
