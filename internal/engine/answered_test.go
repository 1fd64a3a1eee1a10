package engine_test

import (
	"errors"
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

// Whether Vault answered decides whether the store counts as up.
func TestAnswered(t *testing.T) {
	for name, c := range map[string]struct {
		world func(*world)
		spec  func(*eso.ExternalSecret)
		want  bool
	}{
		"synced":                       {nil, nil, true},
		"a path that is denied":        {func(w *world) { w.readErr = map[string]error{"app/db": &kv.Error{Kind: kv.Denied, Code: 403}} }, nil, true},
		"a property that is not there": {nil, func(es *eso.ExternalSecret) { es.Spec.Data[0].RemoteRef.Property = "none" }, true},
		"sealed":                       {func(w *world) { w.readErr = map[string]error{"app/db": &kv.Error{Kind: kv.Sealed, Code: 503}} }, nil, false},
		"not admitted":                 {func(w *world) { w.openErr = &kv.Error{Kind: kv.Denied} }, nil, false},
		"no such store":                {func(w *world) { w.openErr = &kv.Error{Kind: kv.BadConfig} }, nil, false},
		"foreign":                      {func(w *world) { w.openErr = kv.ErrForeignStore }, nil, false},
		"invalid":                      {nil, func(es *eso.ExternalSecret) { es.Spec.RefreshInterval = eso.DurationText("1d") }, false},
		"something else":               {func(w *world) { w.readErr = map[string]error{"app/db": errors.New("x")} }, nil, false},
	} {
		w := newWorld()
		if c.world != nil {
			c.world(w)
		}
		es := owner()
		if c.spec != nil {
			c.spec(es)
		}
		if o := w.engine().Sync(t.Context(), es); o.Answered != c.want {
			t.Errorf("%s: answered=%v (%v)", name, o.Answered, o.Err)
		}
	}
}
