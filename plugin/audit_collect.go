package plugin

import (
	"context"
	"errors"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
	"vaultsecret.io/kubectl-vaultsecret/internal/version"
)

// collect looks at every mapping and every Vault behind them.
func (a *auditing) collect(ctx context.Context) (*AuditReport, error) {
	clients, err := a.Options.clients()
	if err != nil {
		return nil, err
	}
	f, err := a.find(ctx, a.Options, clients)
	if err != nil {
		return nil, err
	}
	f.sayMissing(a.ErrOut)
	if a.own, err = a.ownToken(ctx); err != nil {
		return nil, err
	}
	a.gather = a.gatherer(clients, false)
	defer a.gather.Close(context.WithoutCancel(ctx))
	r := &AuditReport{
		TypeMeta: listMeta("AuditReport"), Generated: metav1.NewTime(time.Now().UTC().Truncate(time.Second)), Program: version.UserAgent("kubectl-vaultsecret"),
		Cluster: gather.Clean(clients.Config.Host), MaxAge: a.maxAge, Items: []AuditMapping{}, Vaults: []AuditVault{}, NotSeen: []string{}, missing: f.missing,
	}
	if len(f.mappings)+len(f.missing) == 0 {
		a.nothing(f)
	}
	gather.Each(16, f.mappings, func(es *eso.ExternalSecret) AuditMapping { return a.look(ctx, es, time.Now()) }, func(_ int, m AuditMapping) {
		r.Items = append(r.Items, m)
		r.NotSeen = append(r.NotSeen, m.NotSeen...)
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.Vaults = a.vaults.all()
	for _, v := range r.Vaults {
		if v.Error != "" {
			r.NotSeen = append(r.NotSeen, "audit devices of "+v.Address+": "+v.Error)
		}
	}
	slices.Sort(r.NotSeen)
	r.NotSeen = slices.Compact(r.NotSeen)
	r.summarize()
	return r, nil
}

// look looks at one mapping.
func (a *auditing) look(ctx context.Context, es *eso.ExternalSecret, now time.Time) AuditMapping {
	o := a.gather.Overview(ctx, es, gather.OverviewOptions{Consumers: true})
	m := AuditMapping{
		Namespace: es.Namespace, Name: es.Name, Secret: SecretStatus{Name: gather.Clean(es.TargetName())},
		Keeper: o.Controller, Ready: o.Ready, Reason: o.Reason, LastSync: timeOf(o.LastSync), Paths: []AuditPath{}, Readers: []AuditReader{},
	}
	if o.Secret.Known {
		m.Secret.Exists = &o.Secret.Value.Exists
	} else {
		m.Secret.Error = o.Secret.Why
		m.NotSeen = append(m.NotSeen, "Secret "+es.Namespace+"/"+m.Secret.Name+": "+o.Secret.Why)
	}
	for _, w := range o.Consumers.Value {
		m.Consumers = append(m.Consumers, w.Kind+"/"+w.Name)
	}
	if !o.Consumers.Known {
		m.NotSeen = append(m.NotSeen, "workloads in "+es.Namespace+": "+o.Consumers.Why)
	}
	m.drift(a.gather.Diff(ctx, es))
	readers, notSeen := a.gather.SecretReaders(ctx, es.Namespace, es.TargetName())
	for _, r := range readers {
		m.Readers = append(m.Readers, AuditReader{Kind: r.Kind, Namespace: r.Namespace, Name: r.Name, Verbs: r.Verbs, Via: r.Via})
	}
	m.NotSeen = append(m.NotSeen, notSeen...)
	for _, h := range a.gather.History(ctx, es) {
		p := a.path(ctx, es, h)
		p.aged(now, a.oldest)
		if p.Error != "" {
			m.NotSeen = append(m.NotSeen, "versions of "+p.Path+": "+p.Error)
		}
		if p.PoliciesError != "" {
			m.NotSeen = append(m.NotSeen, "policies for "+p.Path+": "+p.PoliciesError)
		}
		m.Paths = append(m.Paths, p)
	}
	return m
}

// drift says whether the Secret's data are what Vault holds now. Labels and the like do
// not count: no value differs.
func (m *AuditMapping) drift(d gather.Difference) {
	switch {
	case d.Unknown != "":
		m.Drift, m.DriftError = driftUnknown, d.Unknown
	case d.Refused != "":
		m.Drift, m.DriftError = driftDiffers, d.Refused
	default:
		m.Drift = driftSame
		m.DriftKeys = slices.Sorted(slices.Values(slices.Concat(d.Added, d.Changed, d.Removed)))
		if len(m.DriftKeys) > 0 || d.Differs() && !d.Exists {
			m.Drift = driftDiffers
		}
	}
}

// path tells a path's versions and who may read it. What the store's credential may not
// see is asked for with the caller's own token.
func (a *auditing) path(ctx context.Context, es *eso.ExternalSecret, h gather.History) AuditPath {
	p := AuditPath{Store: h.Store.String(), Path: h.Path, Policies: []AuditPolicy{}, InCluster: h.InCluster.Value}
	versions := h.Versions
	store, err := a.gather.Store(ctx, h.Store, es.Namespace)
	if err != nil || store == nil || store.Spec.Provider.Vault == nil {
		p.Error, p.PoliciesError = versions.Why, "its Vault is not known"
		return p
	}
	p.Vault = gather.Clean(store.Spec.Provider.Vault.Server)
	server := a.vaults.of(ctx, a, *store, es.Namespace)
	if h.Denied && a.trusts(*store) && server.err == nil {
		if v, err := server.own.Versions(ctx, store.Spec.Provider.Vault.Mount(), h.Path); err == nil {
			versions = diagnose.Known(v)
		}
	}
	if versions.Known {
		p.of(versions.Value)
	} else {
		p.Newest, p.Error = h.Newest.Value, versions.Why
	}
	p.Policies, p.PoliciesError = server.readersOf(h.Path)
	return p
}

// of takes the newest version that can be read, and how many are kept.
func (p *AuditPath) of(v vault.Versions) {
	now := time.Now()
	p.Kept = len(v.All)
	for _, one := range slices.Backward(v.All) {
		gone := one.Gone(now)
		if gone == nil {
			p.Newest, p.Written, p.WrittenBy = one.Number, timeOf(one.Created.UTC()), one.By
			return
		}
		if one.Number == v.Current && p.Error == "" {
			p.Error = "its newest version, " + goneWord(gone)
		}
	}
}

func goneWord(err error) string {
	if errors.Is(err, kv.ErrDestroyed) {
		return "is destroyed"
	}
	return "is deleted"
}
