package archive

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/belfry-centre/belfry/internal/platform/audit"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/raw"
)

// Subject is what Verify looks at. It may be in use.
type Subject struct {
	DB    *database.DB
	Raw   raw.Store
	Audit *audit.Log
	// References calls its function for every reference to raw bytes in the
	// database, committed when it is called. Nil leaves references out.
	References func(ctx context.Context, fn func(raw.Ref) error) error
	// TempDir is for lists of references, about 40 bytes for each (empty: the
	// system's).
	TempDir  string
	Progress func(Progress)
}

// Report is what Verify found.
type Report struct {
	Contents     int64   `json:"contents"`   // raw contents read
	Bytes        int64   `json:"bytes"`      // of these, expanded
	Damaged      int64   `json:"damaged"`    // of these, not what was put
	References   int64   `json:"references"` // rows that name raw bytes
	Missing      int64   `json:"missing"`    // of these, whose bytes are not there
	Orphans      int64   `json:"orphans"`    // contents that no row names; of the last hour that is usual
	AuditEntries int64   `json:"audit_entries"`
	Tables       int64   `json:"tables"` // checked by SQLite
	FaultCount   int64   `json:"fault_count"`
	Faults       []Fault `json:"faults"` // the first of them
}

// Fault is one thing that is wrong.
type Fault struct {
	Step   Step   `json:"step"`
	What   string `json:"what"`   // a reference, an entry, a table
	Detail string `json:"detail"` // for the operator
}

// Sound reports whether nothing is wrong.
func (r *Report) Sound() bool { return r.FaultCount == 0 }

// maxFaults bounds the faults that are kept; all are counted.
const maxFaults = 1000

func (r *Report) fault(step Step, what string, detail any) {
	r.FaultCount++
	if len(r.Faults) < maxFaults {
		r.Faults = append(r.Faults, Fault{step, what, fmt.Sprint(detail)})
	}
}

// Verify reads everything: the hash of all raw bytes, that each reference in
// the database has its bytes, the audit log's chain and seals, and SQLite's own
// check of its files. Memory is bounded. It returns an error only when it
// could not go on; what is wrong stands in the report.
func Verify(ctx context.Context, s Subject) (*Report, error) {
	r := &Report{Faults: []Fault{}}
	v := &verifier{s: s, Report: r}
	for _, step := range []func(context.Context) error{v.integrity, v.audit, v.raw} {
		if err := step(ctx); err != nil {
			return r, fmt.Errorf("archive: verifying: %w", err)
		}
	}
	return r, nil
}

type verifier struct {
	s Subject
	*Report
}

func (v *verifier) progress(step Step, item string, done, total int64) {
	report(v.s.Progress, Progress{step, item, done, total})
}

func (v *verifier) integrity(ctx context.Context) error {
	if v.s.DB == nil || v.s.DB.Engine() != database.SQLite {
		return nil // data_checksums and pg_amcheck are the server's own
	}
	return v.integrityOf(ctx, "database", v.s.DB)
}

func (v *verifier) integrityOf(ctx context.Context, name string, db *database.DB) error {
	err := integrity(ctx, db,
		func(table string, done, total int64) {
			v.Tables++
			v.progress(StepIntegrity, name+" "+table, done, total)
		},
		func(found string) { v.fault(StepIntegrity, name, found) })
	if err != nil && ctx.Err() == nil { // a file so damaged that it cannot be checked
		v.fault(StepIntegrity, name, err)
		return nil
	}
	return err
}

func (v *verifier) audit(ctx context.Context) error {
	if v.s.Audit == nil {
		return nil
	}
	v.progress(StepAudit, "", 0, 0)
	n, err := v.s.Audit.Verify(ctx)
	v.AuditEntries = n
	v.progress(StepAudit, "", n, n)
	if err != nil && ctx.Err() == nil {
		what := "log"
		if broken, ok := errors.AsType[*audit.BrokenError](err); ok {
			what = fmt.Sprintf("entry %d", broken.Seq)
		}
		v.fault(StepAudit, what, err)
		return nil
	}
	return err
}

// raw first takes the references, then reads the bytes: what a row names was
// there before the row.
func (v *verifier) raw(ctx context.Context) error {
	if v.s.Raw == nil {
		return nil
	}
	lists, err := newLists(v.s.TempDir)
	if err != nil {
		return err
	}
	defer lists.close()
	if v.s.References != nil {
		err := v.s.References(ctx, func(ref raw.Ref) error {
			if v.References++; v.References%10000 == 0 {
				v.progress(StepReferences, "", v.References, 0)
			}
			return lists.named.add(ref)
		})
		if err != nil {
			return fmt.Errorf("reading the references: %w", err)
		}
	}
	months, err := v.s.Raw.Months(ctx)
	if err != nil {
		return err
	}
	for _, month := range months {
		if err := v.month(ctx, month, lists); err != nil {
			return err
		}
	}
	if v.s.References == nil {
		return nil
	}
	suspects := map[raw.Ref]bool{}
	orphans, missing, err := lists.compare(func(ref raw.Ref) {
		if len(suspects) < maxSuspects {
			suspects[ref] = true
		}
	})
	v.Orphans, v.Missing = orphans, missing
	if err != nil || missing == 0 {
		return err
	}
	return v.confirm(ctx, suspects)
}

// maxSuspects bounds what confirm looks at a second time.
const maxSuspects = 100_000

