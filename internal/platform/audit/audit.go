package audit

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema holds the tables of the log.
var Schema = database.Schema{Owner: "audit", Files: migrations}

// Limits of one entry, in bytes of UTF-8.
const (
	maxName       = 200 // actor, act, object
	maxKeys       = 32
	maxDetailText = 2000
	maxDetail     = 16 << 10
)

// Entry is one act.
type Entry struct {
	// Actor is who did it: an account's or a token's id, or the name of a
	// part of the program ("system:purge"). Letters, digits and ._:/- only,
	// so that no address gets in.
	Actor string
	// Act is what was done, like "token.create". Same letters as Actor.
	Act string
	// Object is what it was done to, by id ("report:123"), or empty. Same
	// letters as Actor.
	Object string
	// Detail says more: changed settings, counts. Keys are like Act. Values
	// are never a person's name, address or words, nor a secret.
	Detail map[string]string
}

var (
	name      = regexp.MustCompile(`^[A-Za-z0-9._:/-]{1,200}$`)
	maybeName = regexp.MustCompile(`^[A-Za-z0-9._:/-]{0,200}$`)
)

func (e Entry) check() error {
	switch {
	case !name.MatchString(e.Actor), !name.MatchString(e.Act), !maybeName.MatchString(e.Object):
		return fault.Errorf(fault.Invalid, "An audit entry's actor, act and object are ids of at most %d letters.", maxName)
	case len(e.Detail) > maxKeys:
		return fault.Errorf(fault.TooLarge, "An audit entry has at most %d details.", maxKeys)
	}
	for k, v := range e.Detail {
		if !name.MatchString(k) || len(v) > maxDetailText {
			return fault.Errorf(fault.TooLarge, "An audit entry's detail is at most %d bytes long.", maxDetailText)
		}
	}
	return nil
}

// Record is an entry as it stands in the log.
type Record struct {
	Seq      int64
	At       time.Time // UTC, to the microsecond
	Actor    string
	Act      string
	Object   string
	Detail   string // canonical JSON
	Previous [32]byte
	Hash     [32]byte
}

// sum returns the hash that the record must have.
func (r *Record) sum() [32]byte {
	h := sha256.New()
	h.Write([]byte("belfry-audit-1\n"))
	h.Write(r.Previous[:])
	writeInt(h, r.Seq)
	writeInt(h, r.At.UnixMicro())
	for _, s := range []string{r.Actor, r.Act, r.Object, r.Detail} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s))))
		h.Write([]byte(s))
	}
	return [32]byte(h.Sum(nil))
}

func writeInt(h hash.Hash, n int64) { h.Write(binary.BigEndian.AppendUint64(nil, uint64(n))) }

// Head is the end of the log.
type Head struct {
	Seq  int64 // 0 when the log is empty
	Hash [32]byte
}

// Options says where the log's key is.
type Options struct {
	// Dir is the data directory, in which the key and the last seal are kept
	// (audit.key, audit.seal). Empty: the log cannot be sealed.
	Dir string
	Log *slog.Logger
}

// Log is the audit log of a store. It is safe for concurrent use.
type Log struct {
	db *database.DB
	o  Options
}

// New returns the log in db, which has been migrated with Schema.
func New(db *database.DB, o Options) *Log {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Log{db: db, o: o}
}

