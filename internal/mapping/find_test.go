package mapping

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
)

func TestFinder(t *testing.T) {
	metadata := map[string]string{
		"dev/app": `{"current_version":"3","team":"a","tier":"1"}`,
		"dev/db":  `{"current_version":"1","team":"b","tier":"1"}`,
		"prod/db": `{"current_version":"3","team":"b"}`,
	}
	for _, tt := range []struct {
		name  string
		find  eso.Find
		want  []string
		needs bool
	}{
		{"everything", eso.Find{}, []string{"dev/app", "dev/db", "prod/db"}, false},
		{"name is not anchored", eso.Find{Name: &eso.FindName{RegExp: "d"}}, []string{"dev/app", "dev/db", "prod/db"}, false},
		{"name sees the whole path", eso.Find{Path: "dev", Name: &eso.FindName{RegExp: "^dev/db$"}}, []string{"dev/db"}, false},
		{"an empty expression matches all", eso.Find{Name: &eso.FindName{}}, []string{"dev/app", "dev/db", "prod/db"}, false},
		{"name hides tags", eso.Find{Name: &eso.FindName{RegExp: "app"}, Tags: map[string]string{"team": "b"}}, []string{"dev/app"}, false},
		{"one tag", eso.Find{Tags: map[string]string{"team": "b"}}, []string{"dev/db", "prod/db"}, true},
		{"all tags", eso.Find{Tags: map[string]string{"team": "b", "tier": "1"}}, []string{"dev/db"}, true},
		{"system keys are tags", eso.Find{Tags: map[string]string{"current_version": "3"}}, []string{"dev/app", "prod/db"}, true},
		{"no such tag", eso.Find{Tags: map[string]string{"x": ""}}, nil, true},
	} {
		finder, err := NewFinder(&tt.find)
		if err != nil {
			t.Fatal(err)
		}
		if finder.NeedsMetadata() != tt.needs {
			t.Errorf("%s: NeedsMetadata = %t", tt.name, finder.NeedsMetadata())
		}
		var got []string
		for name, object := range metadata {
			p := payload(t, name, object)
			if finder.Match(name, &p) {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
	tagged, _ := NewFinder(&eso.Find{Tags: map[string]string{"a": "b"}})
	if tagged.Match("x", nil) || tagged.Match("x", &kv.Payload{}) {
		t.Error("a candidate without metadata is selected by tag")
	}
	if _, err := NewFinder(&eso.Find{Name: &eso.FindName{RegExp: "("}}); err == nil {
		t.Error("a bad expression compiles")
	}
}

func TestFindGivesDocumentsByFullName(t *testing.T) {
	w := world{
		spec:  `dataFrom: [{find: {path: dev, name: {regexp: "^dev/"}}}]`,
		vault: map[string]string{"dev/app": `{"b":1,"a":"<"}`, "dev/sub/db": `{}`, "prod": `{"x":"y"}`},
	}
	d, err := w.compute(t)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"dev_app": `{"a":"\u003c","b":1}`, "dev_sub_db": "{}"}, strs(d)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Provenance{{"secret/data/dev/app", 3}, {"secret/data/dev/sub/db", 3}}, d.Sources); diff != "" {
		t.Error(diff)
	}
}
