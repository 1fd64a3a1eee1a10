package controller

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"vaultsecret.io/kubectl-vaultsecret/internal/engine"
	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// BenchmarkNext is the schedule's answer for one mapping.
func BenchmarkNext(b *testing.B) {
	es := example(eso.RefreshPeriodic, "1h")
	last := attempt{at: noon().Add(-time.Minute), version: "v1", left: seen{version: "5"}, class: engine.OK}
	b.ReportAllocs()
	for b.Loop() {
		_ = next(es, 0, "v1", last, seen{version: "5"}, noon())
	}
}

// always is a watch that has the same mapping under every name.
type always struct {
	watched
	es *eso.ExternalSecret
}

func (a always) Outline(string, string) (*eso.ExternalSecret, string) {
	if a.es == nil {
		return nil, ""
	}
	return a.es, eso.SyncedResourceVersion(&a.es.ObjectMeta)
}

func (a always) ExternalSecret(string, string) *eso.ExternalSecret { return a.es }

func (a always) RestartPending(string, string) string { return "" }

func (a always) SecretVersion(string, string) (string, bool) { return "5", true }

// BenchmarkTake picks what is due of ten thousand mappings, none of which is: all at a
// tick, and one that is marked between two.
func BenchmarkTake(b *testing.B) {
	l := bareLoop()
	es := example(eso.RefreshPeriodic, "1h")
	l.watched = always{es: es}
	var one *entry
	for i := range 10_000 {
		key := types.NamespacedName{Namespace: "apps", Name: fmt.Sprint("m", i)}
		one = &entry{key: key, group: "SecretStore/apps/vault", uses: []object{{"Secret", key.Namespace, key.Name}}, due: noon().Add(time.Hour)}
		one.last = attempt{at: noon(), version: eso.SyncedResourceVersion(&es.ObjectMeta), class: engine.OK, left: seen{version: "5"}}
		one.view = one.last.left
		l.mappings[key] = one
	}
	for name, pick := range map[string]func() taken{
		"all": func() taken { return l.take(noon()) },
		"one": func() taken {
			l.mark(one)
			return l.takeMarked(noon())
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if due := pick(); len(due.mappings) > 0 {
					b.Fatalf("%d are due", len(due.mappings))
				}
			}
		})
	}
}
