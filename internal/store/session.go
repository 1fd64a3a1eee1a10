package store

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// session is one identity's login, for its whole life.
type session struct {
	owner      string
	generation int64
	mount      string
	kv         int
	// base has no token. login is nil for a static token, which is never renewed nor
	// revoked, since it is not ours.
	base  *vault.Client
	login func(context.Context) (vault.Login, error)
	// gate lets one login or renewal run at a time.
	gate chan struct{}

	mu      sync.Mutex
	client  *vault.Client // with the token; nil when there is none that serves
	token   vault.Token
	full    time.Duration // ttl right after the login
	learned time.Time     // when token.TTL was learned
	notNow  time.Time     // no renewal before, since one failed
	tries   int           // logins tried, and the last one's error
	failed  error
	used    time.Time
	sent    int // calls under this token
	calls   int // calls that run now
	retired bool
	// blind: the login's tokens may not look themselves up.
	blind bool
}

// Format prints whose session it is.
func (s *session) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, fmt.Sprintf("session(%q)", s.owner))
}

// need is what a session needs before its token can serve a call.
//
//	none    no token, or Vault does not take it any more, or it ends now
//	soon    it serves, and two thirds of its ttl are over
//	fresh   it serves
type need int

const (
	none need = iota
	soon
	fresh
)

// spare is how many requests one call may take: the read, its mount, the token itself.
const spare = 3

// state tells the client that serves and what the session needs. mu is held.
func (s *session) state(now time.Time) (*vault.Client, need) {
	ttl, age := s.token.TTL, now.Sub(s.learned)
	switch {
	case s.client == nil:
		return nil, none
	case s.login == nil:
		return s.client, fresh
	case s.token.Uses > 0 && s.sent > 0 && s.sent*spare+spare > s.token.Uses:
		return s.client, none
	case ttl == 0 || age < ttl*2/3:
		return s.client, fresh
	case age >= ttl-min(ttl/10, 5*time.Second):
		return s.client, none
	case now.Before(s.notNow):
		return s.client, fresh
	}
	return s.client, soon
}

func (s *session) look(now time.Time) (*vault.Client, need, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	client, n := s.state(now)
	return client, n, s.tries
}

// ready returns a client whose token serves. One caller logs in or renews for all; as
// long as the old token serves nobody else waits.
func (p *Sessions) ready(ctx context.Context, s *session) (*vault.Client, error) {
	client, need, tries := s.look(p.Now())
	switch need {
	case fresh:
		return client, nil
	case soon:
		select {
		case s.gate <- struct{}{}:
		default:
			return client, nil
		}
	case none:
		select {
		case s.gate <- struct{}{}:
		case <-ctx.Done():
			return nil, &kv.Error{Kind: kv.Unreachable, Err: ctx.Err(), Detail: "waiting for a login: interrupted"}
		}
	}
	defer func() { <-s.gate }()
	return p.renewOrLogin(ctx, s, tries)
}

// renewOrLogin does what is needed; the gate is held. tries is how many logins had
// been tried when the caller came: what failed meanwhile failed for it, too.
func (p *Sessions) renewOrLogin(ctx context.Context, s *session, tries int) (*vault.Client, error) {
	now := p.Now()
	s.mu.Lock()
	client, need := s.state(now)
	renewable, full, failed, again, retired := s.token.Renewable, s.full, s.failed, s.tries != tries, s.retired
	s.mu.Unlock()
	switch {
	case need == fresh:
		return client, nil
	case retired && client != nil:
		return client, nil
	case retired:
		return nil, errRetired
	case again && failed != nil && ctx.Err() == nil:
		return nil, failed
	}
	if need == soon && renewable {
		ttl, err := client.RenewSelf(ctx)
		p.observe("RenewSelf", err == nil)
		if err == nil {
			s.mu.Lock()
			s.token.TTL, s.learned = ttl, now
			s.mu.Unlock()
			if ttl >= full*2/3 {
				return client, nil
			}
		}
	}
	replaced, err := p.loginNow(ctx, s, now)
	if err != nil && need == soon {
		return client, nil // the old one serves until its end
	}
	return replaced, err
}

// loginNow gets a new token and gives the old one back.
func (p *Sessions) loginNow(ctx context.Context, s *session, now time.Time) (*vault.Client, error) {
	token, err := p.newToken(ctx, s)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	s.failed = err
	if err != nil {
		s.notNow = now.Add(min(30*time.Second, max(time.Second, s.token.TTL/20)))
		if ctx.Err() != nil {
			s.failed = nil // it says nothing to the others
		}
		return nil, err
	}
	if s.client != nil && !s.token.Batch {
		p.giveBack(s.client)
	}
	s.client, s.token, s.full, s.learned, s.sent, s.notNow = s.base.WithToken(token.ID), token, token.TTL, now, 0, time.Time{}
	return s.client, nil
}

func (p *Sessions) newToken(ctx context.Context, s *session) (vault.Token, error) {
	login, err := s.login(ctx)
	if err != nil {
		return vault.Token{}, err
	}
	token, err := s.base.Login(ctx, login)
	p.observe("Login", err == nil)
	return token, err
}

// static makes a session of a token that is not ours.
func (s *session) static(token redact.Bytes) {
	s.client = s.base.WithToken(token)
}

// lost drops a token that Vault no longer takes, unless another one serves already.
func (s *session) lost(client *vault.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == client && s.login != nil {
		s.client = nil
	}
}
