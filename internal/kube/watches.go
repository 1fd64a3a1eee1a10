package kube

import (
	"context"
	"fmt"
	"log/slog"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// Handlers are told what the watches see, once for each object at the start, then for
// each change. They must not block.
type Handlers struct {
	// Mapping is given an outline, as Watches.Outline returns it.
	Mapping func(outline *eso.ExternalSecret, deleted bool)
	Store   func(s eso.Store, deleted bool)
	// Object is told of Secrets and ConfigMaps, by metadata.
	Object func(kind string, meta *metav1.ObjectMeta, deleted bool)
	// Namespace is told of namespaces whose labels may have changed.
	Namespace func(name string)
}

// Watches hold ExternalSecrets and stores, and the metadata of Secrets, ConfigMaps
// and Namespaces. They carry no logic.
type Watches struct {
	mappings, stores, clusterStores, secrets, configMaps, namespaces cache.SharedIndexInformer

	packing *packing
	handled []cache.InformerSynced
}

// NewWatches prepares watches of one namespace, or of all for "". In one namespace
// ClusterSecretStores and Namespaces are watched only if the caller may.
func NewWatches(ctx context.Context, c *Clients, namespace string, log *slog.Logger) (*Watches, error) {
	clusterWide := true
	if namespace != "" {
		_, err := c.ClusterSecretStores().List(ctx, metav1.ListOptions{Limit: 1})
		switch {
		case err != nil && !apierrors.IsForbidden(err):
			return nil, told("looking whether ClusterSecretStores may be read", err, nil)
		case err != nil:
			clusterWide = false
			log.Info("ClusterSecretStores may not be read; mappings that use one will fail", "namespace", namespace)
		}
	}
	w := &Watches{
		mappings: informer(c.ExternalSecrets(namespace), &eso.ExternalSecret{}),
		stores:   informer(c.SecretStores(namespace), &eso.SecretStore{}),
	}
	metadataOf := func(resource string) cache.SharedIndexInformer {
		return informer(c.Metadata.Resource(corev1.SchemeGroupVersion.WithResource(resource)).Namespace(namespace), &metav1.PartialObjectMetadata{})
	}
	w.secrets, w.configMaps = metadataOf("secrets"), metadataOf("configmaps")
	if err := w.secrets.AddIndexers(cache.Indexers{byController: controllerUID}); err != nil {
		return nil, fmt.Errorf("preparing the watches: %w", err)
	}
	if clusterWide {
		w.clusterStores = informer(c.ClusterSecretStores(), &eso.ClusterSecretStore{})
	}
	if namespace == "" {
		w.namespaces = metadataOf("namespaces")
	}
	slim := newSlimming()
	w.packing = &slim.packing
	transforms := map[cache.SharedIndexInformer]cache.TransformFunc{
		w.mappings: slim.mapping, w.stores: slim.store, w.clusterStores: slim.store,
		w.secrets: slim.secret, w.configMaps: slim.configMap, w.namespaces: slim.namespace,
	}
	for _, i := range w.all() {
		if err := i.SetTransform(transforms[i]); err != nil {
			return nil, fmt.Errorf("preparing the watches: %w", err)
		}
		if err := i.SetWatchErrorHandlerWithContext(func(ctx context.Context, r *cache.Reflector, err error) {
			log.Warn("a watch was interrupted and goes on by itself", "error", err.Error())
		}); err != nil {
			return nil, fmt.Errorf("preparing the watches: %w", err)
		}
	}
	return w, nil
}

type listWatcher[L runtime.Object] interface {
	List(ctx context.Context, opts metav1.ListOptions) (L, error)
	Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error)
}

func informer[L runtime.Object](client listWatcher[L], example runtime.Object) cache.SharedIndexInformer {
	return cache.NewSharedIndexInformer(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
			return client.List(ctx, opts)
		},
		WatchFuncWithContext: client.Watch,
	}, example, 0, cache.Indexers{})
}

func (w *Watches) all() []cache.SharedIndexInformer {
	var all []cache.SharedIndexInformer
	for _, i := range []cache.SharedIndexInformer{w.mappings, w.stores, w.clusterStores, w.secrets, w.configMaps, w.namespaces} {
		if i != nil {
			all = append(all, i)
		}
	}
	return all
}

// Handle registers the handlers. Call it before Start.
func (w *Watches) Handle(h Handlers) error {
	add := func(i cache.SharedIndexInformer, tell func(object any, deleted bool)) error {
		if i == nil {
			return nil
		}
		registration, err := i.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(object any) { tell(object, false) },
			UpdateFunc: func(_, object any) { tell(object, false) },
			DeleteFunc: func(object any) {
				if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
					object = gone.Obj
				}
				tell(object, true)
			},
		})
		if err == nil {
			w.handled = append(w.handled, registration.HasSynced)
		}
		return err
	}
	object := func(kind string) func(any, bool) {
		return func(o any, deleted bool) {
			if m, ok := o.(*metav1.PartialObjectMetadata); ok {
				h.Object(kind, &m.ObjectMeta, deleted)
			}
		}
	}
	storeOf := func(o any, deleted bool) {
		if s, ok := view(o); ok {
			h.Store(s, deleted)
		}
	}
	for _, r := range []struct {
		informer cache.SharedIndexInformer
		tell     func(any, bool)
	}{
		{w.mappings, func(o any, deleted bool) {
			if p, ok := o.(*packed); ok {
				h.Mapping(&p.ExternalSecret, deleted)
			}
		}},
		{w.stores, storeOf},
		{w.clusterStores, storeOf},
		{w.secrets, object("Secret")},
		{w.configMaps, object("ConfigMap")},
		{w.namespaces, func(o any, _ bool) {
			if m, ok := o.(*metav1.PartialObjectMetadata); ok {
				h.Namespace(m.Name)
			}
		}},
	} {
		if err := add(r.informer, r.tell); err != nil {
			return fmt.Errorf("registering a handler: %w", err)
		}
	}
	return nil
}

