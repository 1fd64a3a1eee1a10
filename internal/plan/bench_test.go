package plan_test

import (
	"fmt"
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/plan"
)

// BenchmarkDecide is the decision about a Secret of ten keys that is new, that holds
// other values, and that is as it should be.
func BenchmarkDecide(b *testing.B) {
	var keys []string
	for i := range 10 {
		keys = append(keys, fmt.Sprint("key-", i))
	}
	es, wanted := externalSecret(eso.CreateOwner, eso.DeleteRetain), want(keys...)
	old := secret("ours", keys...)
	current := plan.Decide(es, wanted, old).Secret
	b.Run("create", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = plan.Decide(es, wanted, nil)
		}
	})
	b.Run("update", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = plan.Decide(es, wanted, old)
		}
	})
	b.Run("none", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if change := plan.Decide(es, wanted, current); change.Action != plan.None {
				b.Fatalf("%s, want none", change.Action)
			}
		}
	})
}
