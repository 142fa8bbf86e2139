package raw

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

const (
	// Large is the size in bytes over which Embedded keeps a content as a
	// file of its own, so that the month's database stays quick to copy.
	Large = 1 << 20

	// DefaultMaxSize is the largest content that a store takes unless
	// Options say otherwise: SMTP's 25 MiB with room for an import.
	DefaultMaxSize = 64 << 20

	// Grace is the time between a Put and the commit of the row that names
	// its bytes after which Sweep may take them for forgotten.
	Grace = time.Hour
)

// What can be wrong with kept bytes; test with errors.Is. Both come in a
// fault: missing bytes are NotFound, damaged ones Internal.
var (
	ErrMissing = errors.New("raw: the bytes are not there")
	ErrDamaged = errors.New("raw: the bytes are damaged")
)

// Ref names kept bytes.
type Ref struct {
	Month  string   // where they are kept, as "2026-11"
	SHA256 [32]byte // of the bytes as they came
	Size   int64    // in bytes as they came; 0 when not known, as after ParseRef
}

// RefOf returns the Ref under which content is kept when it arrives at that
// time. Months are those of UTC.
func RefOf(at time.Time, content []byte) Ref {
	return Ref{Month: MonthOf(at), SHA256: sha256.Sum256(content), Size: int64(len(content))}
}

// MonthOf returns the name of the month in UTC that t lies in.
func MonthOf(t time.Time) string { return t.UTC().Format("2006-01") }

// String returns the text form, "2026-11/" and the hash in hexadecimal. It
// leaves out the size.
func (r Ref) String() string { return r.Month + "/" + r.hex() }

func (r Ref) hex() string { return hex.EncodeToString(r.SHA256[:]) }

// Key returns r without its size: what two Refs to the same bytes have in
// common.
func (r Ref) Key() Ref { r.Size = 0; return r }

// IsZero reports whether r names nothing.
func (r Ref) IsZero() bool { return r == Ref{} }

// ParseRef reads the text form. The error is of kind Invalid.
func ParseRef(s string) (Ref, error) {
	month, sum, ok := strings.Cut(s, "/")
	r := Ref{Month: month}
	if !ok || !validMonth(month) || len(sum) != 2*len(r.SHA256) {
		return Ref{}, fault.New(fault.Invalid, "A reference to raw bytes is a month and a SHA-256.")
	}
	if _, err := hex.Decode(r.SHA256[:], []byte(sum)); err != nil || sum != r.hex() {
		return Ref{}, fault.New(fault.Invalid, "A reference to raw bytes is a month and a SHA-256.")
	}
	return r, nil
}

// MarshalText writes the text form.
func (r Ref) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is ParseRef.
func (r *Ref) UnmarshalText(b []byte) (err error) {
	*r, err = ParseRef(string(b))
	return err
}

// Value stores the text form in a TEXT column.
func (r Ref) Value() (driver.Value, error) { return r.String(), nil }

// Scan reads what Value stored.
func (r *Ref) Scan(v any) (err error) {
	switch v := v.(type) {
	case string:
		*r, err = ParseRef(v)
	case []byte:
		*r, err = ParseRef(string(v))
	default:
		err = fmt.Errorf("raw: a reference cannot be read from %T", v)
	}
	return err
}

// validMonth guards every name that becomes a path or a table's name.
func validMonth(s string) bool {
	t, err := time.Parse("2006-01", s)
	return err == nil && t.Year() >= 1970 && t.Format("2006-01") == s
}

// Store keeps bytes by month. It is safe for concurrent use.
type Store interface {
	// Put keeps content in the month of at and returns when it is durable.
	// Concurrent Puts share the price of that. The same bytes in the same
	// month are kept once. The error is TooLarge for a content over the
	// store's limit, Busy when the store cannot take it now.
	Put(ctx context.Context, at time.Time, content []byte) (Ref, error)

	// Get returns the bytes, whose hash it has verified. The error wraps
	// ErrMissing or ErrDamaged when that is what is wrong.
	Get(ctx context.Context, ref Ref) ([]byte, error)

	// Delete removes the bytes, whoever else names them. That they are not
	// there is no error. It is Busy while a backup copies.
	Delete(ctx context.Context, ref Ref) error

	// DeleteIdle removes the bytes unless they were Put, or Put again, at or
	// after before; it reports whether they are gone.
	DeleteIdle(ctx context.Context, ref Ref, before time.Time) (bool, error)

	// Months returns the months that hold anything, oldest first.
	Months(ctx context.Context) ([]string, error)

	// DropMonth removes a whole month and frees its disk at once. A month
	// that is not there is no error. The current month cannot be dropped
	// (Conflict); while a backup copies, or a long reader is in the way, the
	// error is Busy.
	DropMonth(ctx context.Context, month string) error

	// Each calls fn for all that a month holds, in batches, so that fn may
	// use the store. An error of fn ends it and is returned.
	Each(ctx context.Context, month string, fn func(Ref) error) error

	// EachIdle is Each for what was last Put before that time.
	EachIdle(ctx context.Context, month string, before time.Time, fn func(Ref) error) error

	// Close waits for running calls and closes the store.
	Close() error
}