// confirm looks again for references whose bytes were not there: the row may
// have been erased, with its bytes, since it was read.
func (v *verifier) confirm(ctx context.Context, suspects map[raw.Ref]bool) error {
	looked, still := int64(len(suspects)), int64(0)
	v.FaultCount += v.Missing - looked // those that are too many to look at again
	err := v.s.References(ctx, func(ref raw.Ref) error {
		if ref = ref.Key(); !suspects[ref] {
			return nil
		}
		delete(suspects, ref)
		_, err := v.s.Raw.Get(ctx, ref)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		still++
		v.fault(StepReferences, ref.String(), err)
		return nil
	})
	v.Missing -= looked - still
	return err
}

// month reads every content of a month, a few at a time.
func (v *verifier) month(ctx context.Context, month string, lists *lists) error {
	if s, ok := v.s.Raw.(*raw.Embedded); ok {
		err := s.ViewMonth(ctx, month, func(db *database.DB) error {
			return v.integrityOf(ctx, raw.MonthFile(month), db)
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			if ctx.Err() != nil {
				return err
			}
			v.fault(StepIntegrity, raw.MonthFile(month), err)
		}
	}
	var mu sync.Mutex // guards the report and lists
	told := time.Now()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	err := v.s.Raw.Each(gctx, month, func(ref raw.Ref) error {
		g.Go(func() error {
			content, err := v.s.Raw.Get(gctx, ref)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, raw.ErrMissing):
				return nil // deleted meanwhile; a row that names it will tell
			case errors.Is(err, raw.ErrDamaged):
				v.Damaged++
				v.fault(StepRaw, ref.String(), err)
			case err != nil:
				return err
			}
			v.Contents++
			v.Bytes += int64(len(content))
			if time.Since(told) > time.Second/4 {
				told = time.Now()
				v.progress(StepRaw, month, v.Contents, 0)
			}
			return lists.kept.add(ref)
		})
		return nil
	})
	waited := g.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if waited != nil {
		return waited
	}
	if err != nil { // the month's own file cannot be read
		v.fault(StepRaw, month, err)
	}
	v.progress(StepRaw, month, v.Contents, 0)
	return nil
}

// buckets is into how many parts the references are dealt by their hash, so
// that only one part need be in memory: for 20 million about 300,000.
const buckets = 64

// lists are two sets of references on disk.
type lists struct {
	dir         string
	named, kept *list
}

func newLists(temp string) (*lists, error) {
	dir, err := os.MkdirTemp(temp, "belfry-verify-")
	if err != nil {
		return nil, err
	}
	l := &lists{dir: dir}
	if l.named, err = newList(dir, "named"); err == nil {
		l.kept, err = newList(dir, "kept")
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *lists) close() {
	for _, x := range []*list{l.named, l.kept} {
		if x != nil {
			x.close()
		}
	}
	_ = os.RemoveAll(l.dir) // temporary
}

// compare counts what is kept and not named (orphans) and what is named and
// not kept (missing), each reference once.
func (l *lists) compare(missing func(raw.Ref)) (orphans, gone int64, err error) {
	for i := range buckets {
		kept := map[record]bool{} // whether it is named
		if err := l.kept.each(i, func(r record) { kept[r] = false }); err != nil {
			return 0, 0, err
		}
		lost := map[record]bool{}
		if err := l.named.each(i, func(r record) {
			if _, ok := kept[r]; ok {
				kept[r] = true
			} else {
				lost[r] = true
			}
		}); err != nil {
			return 0, 0, err
		}
		for _, named := range kept {
			if !named {
				orphans++
			}
		}
		for r := range lost {
			gone++
			missing(r.ref())
		}
	}
	return orphans, gone, nil
}

// list is a set of references in one file for each bucket.
type list struct {
	files [buckets]*os.File
	bufs  [buckets]*bufio.Writer
}

func newList(dir, name string) (*list, error) {
	l := &list{}
	for i := range l.files {
		f, err := os.Create(filepath.Join(dir, name+"-"+strconv.Itoa(i)))
		if err != nil {
			l.close()
			return nil, err
		}
		l.files[i], l.bufs[i] = f, bufio.NewWriter(f)
	}
	return l, nil
}

func (l *list) close() {
	for _, f := range l.files {
		if f != nil {
			_ = f.Close() // temporary
		}
	}
}

// record is a reference in a fixed form: year, month, hash.
type record [2 + 1 + 32]byte

func (r record) ref() raw.Ref {
	year, month := strconv.Itoa(int(binary.BigEndian.Uint16(r[:2]))), strconv.Itoa(int(r[2]))
	ref := raw.Ref{Month: year + "-" + strings.Repeat("0", 2-len(month)) + month}
	copy(ref.SHA256[:], r[3:])
	return ref
}

func (l *list) add(ref raw.Ref) error {
	var r record
	year, month, _ := strings.Cut(ref.Month, "-")
	y, err1 := strconv.ParseUint(year, 10, 16)
	m, err2 := strconv.ParseUint(month, 10, 8)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	binary.BigEndian.PutUint16(r[:2], uint16(y))
	r[2] = byte(m)
	copy(r[3:], ref.SHA256[:])
	_, err := l.bufs[ref.SHA256[0]%buckets].Write(r[:])
	return err
}

func (l *list) each(bucket int, fn func(record)) error {
	if err := l.bufs[bucket].Flush(); err != nil {
		return err
	}
	f := l.files[bucket]
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	in := bufio.NewReaderSize(f, 64<<10)
	for {
		var r record
		_, err := io.ReadFull(in, r[:])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		fn(r)
	}
}
