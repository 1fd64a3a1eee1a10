package store

import (
	"context"
	"fmt"
	"testing"
)

// A pass over very many paths holds few answers, and still asks only once for what
// everybody uses.
func TestAPassKeepsFewAnswers(t *testing.T) {
	r := &reader{reads: map[string]*answer{}}
	asked := map[string]int{}
	ask := func(question string) {
		t.Helper()
		a := r.once(t.Context(), question, func(context.Context, *answer) { asked[question]++ })
		if a.err != nil {
			t.Fatal(a.err)
		}
	}
	for i := range 10 * keepAnswers {
		ask("common")
		ask(fmt.Sprint("path ", i))
		ask(fmt.Sprint("path ", i)) // its neighbour
		if len(r.reads) > 2*keepAnswers {
			t.Fatalf("%d answers are held", len(r.reads))
		}
	}
	for question, n := range asked {
		if n != 1 {
			t.Errorf("%s was asked %d times", question, n)
		}
	}
	if len(asked) != 10*keepAnswers+1 {
		t.Errorf("%d questions were asked", len(asked))
	}
}

// Finds that share a list share what they read of it, however long it is.
func TestALongListIsReadOnce(t *testing.T) {
	const names = 5 * keepAnswers
	r := &reader{reads: map[string]*answer{}}
	r.keepAll(names)
	n := 0
	for range 3 {
		for i := range names {
			r.once(t.Context(), fmt.Sprint("path ", i), func(context.Context, *answer) { n++ })
		}
	}
	if n != names {
		t.Errorf("%d reads of %d names", n, names)
	}
}