// Options says where the bytes are kept. See Open.
type Options struct {
	// URL is empty or
	// s3://[key:secret@]host[:port]/bucket[/prefix][?region=R&insecure=1].
	// Without a key in it the usual AWS_* variables, files and machine roles
	// are asked. insecure=1 speaks HTTP without TLS.
	URL string
	// Dir is the folder of the month files when neither URL nor DB is given.
	Dir string
	// DB keeps the bytes with everything else when it is on PostgreSQL and
	// URL is empty. A DB on SQLite is not used.
	DB *database.DB
	// MaxSize bounds one content in bytes (0 means DefaultMaxSize).
	MaxSize int64
	// Clock replaces time.Now in tests. With a DB its time is used.
	Clock func() time.Time
	Log   *slog.Logger
}

// Open opens the store that the options name: S3 with a URL, else PostgreSQL
// with a DB on it, else files in Dir.
func Open(ctx context.Context, o Options) (Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.MaxSize <= 0 {
		o.MaxSize = DefaultMaxSize
	}
	c, err := newCodec(o.MaxSize)
	if err != nil {
		return nil, fmt.Errorf("raw: preparing zstd: %w", err)
	}
	switch {
	case o.URL != "":
		return openS3(ctx, o, c)
	case o.DB != nil && o.DB.Engine() == database.Postgres:
		return openPartitions(ctx, o, c)
	case o.Dir != "":
		return openEmbedded(o, c)
	}
	return nil, errors.New("raw: neither a URL, nor a folder, nor a database on PostgreSQL")
}

// mayDrop refuses the current month, and one that has yet to come.
func mayDrop(month string, now time.Time) error {
	if !validMonth(month) {
		return fault.New(fault.Invalid, "A month is written like 2026-11.")
	}
	if month >= MonthOf(now) {
		return fault.New(fault.Conflict, "The current month cannot be dropped.")
	}
	return nil
}

func missing(r Ref) error {
	return fault.Wrap(fault.NotFound, fmt.Errorf("%w: %s", ErrMissing, r), "The original bytes are no longer kept.")
}

func damaged(r Ref, why any) error {
	return fault.Wrap(fault.Internal, fmt.Errorf("%w: %s: %v", ErrDamaged, r, why), "The original bytes are damaged.")
}

// sweepBatch is how many Refs Sweep asks about at once.
const sweepBatch = 500

// Swept is what a Sweep did.
type Swept struct {
	Seen    int64 // idle contents looked at
	Deleted int64 // those that no row names
}

// Sweep deletes what no row names and what was last Put more than Grace before
// now. named answers, for each of up to 500 Refs (their sizes may be 0),
// whether a row names it; it must look at committed rows, not at an older
// snapshot.
func Sweep(ctx context.Context, s Store, now time.Time, named func(context.Context, []Ref) ([]bool, error)) (Swept, error) {
	var done Swept
	before := now.Add(-Grace)
	months, err := s.Months(ctx)
	if err != nil {
		return done, err
	}
	for _, month := range months {
		batch := make([]Ref, 0, sweepBatch)
		flush := func() error {
			if len(batch) == 0 {
				return nil
			}
			has, err := named(ctx, batch)
			if err != nil {
				return err
			}
			for i, ref := range batch {
				done.Seen++
				if has[i] {
					continue
				}
				gone, err := s.DeleteIdle(ctx, ref, before)
				if err != nil {
					return err
				}
				if gone {
					done.Deleted++
				}
			}
			batch = batch[:0]
			return nil
		}
		err := s.EachIdle(ctx, month, before, func(r Ref) error {
			if batch = append(batch, r); len(batch) < sweepBatch {
				return nil
			}
			return flush()
		})
		if err == nil {
			err = flush()
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}
