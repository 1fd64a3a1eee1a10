package plugin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/mapping"
	"vaultsecret.io/kubectl-vaultsecret/internal/plan"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// check makes the Secret of a mapping in memory, as a controller would, before the
// mapping is written: every path is read with the store's own credential. changes says
// what would become of a Secret that exists, "" where nothing of it changes.
func (m *mapWriting) check(ctx context.Context, es *eso.ExternalSecret) (changes string, err error) {
	if m.noCheck {
		return "", nil
	}
	want, err := m.want(ctx, es)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(m.text(m.ErrOut), "%s Vault has what it reads: %s → %s\n", m.marks().OK, sourcesOf(want), count(len(want.Data), "key"))
	current, err := m.clients.Secrets(es.Namespace).Get(ctx, es.TargetName(), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err) && es.CreationPolicy() == eso.CreateMerge:
		fmt.Fprintf(m.ErrOut, "note: Secret %s/%s does not exist, and creationPolicy Merge does not create it\n", es.Namespace, es.TargetName())
		return "", nil
	case apierrors.IsNotFound(err):
		return "", nil
	case err != nil:
		fmt.Fprintf(m.ErrOut, "note: whether Secret %s/%s exists is not known: %s\n", es.Namespace, es.TargetName(), gather.Clean(err.Error()))
		return "it could not be looked at", nil
	}
	planned := plan.Decide(es, want, current)
	if planned.Action == plan.Conflict || planned.Action == plan.Blocked {
		return "", fmt.Errorf("the Secret could not be written: %s; nothing was written", gather.Clean(planned.Err.Error()))
	}
	if len(planned.Added)+len(planned.Changed)+len(planned.Removed) == 0 {
		return "", nil
	}
	changes = keyChanges{added: planned.Added, changed: planned.Changed, removed: planned.Removed, unchanged: planned.Unchanged}.String()
	fmt.Fprintf(m.ErrOut, "%s Secret %s/%s exists: %s\n", m.marks().Warn, es.Namespace, es.TargetName(), changes)
	return changes, nil
}

// want reads and computes; errors say the fix or the way past the check.
func (m *mapWriting) want(ctx context.Context, es *eso.ExternalSecret) (mapping.Desired, error) {
	in, err := m.gather.Local().Inputs(ctx, es)
	if err == nil {
		var want mapping.Desired
		if want, err = mapping.Compute(es, in, mapping.Limits{}); err == nil {
			return want, nil
		}
	}
	hint := "correct it, or write the mapping unchecked with --no-check"
	switch kv.KindOf(err) {
	case kv.Absent:
		hint = "write it to Vault first (vault kv put), or --no-check"
	case kv.Denied:
		hint = "the store's own credential reads; let its policy read the path (kubectl vaultsecret setup), or --no-check"
	}
	if errors.Is(err, kv.ErrForeignStore) {
		err = errors.New("the store is not Vault's")
	}
	return mapping.Desired{}, fail(fmt.Errorf("checking in Vault: %s; nothing was written", gather.Clean(err.Error())), hint)
}

// sourcesOf lists paths with their versions.
func sourcesOf(want mapping.Desired) string {
	var paths []string
	for _, s := range want.Sources {
		paths = append(paths, gather.Clean(s.String()))
	}
	return firstOf(paths, 4)
}

// sameData reports whether a Secret holds exactly the wanted keys and values; differ
// names those that it does not.
func sameData(secret *corev1.Secret, want map[string]redact.Bytes) (differ []string) {
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if value, has := secret.Data[key]; !has || !bytes.Equal(value, want[key].Reveal()) {
			differ = append(differ, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(secret.Data)) {
		if _, has := want[key]; !has {
			differ = append(differ, key)
		}
	}
	return differ
}
