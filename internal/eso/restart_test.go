package eso_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

func TestRestart(t *testing.T) {
	for text, want := range map[string]eso.Restart{
		"":                                    {},
		"auto":                                {Auto: true},
		" auto ":                              {Auto: true},
		"deployment/web,statefulset/db":       {Targets: []string{"deployment/web", "statefulset/db"}},
		"sts/db, deploy/web , Deployment/web": {Targets: []string{"deployment/web", "statefulset/db"}},
		"daemonsets.apps/agent":               {Targets: []string{"daemonset/agent"}},
	} {
		es := &eso.ExternalSecret{}
		es.Annotations = map[string]string{eso.AnnotationRestart: text}
		if got, err := es.Restart(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"true", "web", "deployment/", "deployment/web,", "job/x", "auto,deployment/web", "deployment/WEB", "deployment/a/b", ","} {
		es := &eso.ExternalSecret{}
		es.Annotations = map[string]string{eso.AnnotationRestart: text}
		got, err := es.Restart()
		if err == nil || !strings.Contains(err.Error(), "metadata.annotations["+eso.AnnotationRestart+"]") || !strings.Contains(err.Error(), "want auto") || got.Wanted() {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestRestartIncludes(t *testing.T) {
	auto, list := eso.Restart{Auto: true}, eso.Restart{Targets: []string{"deployment/web"}}
	for name, c := range map[string]struct{ got, want bool }{
		"auto, uses":         {auto.Includes("deployment/web", true), true},
		"auto, does not use": {auto.Includes("deployment/web", false), false},
		"list, uses":         {list.Includes("deployment/web", true), true},
		"list, does not use": {list.Includes("deployment/web", false), true},
		"not in the list":    {list.Includes("deployment/api", true), false},
		"nothing":            {eso.Restart{}.Includes("deployment/web", true), false},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v", name, c.got)
		}
	}
}

func TestPending(t *testing.T) {
	var many []string
	for i := range 300 {
		many = append(many, fmt.Sprintf("k%d", i))
	}
	for _, c := range []struct {
		name    string
		pending eso.Pending
		text    string
		// touches a workload that uses key a, b, or all keys.
		a, b, all bool
	}{
		{"made anew", eso.Pending{}, "+", false, false, false},
		{"one key", eso.Pending{}.With("a"), "a", true, false, true},
		{"two keys", eso.Pending{}.With("b").With("a", "b"), "a,b", true, true, true},
		{"too many to name", eso.Pending{}.With(many...), "*", true, true, true},
		{"any, and one more", eso.Pending{All: true}.With("a"), "*", true, true, true},
	} {
		if c.pending.String() != c.text || !reflect.DeepEqual(eso.ParsePending(c.text).With(), c.pending.With()) {
			t.Errorf("%s: %q, read back %+v", c.name, c.pending, eso.ParsePending(c.text))
		}
		a, b, all := c.pending.Touches(false, []string{"a"}), c.pending.Touches(false, []string{"b"}), c.pending.Touches(true, nil)
		if a != c.a || b != c.b || all != c.all {
			t.Errorf("%s: touches a=%v b=%v all=%v", c.name, a, b, all)
		}
	}
}
