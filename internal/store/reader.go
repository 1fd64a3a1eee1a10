package store

import (
	"context"
	"fmt"
	"io"
	"maps"
	"sync"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// reader reads one store under one identity, within one pass.
type reader struct {
	sessions  *Sessions
	store     eso.Store
	namespace string

	mu      sync.Mutex
	session *session
	// base is the session's client when remember was made of it; remember keeps for
	// the pass what it asked about mounts and its token.
	base, remember *vault.Client
	down           error
	// reads holds the pass's answers by what was asked: all that are under way, and those
	// that were used last.
	reads map[string]*answer
	// asked counts the questions; keep is keepAnswers, or more after a long list.
	asked, keep uint64
}

// keepAnswers is how many answers a pass keeps at least for whoever asks the same; the
// double is the most. Who shares a read comes to it shortly after the other.
const keepAnswers = 512

// answer is what all mappings of the pass share of one question.
type answer struct {
	done    chan struct{}
	payload kv.Payload
	names   []string
	err     error
	// used is how many questions had been asked when it was wanted last.
	used uint64
}

func (a *answer) given() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// Format prints whose reader it is, never what was read.
func (r *reader) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, fmt.Sprintf("reader(%s)", r.store))
}

// once answers a question: the first one that asks makes the call, the others wait for
// it. The call goes on when the first one gives up, since others may want its answer;
// the client's own timeout bounds it.
func (r *reader) once(ctx context.Context, question string, ask func(context.Context, *answer)) *answer {
	r.mu.Lock()
	a, ok := r.reads[question]
	if !ok {
		a = &answer{done: make(chan struct{})}
		if uint64(len(r.reads)) >= 2*r.kept() {
			r.forgetOldest()
		}
		r.asked++
		r.reads[question] = a
		go func() {
			defer close(a.done)
			ask(context.WithoutCancel(ctx), a)
			r.mark(a.err)
		}()
	}
	a.used = r.asked
	r.mu.Unlock()
	select {
	case <-a.done:
		return a
	case <-ctx.Done():
		return &answer{err: &kv.Error{Kind: kv.Unreachable, Err: ctx.Err(), Detail: fmt.Sprintf(
			"%s: Vault at %s: interrupted, or no answer in time", r.store, r.store.Spec.Provider.Vault.Server)}}
	}
}

// forgetOldest drops all answers but those in use and the ones that were used last. The
// caller holds mu.
func (r *reader) forgetOldest() {
	maps.DeleteFunc(r.reads, func(_ string, a *answer) bool { return a.given() && a.used+r.kept() <= r.asked })
}

func (r *reader) kept() uint64 { return max(keepAnswers, r.keep) }

// keepAll makes room for all that a list named: finds that share it read the same, each
// from its beginning. The room is that of a pass.
func (r *reader) keepAll(names int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep = max(r.keep, 2*uint64(names))
}

// opened returns the reader once its store is logged in.
func (r *reader) opened(ctx context.Context) (kv.Reader, error) {
	a := r.once(ctx, "open", func(ctx context.Context, a *answer) {
		var s *session
		if s, a.err = r.sessions.open(ctx, r.store, r.namespace); a.err == nil {
			r.swap(s)
		}
	})
	if a.err != nil {
		return nil, a.err
	}
	if err := r.isDown(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *reader) isDown() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.down
}

// mark remembers an error that concerns the whole store.
func (r *reader) mark(err error) {
	if err == nil || !kv.KindOf(err).Down() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down == nil {
		r.down = err
	}
}

func (r *reader) swap(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.session = s
}

func (r *reader) current() *session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.session
}

// remembering returns the pass's variant of the session's client.
func (r *reader) remembering(client *vault.Client) *vault.Client {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.base != client {
		r.base, r.remember = client, client.Remembering()
	}
	return r.remember
}

// call runs one call under the session. When Vault does not take the credential, it
// may have been replaced since the pass began: what the store refers to is read again
// and the call is run once more if it is another.
func (r *reader) call(ctx context.Context, do func(*vault.Client) error) error {
	run := func(client *vault.Client) error { return do(r.remembering(client)) }
	s := r.current()
	err := r.sessions.call(ctx, s, run)
	if kv.KindOf(err) != kv.BadCredential {
		return err
	}
	again, findErr := r.sessions.find(ctx, r.store, r.namespace)
	if findErr != nil || again == s {
		return err
	}
	r.swap(again)
	return r.sessions.call(ctx, again, run)
}

// Read implements kv.Reader.
func (r *reader) Read(ctx context.Context, ref kv.Ref) (kv.Payload, error) {
	s := r.current()
	question := fmt.Sprintf("data %q %s", ref.Version, vault.DataPath(s.mount, s.kv, ref.Key))
	if ref.Metadata {
		question = "metadata " + vault.MetadataPath(s.mount, s.kv, ref.Key)
	}
	if vault.Traverses(ref.Key) {
		question = "refused " + ref.Key
	}
	a := r.once(ctx, question, func(ctx context.Context, a *answer) {
		if a.err = r.isDown(); a.err != nil {
			return
		}
		a.err = r.call(ctx, func(client *vault.Client) (err error) {
			a.payload, err = client.Read(ctx, s.mount, s.kv, ref)
			return err
		})
		r.sessions.observe("ReadSecretData", a.err == nil)
	})
	return a.payload, a.err
}

// List implements kv.Reader.
func (r *reader) List(ctx context.Context, prefix string) ([]string, error) {
	s := r.current()
	a := r.once(ctx, "list "+prefix, func(ctx context.Context, a *answer) {
		if a.err = r.isDown(); a.err != nil {
			return
		}
		a.err = r.call(ctx, func(client *vault.Client) (err error) {
			a.names, err = client.ListAll(ctx, s.mount, s.kv, prefix)
			return err
		})
		r.sessions.observe("ListSecrets", a.err == nil)
		r.keepAll(len(a.names))
	})
	return a.names, a.err
}
