package keep

import (
	"context"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/database"
)

const RetainBatch = retainBatch

func (k *Keeper) RetainUntil(ctx context.Context, deadline time.Time) (more bool, err error) {
	return k.retain(ctx, deadline)
}

func (k *Keeper) RemoveBatch(ctx context.Context, tx *database.Tx, ids []database.ID) error {
	return k.removeBatch(ctx, tx, ids)
}
