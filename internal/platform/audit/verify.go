package audit

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/belfry-centre/belfry/internal/platform/database"
)

// BrokenError says where the log was tampered with or damaged.
type BrokenError struct {
	Seq int64  // the first entry that is not what was appended
	Why string // for the operator
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("audit: the log is broken at entry %d: %s", e.Seq, e.Why)
}

// Verify recomputes the whole chain and compares it with the head, with every
// seal, and with the last seal in the data directory. It returns the number
// of entries that are right, and a *BrokenError when there is one that is
// not. Memory is bounded; the log may grow meanwhile.
//
// A seal of another node's key is compared with the chain, but only the keys
// of this data directory prove who made it.
func (l *Log) Verify(ctx context.Context) (int64, error) {
	own, err := l.ownSeal() // first, for the log may be sealed meanwhile
	if err != nil {
		return 0, err
	}
	end, err := l.Head(ctx)
	if err != nil {
		return 0, err
	}
	last := Record{}
	var seals []Seal // those of the entries just ahead, by seq
	sealed := int64(0)
	errDone := errors.New("done")
	err = l.Walk(ctx, 0, func(r Record) error {
		if r.Seq > end.Seq {
			return errDone // appended since, or without the head; see below
		}
		switch {
		case r.Seq != last.Seq+1:
			return &BrokenError{last.Seq + 1, "the entry is missing"}
		case r.Previous != last.Hash:
			return &BrokenError{r.Seq, "it does not follow the entry before it"}
		case r.sum() != r.Hash:
			return &BrokenError{r.Seq, "its hash does not fit its content"}
		}
		if r.Seq > sealed {
			sealed = r.Seq + walkBatch
			if seals, err = l.seals(ctx, r.Seq, sealed); err != nil {
				return err
			}
		}
		for len(seals) > 0 && seals[0].Seq == r.Seq {
			if err := seals[0].check(r); err != nil {
				return err
			}
			seals = seals[1:]
		}
		if own != nil && own.Seq == r.Seq {
			if err := own.check(r); err != nil {
				return err
			}
		}
		last = r
		return nil
	})
	if err != nil && !errors.Is(err, errDone) {
		return last.Seq, err
	}
	if last.Seq != end.Seq {
		return last.Seq, &BrokenError{last.Seq + 1, "the entry is missing, and the log's head names a later one"}
	}
	if last.Hash != end.Hash {
		return last.Seq, &BrokenError{last.Seq, "the log's head has another hash"}
	}
	if own != nil && own.Seq > last.Seq {
		return last.Seq, &BrokenError{last.Seq + 1, fmt.Sprintf("the end is cut off: entry %d was sealed in the data directory", own.Seq)}
	}
	return last.Seq, l.verifyEnd(ctx, last.Seq)
}

// verifyEnd finds seals and entries beyond the head that Verify began with.
// Those of appends meanwhile have moved the head on.
func (l *Log) verifyEnd(ctx context.Context, seq int64) error {
	return l.db.View(ctx, func(tx *database.Tx) error {
		end, err := head(ctx, tx)
		if err != nil {
			return err
		}
		var entry, seal int64
		if err := tx.QueryRow(ctx, "SELECT coalesce(max(seq), 0) FROM audit_entry").Scan(&entry); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, "SELECT coalesce(max(seq), 0) FROM audit_seal").Scan(&seal); err != nil {
			return err
		}
		switch {
		case seal > entry:
			return &BrokenError{entry + 1, fmt.Sprintf("the end is cut off: entry %d was sealed", seal)}
		case end.Seq < seq || end.Seq != entry:
			return &BrokenError{min(end.Seq, entry) + 1, "the log's head is not at its end"}
		}
		return nil
	})
}

// exported is one line of an export.
type exported struct {
	Seq      int64           `json:"seq"`
	At       int64           `json:"at"` // microseconds since 1970, as it was hashed
	Time     string          `json:"time"`
	Actor    string          `json:"actor"`
	Act      string          `json:"act"`
	Object   string          `json:"object"`
	Detail   json.RawMessage `json:"detail"`
	Previous string          `json:"previous"`
	Hash     string          `json:"hash"`
}

// Export writes the whole log as JSON Lines, oldest first, with all that
// somebody else needs to verify it as the package's documentation says.
func (l *Log) Export(ctx context.Context, w io.Writer) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false) // the details' bytes are what was hashed
	err := l.Walk(ctx, 0, func(r Record) error {
		if !json.Valid([]byte(r.Detail)) {
			return &BrokenError{r.Seq, "its details are not JSON"}
		}
		return enc.Encode(exported{
			Seq: r.Seq, At: r.At.UnixMicro(), Time: r.At.Format("2006-01-02T15:04:05.000000Z"),
			Actor: r.Actor, Act: r.Act, Object: r.Object, Detail: json.RawMessage(r.Detail),
			Previous: hex.EncodeToString(r.Previous[:]), Hash: hex.EncodeToString(r.Hash[:]),
		})
	})
	return errors.Join(err, out.Flush())
}
