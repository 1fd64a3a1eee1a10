package gather

import "sync"

// memo makes each lookup once, whoever asks; later callers wait for the first.
type memo[K comparable, V any] struct {
	mu   sync.Mutex
	done map[K]*result[V]
}

type result[V any] struct {
	once  sync.Once
	value V
	err   error
}

func (m *memo[K, V]) get(key K, look func() (V, error)) (V, error) {
	m.mu.Lock()
	if m.done == nil {
		m.done = map[K]*result[V]{}
	}
	r, ok := m.done[key]
	if !ok {
		r = new(result[V])
		m.done[key] = r
	}
	m.mu.Unlock()
	r.once.Do(func() { r.value, r.err = look() })
	return r.value, r.err
}