// Append adds an entry in tx, at its instant: the act and its entry are
// committed together or not at all. Appends of concurrent transactions take
// turns from here to their commit, so it is best the last step of one. The
// error is Invalid or TooLarge for an entry that breaks a rule.
func (l *Log) Append(ctx context.Context, tx *database.Tx, e Entry) error {
	if err := e.check(); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	r := Record{At: tx.Now, Actor: e.Actor, Act: e.Act, Object: e.Object, Detail: canonical(e.Detail)}
	if len(r.Detail) > maxDetail {
		return fault.Errorf(fault.TooLarge, "An audit entry's details are at most %d bytes together.", maxDetail)
	}
	// The update takes the row's lock on PostgreSQL; on SQLite there is one
	// writer anyway.
	var previous []byte
	err := tx.QueryRow(ctx, `INSERT INTO audit_head (one, seq, hash) VALUES (1, 1, $1)
		ON CONFLICT (one) DO UPDATE SET seq = audit_head.seq + 1 RETURNING seq, hash`,
		make([]byte, 32)).Scan(&r.Seq, &previous)
	if err != nil {
		return fmt.Errorf("audit: taking the turn: %w", err)
	}
	if copy(r.Previous[:], previous) != 32 {
		return errors.New("audit: the head's hash is damaged")
	}
	r.Hash = r.sum()
	if _, err := tx.Exec(ctx, `INSERT INTO audit_entry (seq, at, actor, act, object, detail, previous, hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, r.Seq, database.Micros(r.At), r.Actor, r.Act, r.Object, r.Detail,
		r.Previous[:], r.Hash[:]); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if _, err := tx.Exec(ctx, "UPDATE audit_head SET hash = $1 WHERE one = 1", r.Hash[:]); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

// Head returns the end of the log.
func (l *Log) Head(ctx context.Context) (Head, error) {
	var h Head
	err := l.db.View(ctx, func(tx *database.Tx) (err error) {
		h, err = head(ctx, tx)
		return err
	})
	return h, err
}

func head(ctx context.Context, tx *database.Tx) (Head, error) {
	var h Head
	var sum []byte
	err := tx.QueryRow(ctx, "SELECT seq, hash FROM audit_head WHERE one = 1").Scan(&h.Seq, &sum)
	if errors.Is(err, sql.ErrNoRows) {
		return Head{}, nil
	}
	if err != nil {
		return Head{}, fmt.Errorf("audit: reading the head: %w", err)
	}
	copy(h.Hash[:], sum)
	return h, nil
}

// walkBatch is how many entries are read at once, each batch in a view of its
// own: the log only grows, so they fit together.
const walkBatch = 1000

// Walk calls fn for the entries after seq, oldest first, in bounded memory,
// without judging them. An error of fn ends it and is returned.
func (l *Log) Walk(ctx context.Context, after int64, fn func(Record) error) error {
	for {
		var batch []Record
		err := l.db.View(ctx, func(tx *database.Tx) error {
			batch = nil
			rows, err := tx.Query(ctx, `SELECT seq, at, actor, act, object, detail, previous, hash
				FROM audit_entry WHERE seq > $1 ORDER BY seq LIMIT $2`, after, walkBatch)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var r Record
				var at int64
				var previous, sum []byte
				if err := rows.Scan(&r.Seq, &at, &r.Actor, &r.Act, &r.Object, &r.Detail, &previous, &sum); err != nil {
					return err
				}
				r.At = time.UnixMicro(at).UTC()
				copy(r.Previous[:], previous)
				copy(r.Hash[:], sum)
				batch = append(batch, r)
			}
			return rows.Err()
		})
		if err != nil {
			return fmt.Errorf("audit: reading: %w", err)
		}
		for _, r := range batch {
			if err := fn(r); err != nil {
				return err
			}
		}
		if len(batch) < walkBatch {
			return nil
		}
		after = batch[len(batch)-1].Seq
	}
}

// canonical writes details as RFC 8785 has it. Keys are ASCII, so the order
// of their bytes is the order of their UTF-16 units.
func canonical(detail map[string]string) string {
	keys := make([]string, 0, len(detail))
	for k := range detail {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	b := []byte{'{'}
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, k)
		b = append(b, ':')
		b = appendString(b, database.Clean(detail[k]))
	}
	return string(append(b, '}'))
}

// appendString writes a JSON string with the escapes of RFC 8785, section
// 3.2.2.2, and no others.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch r {
		case '"', '\\':
			b = append(b, '\\', byte(r))
		case '\b':
			b = append(b, `\b`...)
		case '\f':
			b = append(b, `\f`...)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			if r < 0x20 {
				b = fmt.Appendf(b, `\u%04x`, r)
				continue
			}
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
