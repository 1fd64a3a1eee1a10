package gather

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
	"vaultsecret.io/kubectl-vaultsecret/internal/engine"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/mapping"
	"vaultsecret.io/kubectl-vaultsecret/internal/plan"
)

// preview runs the very engine that the controller runs, without writing, to learn
// whether the Secret can be made and how it differs.
func (o *one) preview(ctx context.Context, es *eso.ExternalSecret) {
	if why := o.unreadable(); why != "" {
		o.f.Render, o.f.Drift = diagnose.Unknown[string](why), diagnose.Unknown[diagnose.Drift](why)
		return
	}
	ctx, cancel := o.limited(ctx)
	defer cancel()
	outcome := engine.Engine{Stores: anyClass{o.Gatherer}, Secrets: found{o.secret, o.secretErr}, Sources: o.resolver}.Preview(ctx, es)
	var flaw *mapping.Error
	switch {
	case errors.As(outcome.Err, &flaw):
		o.f.Render = diagnose.Known(Clean(flaw.Error()))
		o.f.Drift = diagnose.Unknown[diagnose.Drift]("the Secret cannot be made")
		return
	case outcome.Err != nil && outcome.Change.Action == "":
		why := o.reason("look at the mapping's Secret and template sources in "+es.Namespace, outcome.Err)
		o.f.Render, o.f.Drift = diagnose.Unknown[string](why), diagnose.Unknown[diagnose.Drift](why)
		return
	}
	o.f.Render = diagnose.Known("")
	c := outcome.Change
	o.f.Drift = diagnose.Known(diagnose.Drift{Added: c.Added, Changed: c.Changed, Removed: c.Removed})
	if c.Action == plan.Blocked || c.Action == plan.Conflict {
		o.f.Drift = diagnose.Known(diagnose.Drift{Refused: Clean(outcome.Err.Error())})
	}
}

// unreadable is why the mapping cannot be previewed, "" when every path was read.
func (o *one) unreadable() string {
	for _, s := range o.f.Stores {
		if !s.Login.Result.Known {
			if s.Login.Result.Why == diagnose.NoLogin {
				return diagnose.NoLogin
			}
			return "Vault was not read"
		}
		if s.Login.Result.Value.Refused != "" {
			return "Vault was not read"
		}
	}
	for _, p := range o.f.Paths {
		if !p.Find && (!p.Read.Known || p.Read.Value.Kind != "" && p.Read.Value.Kind != kv.Absent) {
			return "not every path was read"
		}
	}
	return ""
}

// anyClass opens stores whatever their controller class: looking is not serving.
type anyClass struct{ g *Gatherer }

func (a anyClass) Open(ctx context.Context, ref eso.StoreRef, namespace string) (kv.Reader, error) {
	s, err := a.g.storeOf(ctx, ref, namespace)
	switch {
	case err != nil:
		return nil, &kv.Error{Kind: kv.Unreachable, Err: err, Detail: "reading " + ref.String() + ": " + err.Error()}
	case s == nil:
		return nil, &kv.Error{Kind: kv.BadConfig, Field: "spec.secretStoreRef", Detail: ref.String() + " does not exist"}
	case s.Spec.Provider.Vault == nil:
		return nil, kv.ErrForeignStore
	}
	session, err := a.g.admitted(ctx, *s, namespace)
	if err != nil {
		return nil, err
	}
	return session.reader, nil
}

// found is the Secret as it was looked up; it refuses to write.
type found struct {
	secret *corev1.Secret
	err    error
}

func (f found) Version(string, string) (string, bool) { return "", false }

func (f found) Current(context.Context, string, string) (*corev1.Secret, error) {
	return f.secret, f.err
}

func (f found) Apply(context.Context, plan.Change, string) (*corev1.Secret, error) {
	return nil, errors.New("looking never writes")
}

// Local is the engine that a controller runs, with the caller's own rights and
// whatever the class of the store: for sync-now --local. It writes Secrets.
func (g *Gatherer) Local() engine.Engine {
	return engine.Engine{Stores: anyClass{g}, Secrets: kube.Secrets{Clients: g.Clients}, Sources: g.resolver}
}
