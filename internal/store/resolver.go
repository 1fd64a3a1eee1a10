// Package store turns a SecretStore or ClusterSecretStore into a logged-in reader.
//
// Rules: one Resolver serves every reference, so that no tenant's store reads
// another namespace; a session belongs to exactly one identity; within a Pass equal
// reads are made once, and a store that is down is asked once.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// Cluster reads what stores and templates refer to. nil, nil is a proven absence.
type Cluster interface {
	Secret(ctx context.Context, namespace, name string) (*corev1.Secret, error)
	ConfigMap(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error)
	// ServiceAccountToken asks for a token by TokenRequest.
	ServiceAccountToken(ctx context.Context, namespace, name string, audiences []string, expiry time.Duration) (redact.Bytes, error)
}

// Resolver resolves every reference of stores and templates.
type Resolver struct{ Cluster Cluster }

// scope is where references of one store are resolved for one mapping.
type scope struct {
	store eso.Store
	// namespace of the mapping; "" while a store is validated by itself.
	namespace string
}

// target is the namespace in which a reference is read. A SecretStore never leaves
// its own; a ClusterSecretStore names one, or means the mapping's.
func (s scope) target(ref eso.Reference) (string, error) {
	field := "spec.provider.vault." + ref.Field + ".namespace"
	if !s.store.Cluster() {
		if ref.Namespace != nil && *ref.Namespace != s.store.Meta.Namespace {
			return "", &kv.Error{Kind: kv.BadConfig, Field: field, Detail: fmt.Sprintf(
				"%s of %s: %q is not the store's own namespace; remove the field or use a ClusterSecretStore", field, s.store, *ref.Namespace)}
		}
		return s.store.Meta.Namespace, nil
	}
	if ref.Namespace != nil {
		return *ref.Namespace, nil
	}
	if ref.Field == "caProvider" {
		return "", &kv.Error{Kind: kv.BadConfig, Field: field, Detail: "missing namespace on caProvider secret; set " + field}
	}
	if s.namespace == "" {
		return "", &kv.Error{Kind: kv.BadConfig, Field: field, Detail: field + " is not set, so the store can only be used by a mapping"}
	}
	return s.namespace, nil
}

// value reads the key that a reference names, and the identity of its object.
func (r Resolver) value(ctx context.Context, s scope, ref eso.Reference) (redact.Bytes, string, error) {
	namespace, err := s.target(ref)
	if err != nil {
		return nil, "", err
	}
	field := "spec.provider.vault." + ref.Field
	data, identity, err := r.object(ctx, namespace, ref.Kind, ref.Name)
	if err != nil {
		return nil, "", &kv.Error{Kind: unknownOr(err), Field: field, Err: err, Detail: fmt.Sprintf(
			"cannot get Kubernetes %s %q from namespace %q (%s of %s): %s", kindWord(ref.Kind), ref.Name, namespace, field, s.store, vault.Cause(err))}
	}
	value, ok := data[ref.Key]
	if !ok || len(value) == 0 {
		return nil, "", &kv.Error{Kind: kv.BadConfig, Field: field + ".key", Detail: fmt.Sprintf(
			"cannot find secret data for key: %q in %s %s/%s (%s.key of %s)", ref.Key, ref.Kind, namespace, ref.Name, field, s.store)}
	}
	return value, identity, nil
}

type missingError struct{ what string }

func (e missingError) Error() string { return e.what + " does not exist" }

func unknownOr(err error) kv.Kind {
	var missing missingError
	if errors.As(err, &missing) {
		return kv.BadConfig
	}
	return kv.Unreachable
}

func kindWord(kind string) string {
	if kind == "ConfigMap" {
		return "configmap"
	}
	return "secret"
}

func (r Resolver) object(ctx context.Context, namespace, kind, name string) (map[string]redact.Bytes, string, error) {
	data := map[string]redact.Bytes{}
	if kind == "ConfigMap" {
		object, err := r.Cluster.ConfigMap(ctx, namespace, name)
		if err != nil {
			return nil, "", err
		}
		if object == nil {
			return nil, "", missingError{"ConfigMap " + namespace + "/" + name}
		}
		for key, value := range object.Data {
			data[key] = redact.Bytes(value)
		}
		return data, string(object.UID) + "@" + object.ResourceVersion, nil
	}
	object, err := r.Cluster.Secret(ctx, namespace, name)
	if err != nil {
		return nil, "", err
	}
	if object == nil {
		return nil, "", missingError{"Secret " + namespace + "/" + name}
	}
	for key, value := range object.Data {
		data[key] = value
	}
	return data, string(object.UID) + "@" + object.ResourceVersion, nil
}

// Source reads what a template refers to, in the mapping's own namespace. It
// implements engine.Sources.
func (r Resolver) Source(ctx context.Context, namespace, kind, name string) (map[string]redact.Bytes, error) {
	data, _, err := r.object(ctx, namespace, kind, name)
	if err != nil {
		return nil, fmt.Errorf("reading the template source %s %s/%s: %w", kind, namespace, name, err)
	}
	return data, nil
}
