package controller

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

func TestTellings(t *testing.T) {
	var said tellings
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i, c := range []struct {
		mapping string
		text    string
		after   time.Duration
		want    bool
	}{
		{"a", "web is held", 0, true},
		{"a", "web is held", time.Second, false},
		{"a", "db does not exist", time.Second, true},
		{"a", "web is held", 2 * time.Second, false},
		{"b", "web is held", 2 * time.Second, true},
		{"a", "db does not exist", repeat, false},
		{"a", "web is held", repeat, true},
		{"a", "web is held", repeat + time.Second, false},
	} {
		if got := said.again(types.UID(c.mapping), c.text, start.Add(c.after)); got != c.want {
			t.Errorf("%d: %s of %s after %s: %t", i, c.text, c.mapping, c.after, got)
		}
	}
	said.again("c", "anything", start.Add(3*repeat))
	if len(said.said) != 1 {
		t.Errorf("%d are remembered, want the last alone", len(said.said))
	}
}
