package controller

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// brake stops mass deletions: when Vault suddenly seems to hold nothing any more,
// the likelier reason is a mistake. It counts the mappings of a store that wanted
// their Secret deleted within the last hour, whether it was or not, because the
// mappings of a store come due at different times.
type brake struct {
	// percent of a store's mappings that may want it; 100 never brakes.
	percent int
	wishes  map[string]map[types.NamespacedName]time.Time
}

const (
	// fewest is the number of wishes from which the brake acts.
	fewest     = 5
	brakeMemo  = time.Hour
	brakeWords = "%d of the %d mappings of %s want their Secret deleted within an hour, more than %d%%; nothing is deleted. " +
		"See whether Vault lost data: kubectl vaultsecret diagnose. If it is meant, raise --max-delete-percent or delete the ExternalSecrets"
)

// refuse returns why mappings of a store, which has total of them, may not have
// their Secrets deleted now; nil lets them.
func (b *brake) refuse(store string, mappings []types.NamespacedName, total int, now time.Time) error {
	if b.wishes == nil {
		b.wishes = map[string]map[types.NamespacedName]time.Time{}
	}
	wishes := b.wishes[store]
	if wishes == nil {
		wishes = map[types.NamespacedName]time.Time{}
		b.wishes[store] = wishes
	}
	for mapping, at := range wishes {
		if now.Sub(at) >= brakeMemo {
			delete(wishes, mapping)
		}
	}
	for _, mapping := range mappings {
		wishes[mapping] = now
	}
	if len(wishes) >= fewest && len(wishes)*100 > total*b.percent {
		return fmt.Errorf(brakeWords, len(wishes), total, store, b.percent)
	}
	return nil
}
