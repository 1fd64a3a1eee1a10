package controller

import (
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// tellings are what was said lately of mappings, several things of each, so that a look
// that is repeated every second does not say the same every second. It is safe for
// concurrent use.
type tellings struct {
	mu    sync.Mutex
	said  map[telling]time.Time
	swept time.Time
}

type telling struct {
	mapping types.UID
	text    string
}

// again reports whether a text is to be said of a mapping now, and takes it as said. What
// was said longer than repeat ago is forgotten.
func (t *tellings) again(mapping types.UID, text string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.swept) > time.Minute {
		t.swept = now
		maps.DeleteFunc(t.said, func(_ telling, at time.Time) bool { return now.Sub(at) >= repeat })
	}
	what := telling{mapping, text}
	if at, said := t.said[what]; said && now.Sub(at) < repeat {
		return false
	}
	if t.said == nil {
		t.said = map[telling]time.Time{}
	}
	t.said[what] = now
	return true
}
