package gather

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// Overview is what status tells of one mapping.
type Overview struct {
	Mapping *eso.ExternalSecret
	Store   eso.StoreRef
	// Ready is "True", "False" or "Unknown"; Message has the cause, which ESO
	// leaves in events alone.
	Ready, Reason, Message string
	LastSync               time.Time
	// NextSync is zero when none is planned or nobody knows.
	NextSync time.Time
	Secret   diagnose.Fact[SecretOverview]
	Sources  []Source
	// Controller is "vaultsecret", "external-secrets" or "unknown".
	Controller string
	Consumers  diagnose.Fact[[]diagnose.Workload]
}

// SecretOverview is what metadata alone says of the Secret.
type SecretOverview struct {
	Exists bool
	// Keys counts the data keys that any field manager owns.
	Keys int
	// source is the annotation that says what the Secret was made of.
	source string
}

// Source is one path in Vault.
type Source struct {
	// Path below /v1/; Version is the one in the cluster, 0 when not known.
	Path    string
	Version int
	// Newest is the newest version in Vault. When it was asked for and is not known, it
	// says why.
	Newest diagnose.Fact[int]
}

// OverviewOptions say what else to look at.
type OverviewOptions struct {
	// Drift asks Vault for the newest version of every path.
	Drift bool
	// Consumers finds the workloads that use the Secret.
	Consumers bool
}

// Overview collects what status tells of one mapping.
func (g *Gatherer) Overview(ctx context.Context, es *eso.ExternalSecret, options OverviewOptions) Overview {
	var d denials
	o := Overview{Mapping: es, Ready: "Unknown", LastSync: es.Status.RefreshTime.Time, Controller: Controller(es)}
	if refs := es.StoreRefs(); len(refs) > 0 {
		o.Store = refs[0]
	}
	if ready := es.Status.Ready(); ready != nil {
		o.Ready, o.Reason, o.Message = string(ready.Status), Clean(ready.Reason), Clean(ready.Message)
	}
	if o.Ready != string(metav1.ConditionTrue) {
		g.cause(ctx, es, &o)
	}
	o.NextSync = nextSync(es)
	o.Secret = g.secretOverview(ctx, es, &d)
	o.Sources = g.sources(ctx, es, o.Secret.Value.source)
	if options.Drift {
		g.newest(ctx, es, &o)
	}
	if options.Consumers {
		found, err := g.Consumers(ctx, es.Namespace, es.TargetName())
		o.Consumers = fact(&d, "list workloads in "+es.Namespace, found, err)
	}
	return o
}

// cause takes the newest warning event in place of a condition that tells nothing.
func (g *Gatherer) cause(ctx context.Context, es *eso.ExternalSecret, o *Overview) {
	events, err := g.eventsOf(ctx, es.Namespace, eso.KindExternalSecret)
	if err != nil {
		return
	}
	for _, e := range events[es.Name] {
		if e.Warning && !strings.Contains(o.Message, e.Message) && e.Last.After(es.Status.RefreshTime.Time) {
			o.Message = e.Message
		}
	}
}

// nextSync is when a periodic refresh falls due; jitter and backoff come on top.
func nextSync(es *eso.ExternalSecret) time.Time {
	interval, err := es.RefreshInterval()
	if err != nil || interval <= 0 || es.RefreshPolicy() != eso.RefreshPeriodic || es.Status.RefreshTime.IsZero() {
		return time.Time{}
	}
	return es.Status.RefreshTime.Add(interval)
}

// Controller tells by the field manager of the status who wrote it last.
func Controller(es *eso.ExternalSecret) string {
	var last metav1.ManagedFieldsEntry
	for _, e := range es.ManagedFields {
		if e.Subresource == "status" && e.Time != nil && (last.Time == nil || !e.Time.Before(last.Time)) {
			last = e
		}
	}
	switch {
	case last.Manager == kube.Manager:
		return "vaultsecret"
	case strings.Contains(last.Manager, "external-secrets"), strings.HasPrefix(last.Manager, "eso"):
		return "external-secrets"
	}
	return "unknown"
}

