package gather

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// mapping looks the ExternalSecret up, and what is near it when it is not there.
func (o *one) mapping(ctx context.Context, known *eso.ExternalSecret) {
	if known != nil {
		o.f.Mapping, o.f.NamespaceExists = diagnose.Known(known), diagnose.Known(true)
		return
	}
	ctx, cancel := o.limited(ctx)
	defer cancel()
	es, err := o.Clients.ExternalSecrets(o.f.Namespace).Get(ctx, o.f.Name, metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		o.f.Mapping = fact(&o.denials, "get externalsecrets in "+o.f.Namespace, es, err)
		return
	}
	o.f.Mapping = diagnose.Known[*eso.ExternalSecret](nil)
	ns, err := o.namespaceOf(ctx, o.f.Namespace)
	o.f.NamespaceExists = fact(&o.denials, "get namespaces", ns.exists, err)
	o.f.OtherMappings, _ = o.names.get("externalsecrets/"+o.f.Namespace, func() (names []string, err error) {
		err = Mappings(ctx, o.Clients, o.f.Namespace, "", func(list []eso.ExternalSecret) error {
			for i := range list {
				names = append(names, list[i].Name)
			}
			return nil
		})
		return names, err
	})
}

// happened collects the events on the mapping.
func (o *one) happened(ctx context.Context, es *eso.ExternalSecret) {
	events, err := o.eventsOf(ctx, es.Namespace, eso.KindExternalSecret)
	o.f.Events = fact(&o.denials, "list events in "+es.Namespace, events[es.Name], err)
}

// target looks the Secret up and keeps names of keys only.
func (o *one) target(ctx context.Context, es *eso.ExternalSecret) {
	ctx, cancel := o.limited(ctx)
	defer cancel()
	secret, err := o.Clients.Secrets(es.Namespace).Get(ctx, es.TargetName(), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		o.f.Target = diagnose.Known[*diagnose.Target](nil)
	case err != nil:
		o.secretErr = err
		o.f.Target = diagnose.Unknown[*diagnose.Target](o.reason("get secrets in "+es.Namespace, err))
	default:
		o.secret = secret
		o.f.Target = diagnose.Known(describe(secret, es.Name))
	}
}

func describe(secret *corev1.Secret, mapping string) *diagnose.Target {
	t := &diagnose.Target{
		Type: string(secret.Type), Immutable: secret.Immutable != nil && *secret.Immutable, Deleting: secret.DeletionTimestamp != nil,
		Keys: slices.Sorted(maps.Keys(secret.Data)), Source: Clean(secret.Annotations[eso.AnnotationSource]),
		Changed: dataChanged(secret.ManagedFields, eso.FieldManager(mapping)),
	}
	if owner := metav1.GetControllerOf(secret); owner != nil {
		t.OwnerKind, t.OwnerName = owner.Kind, owner.Name
		t.OwnerGroup, _, _ = strings.Cut(owner.APIVersion, "/")
	}
	return t
}

// dataChanged is when a field manager last changed the object, zero if never.
func dataChanged(fields []metav1.ManagedFieldsEntry, manager string) time.Time {
	var last time.Time
	for _, e := range fields {
		if e.Manager == manager && e.Time != nil && e.Time.After(last) && e.FieldsV1 != nil && strings.Contains(string(e.FieldsV1.GetRawBytes()), "f:data") {
			last = e.Time.Time
		}
	}
	return last
}