// Start runs the watches until ctx is done and returns once each holds what there is
// and the handlers were told of it: what they are told later is a change.
func (w *Watches) Start(ctx context.Context) error {
	for _, i := range w.all() {
		go i.RunWithContext(ctx)
	}
	for _, i := range w.all() {
		if !cache.WaitForCacheSync(ctx.Done(), i.HasSynced) {
			return fmt.Errorf("the watches were not in sync before the end: %w", context.Cause(ctx))
		}
	}
	if !cache.WaitForCacheSync(ctx.Done(), w.handled...) {
		return fmt.Errorf("the handlers were not told of everything before the end: %w", context.Cause(ctx))
	}
	return nil
}

// Synced reports whether every watch holds what there is.
func (w *Watches) Synced() bool {
	for _, i := range w.all() {
		if !i.HasSynced() {
			return false
		}
	}
	return true
}

// Outlines returns the outlines of all mappings.
func (w *Watches) Outlines() []*eso.ExternalSecret {
	var all []*eso.ExternalSecret
	for _, o := range w.mappings.GetStore().List() {
		all = append(all, &o.(*packed).ExternalSecret)
	}
	return all
}

// Outline returns a mapping without spec.data, spec.dataFrom, spec.target.template and
// kubectl's note of what was applied, and the whole one's eso.SyncedResourceVersion; nil
// when there is none. It is shared: do not change it.
func (w *Watches) Outline(namespace, name string) (outline *eso.ExternalSecret, version string) {
	if p := w.packed(namespace, name); p != nil {
		return &p.ExternalSecret, p.version
	}
	return nil, ""
}

// ExternalSecret returns a whole mapping, nil when there is none. Parts of it are shared:
// do not change it.
func (w *Watches) ExternalSecret(namespace, name string) *eso.ExternalSecret {
	p := w.packed(namespace, name)
	if p == nil {
		return nil
	}
	es, err := w.packing.unpack(p)
	if err != nil {
		panic(fmt.Sprintf("ExternalSecret %s/%s was packed badly: %T", namespace, name, err))
	}
	return es
}

func (w *Watches) packed(namespace, name string) *packed {
	o, found, err := w.mappings.GetStore().GetByKey(namespace + "/" + name)
	if err != nil || !found {
		return nil
	}
	return o.(*packed)
}

// Stores returns all stores that are watched.
func (w *Watches) Stores() []eso.Store {
	var all []eso.Store
	for _, i := range []cache.SharedIndexInformer{w.stores, w.clusterStores} {
		if i == nil {
			continue
		}
		for _, o := range i.GetStore().List() {
			if s, ok := view(o); ok {
				all = append(all, s)
			}
		}
	}
	return all
}

func view(o any) (eso.Store, bool) {
	switch s := o.(type) {
	case *eso.SecretStore:
		return s.View(), true
	case *eso.ClusterSecretStore:
		return s.View(), true
	}
	return eso.Store{}, false
}

// SecretVersion is the resourceVersion of a Secret, "" when it is absent; marked says
// whether it has a mapping's label and hash.
func (w *Watches) SecretVersion(namespace, name string) (version string, marked bool) {
	m := partial(w.secrets, namespace, name)
	if m == nil {
		return "", false
	}
	return m.ResourceVersion, m.Labels[eso.LabelManaged] == "true" && m.Annotations[eso.AnnotationDataHash] != ""
}

// RestartPending is what eso.AnnotationRestartPending says on a Secret, "" when it is
// absent.
func (w *Watches) RestartPending(namespace, name string) string {
	m := partial(w.secrets, namespace, name)
	if m == nil {
		return ""
	}
	return m.Annotations[eso.AnnotationRestartPending]
}

// Owned returns the metadata of a namespace's Secrets that the object with the UID
// controls. It implements engine.Owned.
func (w *Watches) Owned(namespace string, owner types.UID) []metav1.ObjectMeta {
	objects, err := w.secrets.GetIndexer().ByIndex(byController, string(owner))
	if err != nil {
		return nil
	}
	var owned []metav1.ObjectMeta
	for _, o := range objects {
		if m := o.(*metav1.PartialObjectMetadata); m.Namespace == namespace {
			owned = append(owned, m.ObjectMeta)
		}
	}
	return owned
}

// byController indexes Secrets by the UID of the object that controls them.
const byController = "controller"

func controllerUID(o any) ([]string, error) {
	if m, ok := o.(*metav1.PartialObjectMetadata); ok {
		if c := metav1.GetControllerOf(m); c != nil {
			return []string{string(c.UID)}, nil
		}
	}
	return nil, nil
}

func partial(i cache.SharedIndexInformer, namespace, name string) *metav1.PartialObjectMetadata {
	if i == nil {
		return nil
	}
	key := name
	if namespace != "" {
		key = namespace + "/" + name
	}
	o, found, err := i.GetStore().GetByKey(key)
	if err != nil || !found {
		return nil
	}
	return o.(*metav1.PartialObjectMetadata)
}
