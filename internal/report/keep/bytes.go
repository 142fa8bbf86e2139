package keep

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/raw"
)

// refPage is how many references are read at a time.
const refPage = 2000

// RefOf puts a reference together from its columns in the table report; zero
// when they are NULL, for then the bytes are no longer kept.
func RefOf(month sql.NullString, sum []byte, size int64) raw.Ref {
	if !month.Valid || len(sum) != sha256.Size {
		return raw.Ref{}
	}
	return raw.Ref{Month: month.String, SHA256: [32]byte(sum), Size: size}
}

// dropMonths removes the raw months before that one of which no row names
// anything. In the others, with reports under hold, the sweep removes the rest.
func (k *Keeper) dropMonths(ctx context.Context, before string) (done int64, err error) {
	months, err := k.raw.Months(ctx)
	if err != nil {
		return 0, err
	}
	for _, month := range months {
		if month >= before {
			break
		}
		set, err := k.namedIn(ctx, month)
		if err != nil {
			return done, err
		}
		if len(set) > 0 {
			continue
		}
		if err := k.raw.DropMonth(ctx, month); err != nil {
			return done, err
		}
		done++
	}
	return done, nil
}

// Sweep removes raw bytes that no report names: of submissions that never got
// a row, of erased and purged reports. It says what it did in the log, the
// audit log and the figures.
func (k *Keeper) Sweep(ctx context.Context) (raw.Swept, error) {
	sets := map[string]hashSet{}
	swept, err := raw.Sweep(ctx, k.raw, k.db.Now(), func(ctx context.Context, refs []raw.Ref) ([]bool, error) {
		return k.named(ctx, sets, refs)
	})
	k.did(ctx, "swept", swept.Deleted)
	if err != nil {
		return swept, fmt.Errorf("sweeping raw bytes: %w", err)
	}
	return swept, nil
}

// named reports which of the bytes a report names.
func (k *Keeper) named(ctx context.Context, sets map[string]hashSet, refs []raw.Ref) ([]bool, error) {
	out := make([]bool, len(refs))
	for i, ref := range refs {
		set, ok := sets[ref.Month]
		if !ok {
			var err error
			if set, err = k.namedIn(ctx, ref.Month); err != nil {
				return nil, err
			}
			clear(sets) // one month at a time is enough in memory
			sets[ref.Month] = set
		}
		out[i] = set.has(ref.SHA256)
	}
	return out, nil
}

// hashSet is the first eight bytes of each hash, sorted: a month of two
// million reports takes 16 MB. That two hashes begin alike would only mean
// that bytes are kept which nobody needs.
type hashSet []uint64

func (s hashSet) has(sum [32]byte) bool {
	_, ok := slices.BinarySearch(s, binary.BigEndian.Uint64(sum[:8]))
	return ok
}

// namedIn reads which bytes of a month the reports name. There is no index
// over hashes, which every accepted report would pay for; a month is a range
// of ids instead.
func (k *Keeper) namedIn(ctx context.Context, month string) (hashSet, error) {
	start, err := time.Parse("2006-01", month)
	if err != nil {
		return nil, fmt.Errorf("raw month: %w", err)
	}
	var set hashSet
	// A row follows its bytes by Grace at most, and clocks differ a little.
	span := idRange{database.FirstID(start.Add(-raw.Grace)), database.FirstID(start.AddDate(0, 1, 0).Add(2 * raw.Grace))}
	err = k.eachRef(ctx, span, func(ref raw.Ref) error {
		if ref.Month == month {
			set = append(set, binary.BigEndian.Uint64(ref.SHA256[:8]))
		}
		return nil
	})
	slices.Sort(set)
	return slices.Compact(set), err
}

// References calls fn for every reference to raw bytes, each committed before,
// for the program itself to verify them. An error of fn ends it and is
// returned.
func (k *Keeper) References(ctx context.Context, fn func(raw.Ref) error) error {
	return k.eachRef(ctx, idRange{0, 1<<63 - 1}, fn)
}

// eachRef walks the references of a range a page at a time, so that no view
// stays open for long.
func (k *Keeper) eachRef(ctx context.Context, span idRange, fn func(raw.Ref) error) error {
	for {
		n := 0
		var refs []raw.Ref
		err := k.db.View(ctx, func(tx *database.Tx) error {
			rows, err := tx.Query(ctx, `SELECT id, raw_month, raw_sha256, raw_size FROM report WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3`,
				span.from, span.to, refPage)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var month sql.NullString
				var sum []byte
				var size int64
				if err := rows.Scan(&span.from, &month, &sum, &size); err != nil {
					return err
				}
				n++
				if ref := RefOf(month, sum, size); !ref.IsZero() {
					refs = append(refs, ref)
				}
			}
			return rows.Err()
		})
		if err != nil {
			return fmt.Errorf("reading references: %w", err)
		}
		for _, ref := range refs {
			if err := fn(ref); err != nil {
				return err
			}
		}
		if n < refPage {
			return nil
		}
		span.from++
	}
}
