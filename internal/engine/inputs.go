package engine

import (
	"context"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/mapping"
)

// Inputs reads all that a mapping asks for, as Sync does, for those who want to know
// where its keys come from. Errors are those of Sync.
func (e Engine) Inputs(ctx context.Context, es *eso.ExternalSecret) (mapping.Inputs, error) {
	readers, err := e.open(ctx, es)
	if err != nil {
		return mapping.Inputs{}, err
	}
	if errs := eso.Validate(es); len(errs) > 0 {
		return mapping.Inputs{}, invalidError{errs.ToAggregate()}
	}
	if err := readers.failed(es); err != nil {
		return mapping.Inputs{}, err
	}
	return e.collect(ctx, es, readers)
}