// secretOverview reads metadata only: by a list of the namespace or, for those who may
// not list, by a get for each.
func (g *Gatherer) secretOverview(ctx context.Context, es *eso.ExternalSecret, d *denials) diagnose.Fact[SecretOverview] {
	all, _ := g.secrets.get(es.Namespace, func() (*secretList, error) { return new(secretList), nil })
	seen, err := all.get(es.TargetName(), func(next string) (*metav1.PartialObjectMetadataList, error) {
		ctx, cancel := g.limited(ctx)
		defer cancel()
		return secretPage(ctx, g.Clients, es.Namespace, next)
	})
	if err == nil {
		return diagnose.Known(seen)
	}
	if !apierrors.IsForbidden(err) {
		return diagnose.Unknown[SecretOverview](d.reason("list secrets in "+es.Namespace, err))
	}
	ctx, cancel := g.limited(ctx)
	defer cancel()
	meta, err := g.Clients.Metadata.Resource(secrets()).Namespace(es.Namespace).Get(ctx, es.TargetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return diagnose.Known(SecretOverview{})
	}
	if err != nil {
		return diagnose.Unknown[SecretOverview](d.reason("get secrets in "+es.Namespace, err))
	}
	return diagnose.Known(secretOf(meta))
}

func secretOf(meta *metav1.PartialObjectMetadata) SecretOverview {
	keys := map[string]bool{}
	for _, e := range meta.ManagedFields {
		var fields struct {
			Data map[string]json.RawMessage `json:"f:data"`
		}
		if e.FieldsV1 != nil && json.Unmarshal(e.FieldsV1.GetRawBytes(), &fields) == nil {
			for field := range fields.Data {
				if key, ok := strings.CutPrefix(field, "f:"); ok {
					keys[key] = true
				}
			}
		}
	}
	return SecretOverview{Exists: true, Keys: len(keys), source: Clean(meta.Annotations[eso.AnnotationSource])}
}

// sources are the paths with their versions as the Secret's annotation tells them,
// else the paths alone as the spec and the store make them.
func (g *Gatherer) sources(ctx context.Context, es *eso.ExternalSecret, annotation string) []Source {
	var sources []Source
	for _, item := range strings.Split(annotation, ",") {
		if item == "" {
			continue
		}
		path, version := cutVersion(item)
		sources = append(sources, Source{Path: path, Version: version})
	}
	if len(sources) > 0 {
		return sources
	}
	seen := map[string]bool{}
	for _, r := range readsOf(es) {
		path := r.ref.Key
		if s, err := g.storeOf(ctx, r.store, es.Namespace); err == nil && s != nil && s.Spec.Provider.Vault != nil {
			v := s.Spec.Provider.Vault
			path = vault.DataPath(v.Mount(), v.KVVersion(), r.ref.Key)
		}
		if !seen[path] {
			seen[path] = true
			sources = append(sources, Source{Path: Clean(path)})
		}
	}
	return sources
}

type wantedRead struct {
	store eso.StoreRef
	ref   kv.Ref
}

func readsOf(es *eso.ExternalSecret) []wantedRead {
	var reads []wantedRead
	for i, d := range es.Spec.Data {
		reads = append(reads, wantedRead{es.DataStore(i), refOf(&d.RemoteRef)})
	}
	for i, from := range es.Spec.DataFrom {
		if from.Extract != nil {
			reads = append(reads, wantedRead{es.DataFromStore(i), refOf(from.Extract)})
		}
	}
	return reads
}

// newest asks Vault for the newest version of every path, once per path.
func (g *Gatherer) newest(ctx context.Context, es *eso.ExternalSecret, o *Overview) {
	var d denials
	for _, r := range readsOf(es) {
		s, err := g.storeOf(ctx, r.store, es.Namespace)
		if err != nil || s == nil || s.Spec.Provider.Vault == nil {
			continue // its paths are not known either; see below
		}
		v := s.Spec.Provider.Vault
		path := vault.DataPath(v.Mount(), v.KVVersion(), r.ref.Key)
		newest := g.newestVersion(ctx, &d, s, es.Namespace, r.ref.Key)
		for i := range o.Sources {
			if o.Sources[i].Path == path {
				o.Sources[i].Newest = newest
			}
		}
	}
	for i := range o.Sources {
		if newest := &o.Sources[i].Newest; !newest.Known && newest.Why == "" {
			*newest = diagnose.Unknown[int]("no entry of a store that can be read names this path")
		}
	}
}

func (g *Gatherer) newestVersion(ctx context.Context, d *denials, s *eso.Store, namespace, key string) diagnose.Fact[int] {
	session, err := g.admitted(ctx, *s, namespace)
	if err != nil {
		return diagnose.Unknown[int](d.reason("use what the store names", err))
	}
	ctx, cancel := g.limited(ctx)
	defer cancel()
	payload, err := session.reader.Read(ctx, kv.Ref{Key: key})
	return fact(d, "read "+key, payload.Version, err)
}

// cutVersion splits "secret/data/app/db@3".
func cutVersion(item string) (path string, version int) {
	at := strings.LastIndex(item, "@")
	if at < 0 {
		return item, 0
	}
	n, err := strconv.Atoi(item[at+1:])
	if err != nil {
		return item, 0
	}
	return item[:at], n
}

func secrets() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
}
