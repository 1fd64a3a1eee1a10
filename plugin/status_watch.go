package plugin

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kube"
)

// seenVersions are the resourceVersions of the mappings whose row was printed, or left
// out, by namespace/name.
type seenVersions map[string]string

// take remembers a mapping, and reports whether it was not seen as it is.
func (s seenVersions) take(es *eso.ExternalSecret) bool {
	key := es.Namespace + "/" + es.Name
	if s[key] == es.ResourceVersion {
		return false
	}
	s[key] = es.ResourceVersion
	return true
}

// follow prints a row whenever a mapping that is selected changes after the list, below
// the list's table, until it is interrupted.
func (s *statusing) follow(ctx context.Context, clients *kube.Clients, f found, seen seenVersions, t *statusTable) error {
	w := lasting{
		what: in("ExternalSecrets", f.namespace), open: clients.ExternalSecrets(f.namespace).Watch, say: s.warn,
		options: metav1.ListOptions{LabelSelector: s.selector, ResourceVersion: f.version},
	}
	if len(s.chosen) == 1 {
		w.options.FieldSelector = "metadata.name=" + s.chosen[0]
	}
	w.take = func(event watch.Event) error {
		es, ok := event.Object.(*eso.ExternalSecret)
		switch {
		case !ok, !s.admits(es), len(s.chosen) > 0 && !slices.Contains(s.chosen, es.Name):
			return nil
		case event.Type == watch.Deleted:
			delete(seen, es.Namespace+"/"+es.Name)
			fmt.Fprintf(s.ErrOut, "%s/%s is gone%s.\n", es.Namespace, es.Name, map[bool]string{true: ", or not selected any more"}[s.selector != ""])
			return nil
		case !seen.take(es):
			return nil
		}
		t.now = time.Now()
		g := s.gatherer(clients, s.noLogin || !s.drift) // what it remembers is of one look
		items := s.rows(ctx, g, []*eso.ExternalSecret{es}, t.now)
		g.Close(context.WithoutCancel(ctx))
		if len(items) == 0 || ctx.Err() != nil {
			return nil
		}
		return t.print(s.text(s.Out), items)
	}
	return w.run(ctx)
}

// warn says on stderr what a reader of the output must know.
func (o *Options) warn(text string) { fmt.Fprintf(o.ErrOut, "warning: %s\n", text) }
