package plugin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
)

// MappingEventList is what events prints with -o json and yaml; docs/output.md
// documents it.
type MappingEventList struct {
	metav1.TypeMeta `json:",inline"`
	Items           []MappingEvent `json:"items"`
}

// MappingEvent is one event on a mapping, on one of its stores, or on its Secret.
type MappingEvent struct {
	LastSeen metav1.Time `json:"lastSeen"`
	// Type is Normal or Warning.
	Type    string      `json:"type"`
	Reason  string      `json:"reason"`
	Object  EventObject `json:"object"`
	Count   int32       `json:"count"`
	Source  string      `json:"source"`
	Message string      `json:"message"`
}

// EventObject is what an event is about.
type EventObject struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// DeepCopyObject makes the list printable by cli-runtime; printers only read.
func (l *MappingEventList) DeepCopyObject() runtime.Object {
	c := *l
	return &c
}

// eventing is one run of events.
type eventing struct {
	looking
	watch bool
}

func newEventsCommand(o *Options) *cobra.Command {
	e := &eventing{looking: newLooking(o)}
	c := &cobra.Command{
		Use:   "events [NAME… | -l SELECTOR | --all] [-A]",
		Short: "What happened to ExternalSecrets, their stores and Secrets",
		Long: "Prints the events on each ExternalSecret, on its stores and on its Secret, newest last. External Secrets Operator\n" +
			"leaves the cause of a failure there alone. Kubernetes keeps events for an hour, as it is usually set up.\n\n" +
			"Exit codes: 0 all were seen, 1 some could not be looked at.",
		Example: "  kubectl vaultsecret events -n apps authelia-secrets\n" +
			"  kubectl vaultsecret events -A -w",
		RunE: func(c *cobra.Command, args []string) error { return e.run(c.Context(), args) },
	}
	e.flags(c)
	c.Flags().BoolVarP(&e.watch, "watch", "w", false, "after the list, print what happens")
	return c
}

func (e *eventing) run(ctx context.Context, args []string) error {
	if e.watch && !e.people() {
		return usage("-w prints a table; it does not go with --output=%s", e.output)
	}
	clients, f, err := e.choose(ctx, args, true)
	if err != nil {
		return err
	}
	g := e.gatherer(clients, true)
	var objects []gather.Object
	for _, es := range f.mappings {
		objects = append(objects, gather.EventObjects(es)...)
	}
	happened, unseen := g.Happenings(ctx, objects)
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, why := range unseen {
		fmt.Fprintf(e.ErrOut, "error: events are missing here: %s\n", why)
	}
	if err := e.show(happened, f); err != nil {
		return err
	}
	if e.watch {
		return e.follow(ctx, clients, f, happened)
	}
	if len(f.missing) > 0 || len(unseen) > 0 {
		return exit(ExitFailed)
	}
	return nil
}

func (e *eventing) show(happened []gather.Happening, f found) error {
	if !e.people() {
		list := &MappingEventList{TypeMeta: listMeta("MappingEventList"), Items: []MappingEvent{}}
		for _, h := range happened {
			list.Items = append(list.Items, mappingEvent(h))
		}
		return e.write(list, f.mappings)
	}
	if len(happened) == 0 {
		if len(f.mappings) > 0 {
			fmt.Fprintf(e.ErrOut, "No events on %s.\n", count(len(f.mappings), "mapping"))
		}
		return nil
	}
	rows := make([][]string, 0, len(happened))
	for _, h := range happened {
		rows = append(rows, e.row(h, time.Now()))
	}
	return table(e.text(e.Out), e.header(), rows)
}

func mappingEvent(h gather.Happening) MappingEvent {
	return MappingEvent{
		LastSeen: metav1.NewTime(h.Last), Type: typeOf(h), Reason: h.Reason, Count: h.Count, Source: h.Source, Message: h.Message,
		Object: EventObject{Kind: h.Object.Kind, Namespace: h.Object.Namespace, Name: h.Object.Name},
	}
}

func typeOf(h gather.Happening) string {
	if h.Warning {
		return corev1.EventTypeWarning
	}
	return corev1.EventTypeNormal
}

func (e *eventing) header() []string {
	header := []string{"LAST SEEN", "TYPE", "REASON", "OBJECT", "COUNT", "MESSAGE"}
	if e.output == "wide" {
		header = []string{"LAST SEEN", "TYPE", "REASON", "OBJECT", "COUNT", "SOURCE", "MESSAGE"}
	}
	if e.allNamespaces {
		header = append([]string{"NAMESPACE"}, header...)
	}
	return header
}

func (e *eventing) row(h gather.Happening, now time.Time) []string {
	row := []string{
		duration.HumanDuration(max(0, now.Sub(h.Last))), typeOf(h), orDash(h.Reason),
		strings.ToLower(h.Object.Kind) + "/" + h.Object.Name, fmt.Sprint(h.Count),
	}
	if e.output == "wide" {
		row = append(row, orDash(h.Source))
	}
	row = append(row, orDash(strings.TrimSpace(h.Message)))
	if e.allNamespaces {
		namespace := h.Object.Namespace
		if h.Object.Kind == eso.KindClusterSecretStore {
			namespace = "-"
		}
		row = append([]string{namespace}, row...)
	}
	return row
}
