package gather

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/store"
	"vaultsecret.io/kubectl-vaultsecret/internal/vault"
)

// KindVaultPath is the kind of a Node that stands for a path in Vault.
const KindVaultPath = "VaultPath"

// Node is one object of a mapping's tree.
type Node struct {
	// Kind is Kubernetes' own, or VaultPath; Namespace is "" for what has none.
	Kind, Namespace, Name string
	// Status is "" where there is nothing to judge.
	Status   diagnose.Status
	Message  string
	Children []Node
}

// Tree is a mapping with what it hangs on: its stores with their credentials and
// paths, and its Secret with the workloads that use it. Kubernetes alone is asked.
func (g *Gatherer) Tree(ctx context.Context, es *eso.ExternalSecret) Node {
	root := Node{Kind: eso.KindExternalSecret, Namespace: es.Namespace, Name: es.Name}
	root.Status, root.Message = diagnose.StatusWarn, "not answered yet by any controller"
	if ready := es.Status.Ready(); ready != nil {
		root.Status, root.Message = condition(ready.Status, ready.Reason, ready.Message)
	}
	var d denials
	secret := g.secretOverview(ctx, es, &d)
	inCluster := map[string]int{}
	for _, s := range g.sources(ctx, es, secret.Value.source) {
		inCluster[s.Path] = s.Version
	}
	for _, ref := range es.StoreRefs() {
		root.Children = append(root.Children, g.storeNode(ctx, &d, es, ref, inCluster))
	}
	root.Children = append(root.Children, g.secretNode(ctx, &d, es, secret))
	return root
}

// condition judges a Ready condition.
func condition(ready metav1.ConditionStatus, reason, message string) (diagnose.Status, string) {
	switch ready {
	case metav1.ConditionTrue:
		return diagnose.StatusOK, Clean(reason)
	case metav1.ConditionFalse:
		return diagnose.StatusFail, Clean(reason + ": " + message)
	}
	return diagnose.StatusUnknown, Clean(reason + ": " + message)
}

func (g *Gatherer) storeNode(ctx context.Context, d *denials, es *eso.ExternalSecret, ref eso.StoreRef, inCluster map[string]int) Node {
	node := Node{Kind: ref.Kind, Name: ref.Name}
	act := "get " + plural(ref.Kind)
	if ref.Kind == eso.KindSecretStore {
		node.Namespace, act = es.Namespace, act+" in "+es.Namespace
	}
	s, err := g.storeOf(ctx, ref, es.Namespace)
	switch {
	case err != nil:
		node.Status, node.Message = diagnose.StatusUnknown, d.reason(act, err)
		return node
	case s == nil:
		node.Status, node.Message = diagnose.StatusFail, "does not exist"
		return node
	}
	node.Status, node.Message = diagnose.StatusWarn, "no Ready condition yet"
	if ready := s.Status.Ready(); ready != nil {
		node.Status, node.Message = condition(ready.Status, ready.Reason, ready.Message)
	}
	provider := s.Spec.Provider.Vault
	if provider == nil {
		node.Message += "; provider " + Clean(strings.Join(s.Spec.Provider.Others(), ", ")) + ", not vault"
		return node
	}
	server := Clean(provider.Server)
	if m := method(s); m != "" {
		server += ", " + m
	}
	if node.Status == diagnose.StatusOK {
		node.Message += "; " + server
	} else {
		node.Message = server + "; " + node.Message // which may end in a command to be copied
	}
	for _, reference := range provider.References() {
		node.Children = append(node.Children, g.referenceNode(ctx, d, s, es.Namespace, reference))
	}
	for _, p := range pathsOf(es, []*diagnose.Store{{Ref: ref}}) {
		node.Children = append(node.Children, pathNode(p, provider, es, inCluster))
	}
	return node
}

