package bootstrap

import (
	"context"
	"fmt"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/store"
)

// try logs in as a store would and reads what its mappings want, with the very code of
// the controller. A right that is missing, and whatever leaves it open whether one is,
// is an error. What fails for a reason of its own, and would with any credential, is
// returned as a notice: a path that is not there, say.
func (g Ground) try(ctx context.Context, s eso.Store, wants []Want) ([]string, error) {
	if g.VaultAddr != "" {
		s.Spec = s.Spec.DeepCopy()
		s.Spec.Provider.Vault.Server = g.VaultAddr
	}
	sessions := &store.Sessions{Resolver: store.Resolver{Cluster: &kube.Cluster{Clients: g.Clients}}, Now: g.Now, Dial: g.Dial}
	defer sessions.Close(context.WithoutCancel(ctx))
	pass := &store.Pass{Sessions: sessions, Objects: kube.Objects{Clients: g.Clients}}
	reader, _, err := pass.Look(ctx, s, "")
	if err != nil {
		return nil, err
	}
	var notices []string
	tried := map[string]bool{}
	for _, w := range wants {
		key := fmt.Sprint(w.Ref, w.Find)
		if tried[key] {
			continue
		}
		tried[key] = true
		if w.Find {
			_, err = reader.List(ctx, w.Ref.Key)
		} else {
			_, err = reader.Read(ctx, w.Ref)
		}
		switch kind := kv.KindOf(err); {
		case err == nil:
		case kind == kv.Denied || kind == "" || kind.Down():
			return notices, fmt.Errorf("reading %q for %s: %w", w.Ref.Key, w.Mapping, err)
		default:
			notices = append(notices, fmt.Sprintf("%s: %s", w.Mapping, err))
		}
	}
	return notices, nil
}
