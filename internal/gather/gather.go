package gather

import (
	"context"
	"net"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/store"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// Config says with what and how to look.
type Config struct {
	Clients *kube.Clients
	// Dial reaches Vault; nil is the net dialer. Via, if not nil, says how an
	// address was reached, e.g. "port-forward to vault-0", after a Dial.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	Via  func(address string) string
	// Unresolved, if not nil, says of an address that failed to be dialed that its
	// name means something inside the cluster alone: nothing is known of it then.
	Unresolved func(address string) bool
	// VaultAddr takes the place of every store's server, if not empty.
	VaultAddr string
	// NoLogin rules out every login.
	NoLogin bool
	// Now is the clock.
	Now func() time.Time
	// Timeout limits each lookup; 0 is 10 seconds.
	Timeout time.Duration
	// Parallel bounds how many mappings are looked at together; 0 is 16.
	Parallel int
}

// Gatherer collects facts. One Gatherer serves one invocation: what mappings share
// is looked up once in its life. It is safe for concurrent use.
type Gatherer struct {
	Config
	resolver store.Resolver
	sessions *store.Sessions
	pass     *store.Pass

	cluster     memo[string, diagnose.Cluster]
	clusterDeny denials
	namespaces  memo[string, namespace]
	events      memo[string, map[string][]diagnose.Event]
	names       memo[string, []string]
	stores      memo[storeKey, *eso.Store]
	objects     memo[objectKey, object]
	servers     memo[string, diagnose.Vault]
	admissions  memo[loginKey, struct{}]
	logins      memo[loginKey, *opened]
	engines     memo[pathKey, diagnose.Fact[diagnose.Engine]]
	mounts      memo[*vault.Client, []string]
	rights      memo[pathKey, map[string][]string]
	siblings    memo[pathKey, []string]
	workloads   memo[string, []workload]
	secrets     memo[string, *secretList]
	access      memo[string, access]
}

// New returns a Gatherer.
func New(config Config) *Gatherer {
	if config.Timeout == 0 {
		config.Timeout = 10 * time.Second
	}
	if config.Parallel == 0 {
		config.Parallel = 16
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	g := &Gatherer{Config: config, resolver: store.Resolver{Cluster: &kube.Cluster{Clients: config.Clients}}}
	g.sessions = &store.Sessions{Resolver: g.resolver, Now: config.Now, Dial: config.Dial}
	g.pass = &store.Pass{Sessions: g.sessions, Objects: kube.Objects{Clients: config.Clients}}
	return g
}

// Close revokes the tokens that were got by a login.
func (g *Gatherer) Close(ctx context.Context) { g.sessions.Close(ctx) }

// one is the work on one mapping.
type one struct {
	*Gatherer
	denials
	f *diagnose.Facts
	// secret is the mapping's Secret as found, for the preview; secretErr why not.
	secret    *corev1.Secret
	secretErr error
}

// Facts collects all facts about one mapping. known is the mapping itself where a
// list has given it already, nil otherwise.
func (g *Gatherer) Facts(ctx context.Context, namespace, name string, known *eso.ExternalSecret) diagnose.Facts {
	o := &one{Gatherer: g, f: &diagnose.Facts{Now: g.Now(), Namespace: namespace, Name: name}}
	o.f.Cluster = g.Cluster(ctx)
	if o.f.Cluster.Unreachable != "" {
		return *o.f
	}
	o.mapping(ctx, known)
	if es := o.f.Mapping.Value; es != nil {
		var all sync.WaitGroup
		all.Go(func() { o.happened(ctx, es) })
		all.Go(func() { o.target(ctx, es) })
		all.Go(func() { o.consumers(ctx, es) })
		all.Go(func() { o.lookAtStores(ctx, es) })
		all.Wait()
		o.preview(ctx, es)
	}
	o.f.Cluster.Denied = append(append([]string{}, o.f.Cluster.Denied...), o.sorted()...)
	return *o.f
}

// Each calls look for every mapping, bounded, and yields in the order of the
// mappings as soon as that order allows.
func Each[T any](parallel int, mappings []*eso.ExternalSecret, look func(*eso.ExternalSecret) T, yield func(int, T)) {
	results := make([]chan T, len(mappings))
	for i := range results {
		results[i] = make(chan T, 1)
	}
	slots := make(chan struct{}, parallel)
	go func() {
		for i, es := range mappings {
			slots <- struct{}{}
			go func() {
				defer func() { <-slots }()
				results[i] <- look(es)
			}()
		}
	}()
	for i := range results {
		yield(i, <-results[i])
	}
}

// limited gives a lookup its own time.
func (g *Gatherer) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, g.Timeout)
}
