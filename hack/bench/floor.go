package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// floorResult is what a bare loop does on the same stack in the same run: the requests that
// the work cannot do without, fifty at a time, and nothing else. No decisions, no schedule,
// no watches but the harness's own, which are open all the time.
type floorResult struct {
	Objects int `json:"objects"`
	// FirstSyncs a second: a read of Vault, a Secret, a status and an event each.
	FirstSyncs float64 `json:"firstSyncsPerSecond"`
	// Refreshes a second, and their CPU seconds per thousand: a read and a status each.
	Refreshes  float64 `json:"refreshesPerSecond"`
	RefreshCPU float64 `json:"cpuSecondsPer1000Refreshes"`
	// Forced a second: an annotation, a read and a status each.
	Forced float64 `json:"forcedRefreshesPerSecond"`
}

const (
	floorNamespace = "bench-floor"
	floorObjects   = 1000
	mergePatch     = types.MergePatchType
)

func (s *stage) floor(ctx context.Context) (floorResult, error) {
	n := min(s.Mappings, floorObjects)
	r := floorResult{Objects: n}
	name := func(i int) string { return fmt.Sprintf("floor-%d", i) }
	mappings := s.clients.ExternalSecrets(floorNamespace)
	err := each(ctx, 0, n, atOnce, func(ctx context.Context, i int) error {
		_, err := mappings.Create(ctx, s.named(name(i), floorNamespace, s.path(i), storeName(0)), metav1.CreateOptions{})
		return err
	})
	if err != nil {
		return r, err
	}
	status := func(ctx context.Context, i, turn int) error {
		patch, err := json.Marshal(map[string]any{"status": eso.ExternalSecretStatus{
			RefreshTime: metav1.NewTime(time.Unix(int64(turn), 0)), SyncedResourceVersion: "1-0123456789abcdef0123456789abcdef",
			Conditions: []eso.Condition{{Type: eso.ConditionReady, Status: metav1.ConditionTrue, Reason: eso.ReasonSynced, Message: "secret synced"}},
		}})
		if err != nil {
			return err
		}
		_, err = mappings.Patch(ctx, name(i), mergePatch, patch, metav1.PatchOptions{}, "status")
		return err
	}
	begin := time.Now()
	err = each(ctx, 0, n, atOnce, func(ctx context.Context, i int) error {
		if err := s.read(ctx, i); err != nil {
			return err
		}
		if _, err := s.clients.Secrets(floorNamespace).Create(ctx, s.secret(name(i), floorNamespace), metav1.CreateOptions{}); err != nil {
			return err
		}
		if err := status(ctx, i, 1); err != nil {
			return err
		}
		_, err := s.clients.Events(floorNamespace).Create(ctx, floorEvent(name(i)), metav1.CreateOptions{})
		return err
	})
	if err != nil {
		return r, err
	}
	r.FirstSyncs = float64(n) / time.Since(begin).Seconds()
	before, err := ownCPU()
	if err != nil {
		return r, err
	}
	begin = time.Now()
	if err := each(ctx, 0, n, atOnce, func(ctx context.Context, i int) error { return errors.Join(s.read(ctx, i), status(ctx, i, 2)) }); err != nil {
		return r, err
	}
	r.Refreshes = float64(n) / time.Since(begin).Seconds()
	after, err := ownCPU()
	r.RefreshCPU = (after - before) / float64(n) * 1000
	if err != nil {
		return r, err
	}
	begin = time.Now()
	if err := each(ctx, 0, n, atOnce, func(ctx context.Context, i int) error {
		if err := forceOne(ctx, s.clients, s.named(name(i), floorNamespace, "", ""), "floor"); err != nil {
			return err
		}
		return errors.Join(s.read(ctx, i), status(ctx, i, 3))
	}); err != nil {
		return r, err
	}
	r.Forced = float64(n) / time.Since(begin).Seconds()
	if err := mappings.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		return r, err
	}
	return r, s.clients.Secrets(floorNamespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
}

// read is mapping i's read of Vault, decoded by nobody.
func (s *stage) read(ctx context.Context, i int) error {
	answer, err := s.vault.Logical().ReadRawWithContext(ctx, mount+"/data/"+s.path(i))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

func floorEvent(name string) *corev1.Event {
	now := metav1.Now()
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: name + ".1"},
		InvolvedObject: corev1.ObjectReference{Kind: eso.KindExternalSecret, Namespace: floorNamespace, Name: name},
		Type:           corev1.EventTypeNormal, Reason: eso.EventCreated, Message: "secret created",
		Source: corev1.EventSource{Component: "floor"}, FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}
}