func (g *Gatherer) referenceNode(ctx context.Context, d *denials, s *eso.Store, namespace string, ref eso.Reference) Node {
	node := Node{Kind: ref.Kind, Name: ref.Name, Message: ref.Field}
	in, err := store.Namespace(*s, namespace, ref)
	if err != nil {
		node.Status, node.Message = diagnose.StatusUnknown, Clean(err.Error())
		return node
	}
	node.Namespace = in
	found, err := g.object(ctx, objectKey{ref.Kind, in, ref.Name})
	switch {
	case err != nil:
		node.Status, node.Message = diagnose.StatusUnknown, d.reason("get "+plural(ref.Kind)+" in "+in, err)
	case !found.exists:
		node.Status, node.Message = diagnose.StatusFail, "does not exist ("+ref.Field+")"
	case ref.Key != "" && !slices.Contains(found.keys, ref.Key):
		node.Status, node.Message = diagnose.StatusFail, fmt.Sprintf("no key %q (%s)", Clean(ref.Key), ref.Field)
	case ref.Key != "":
		node.Status, node.Message = diagnose.StatusOK, fmt.Sprintf("key %q (%s)", Clean(ref.Key), ref.Field)
	default:
		node.Status = diagnose.StatusOK
	}
	return node
}

// pathNode is a path with the version in the cluster and the Secret's keys that come
// from it.
func pathNode(p *diagnose.Path, v *eso.VaultProvider, es *eso.ExternalSecret, inCluster map[string]int) Node {
	place(p, v.Mount(), v.KVVersion())
	if p.Find {
		return Node{Kind: KindVaultPath, Name: Clean(p.Metadata), Message: "find"}
	}
	node := Node{Kind: KindVaultPath, Name: Clean(vault.DataPath(v.Mount(), v.KVVersion(), p.Ref.Key))}
	var keys []string
	for _, e := range p.Entries {
		if e.SecretKey == "" {
			keys = append(keys, "extract")
			continue
		}
		keys = append(keys, Clean(e.SecretKey))
	}
	node.Message = strings.Join(slices.Compact(keys), ", ")
	if p.Ref.Version != "" {
		node.Message = "pinned to version " + Clean(p.Ref.Version) + "; " + node.Message
	}
	if version := inCluster[node.Name]; version > 0 {
		node.Message = fmt.Sprintf("version %d in the cluster; %s", version, node.Message)
	}
	return node
}

func (g *Gatherer) secretNode(ctx context.Context, d *denials, es *eso.ExternalSecret, secret diagnose.Fact[SecretOverview]) Node {
	node := Node{Kind: "Secret", Namespace: es.Namespace, Name: es.TargetName()}
	switch {
	case !secret.Known:
		node.Status, node.Message = diagnose.StatusUnknown, secret.Why
	case !secret.Value.Exists:
		node.Status, node.Message = diagnose.StatusFail, "does not exist"
	default:
		node.Status, node.Message = diagnose.StatusOK, keys(secret.Value.Keys)
	}
	absent := node.Status == diagnose.StatusFail
	switch ready := es.Status.Ready(); {
	case absent && es.CreationPolicy() == eso.CreateNone:
		node.Status, node.Message = diagnose.StatusOK, "creationPolicy None makes none"
	case absent && ready != nil && ready.Status == metav1.ConditionTrue && ready.Reason == eso.ReasonDeleted && es.DeletionPolicy() == eso.DeleteDelete:
		node.Status, node.Message = diagnose.StatusOK, "deleted on purpose: deletionPolicy is Delete, and Vault has nothing for it any more"
	}
	workloads, err := g.Consumers(ctx, es.Namespace, es.TargetName())
	if err != nil {
		node.Message += "; its workloads are unknown: " + d.reason("list workloads in "+es.Namespace, err)
		return node
	}
	for _, w := range workloads {
		how := "mounted"
		if w.Env {
			how = "by environment"
		}
		node.Children = append(node.Children, Node{Kind: w.Kind, Namespace: es.Namespace, Name: Clean(w.Name), Message: how})
	}
	if absent && node.Status == diagnose.StatusOK && len(workloads) > 0 {
		node.Status = diagnose.StatusWarn // a new Pod waits for it
	}
	return node
}

func keys(n int) string {
	if n == 1 {
		return "1 key"
	}
	return fmt.Sprintf("%d keys", n)
}
