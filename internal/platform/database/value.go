package database

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// ID identifies a row. IDs are positive, fit in 63 bits and grow with time,
// so a list by ID is a list by age. In JSON they are strings, for a
// JavaScript number holds only 53 bits.
//
// 41 bits are milliseconds since 2025, which lasts until 2094; 22 bits are
// drawn at random, one after the other within a millisecond. Processes draw
// without asking each other; should two draw the same, the second insert
// fails on its primary key and Update runs it again.
type ID int64

const idRandomBits = 22

var (
	idEpoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	lastID  atomic.Int64
)

// NewID draws an ID for the instant now. IDs drawn in one process never
// repeat and, for instants that do not go back, never decrease.
func NewID(now time.Time) ID {
	ms := now.Sub(idEpoch).Milliseconds()
	fresh := max(ms, 0)<<idRandomBits | rand.Int64N(1<<(idRandomBits-1))
	for {
		last := lastID.Load()
		next := fresh
		if last>>idRandomBits == fresh>>idRandomBits && last >= fresh {
			next = last + 1
		}
		if lastID.CompareAndSwap(last, next) {
			return ID(next)
		}
	}
}

// FirstID returns the smallest ID that NewID can draw at or after t: the bound
// for ranges of time.
func FirstID(t time.Time) ID {
	return ID(max(t.Sub(idEpoch).Milliseconds(), 0) << idRandomBits)
}

// ParseID reads an ID in its decimal form. The error is of kind Invalid.
func ParseID(s string) (ID, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 {
		return 0, fault.New(fault.Invalid, "An id is a positive whole number.")
	}
	return ID(n), nil
}

// Time returns the instant for which the ID was drawn, to the millisecond.
func (id ID) Time() time.Time {
	return idEpoch.Add(time.Duration(id>>idRandomBits) * time.Millisecond)
}

func (id ID) String() string { return strconv.FormatInt(int64(id), 10) }

// MarshalText writes the decimal form, in JSON as a string.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is ParseID.
func (id *ID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseID(string(b))
	return err
}

// Micros returns t as the microseconds since 1970 in which times are stored;
// the zero time is 0.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time returns the instant that Micros stored, in UTC; 0 is the zero time.
func Time(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// Clean returns a foreign string as both engines can store it: valid UTF-8
// without NUL. What is not valid becomes U+FFFD.
func Clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	return s
}

// IsUnique reports whether err says that a unique key exists already.
func IsUnique(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == "23505"
	}
	return false
}
