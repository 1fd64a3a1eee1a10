package bootstrap

import (
	"context"
	"errors"
	"fmt"
)

// Reset drops the shares given so far, on every server that holds some, and returns the
// states before. What somebody else gave is dropped too.
func Reset(ctx context.Context, servers []Server) ([]State, error) {
	states := States(ctx, servers)
	var errs []error
	for i, s := range states {
		switch {
		case s.Err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", s.Server, s.Err))
		case s.Sealed && s.Progress > 0:
			if _, err := servers[i].Client.ResetUnseal(ctx); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", s.Server, err))
			}
		}
	}
	return states, errors.Join(errs...)
}
