package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belfry-centre/belfry/internal/platform/audit"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/raw"
)

var reportSchema = database.Schema{Owner: "report", Files: fstest.MapFS{"0001_report.sql": {
	Data: []byte("CREATE TABLE report (id {{id}}, raw TEXT NOT NULL);\nCREATE INDEX report_raw ON report (raw);\n"),
}}}

// centre is a small one that accepts reports.
type centre struct {
	Centre
	log  *audit.Log
	last atomic.Int64
}

// openCentre opens the centre in dir.
func openCentre(t testing.TB, dir string) *centre {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{Path: filepath.Join(dir, "belfry.db")})
	if err != nil {
		t.Fatal(err)
	}
	return openOn(t, dir, db, raw.Options{Dir: filepath.Join(dir, "raw")})
}

func openOn(t testing.TB, dir string, db *database.DB, o raw.Options) *centre {
	t.Helper()
	ctx := t.Context()
	if err := db.Migrate(ctx, reportSchema, audit.Schema); err != nil {
		t.Fatal(err)
	}
	store, err := raw.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	c := &centre{log: audit.New(db, audit.Options{Dir: dir})}
	c.Centre = Centre{
		DB: db, Raw: store, Dir: dir, Database: "belfry.db", RawDir: "raw",
		Files: []string{audit.KeyFile, audit.SealFile, "belfry.toml"}, Version: "test",
	}
	t.Cleanup(c.close(t))
	return c
}

func (c *centre) close(t testing.TB) func() {
	return sync.OnceFunc(func() {
		if err := errors.Join(c.Raw.Close(), c.DB.Close()); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
}

// accept is what intake does: the bytes, then their row.
func (c *centre) accept(ctx context.Context, at time.Time, content []byte) (raw.Ref, error) {
	ref, err := c.Raw.Put(ctx, at, content)
	if err != nil {
		return ref, err
	}
	return ref, c.DB.Update(ctx, func(tx *database.Tx) error {
		c.last.Add(1)
		if _, err := tx.Exec(ctx, "INSERT INTO report (id, raw) VALUES ($1, $2)", database.NewID(tx.Now), ref); err != nil {
			return err
		}
		return c.log.Append(ctx, tx, audit.Entry{Actor: "system:test", Act: "report.accept"})
	})
}

func (c *centre) references(ctx context.Context, fn func(raw.Ref) error) error {
	after := database.ID(0)
	for {
		var batch []raw.Ref
		err := c.DB.View(ctx, func(tx *database.Tx) error {
			batch = nil
			rows, err := tx.Query(ctx, "SELECT id, raw FROM report WHERE id > $1 ORDER BY id LIMIT 100", after)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var ref raw.Ref
				if err := rows.Scan(&after, &ref); err != nil {
					return err
				}
				batch = append(batch, ref)
			}
			return rows.Err()
		})
		if err != nil || len(batch) == 0 {
			return err
		}
		for _, ref := range batch {
			if err := fn(ref); err != nil {
				return err
			}
		}
	}
}

func (c *centre) verify(t testing.TB) *Report {
	t.Helper()
	r, err := Verify(t.Context(), Subject{
		DB: c.DB, Raw: c.Raw, Audit: c.log, References: c.references, TempDir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func content(seed, size int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "mail %d, with words that are alike; ", seed), size/30+1)[:size]
}

// fill puts reports into three months, some of them large.
func (c *centre) fill(t testing.TB) {
	t.Helper()
	for i := range 30 {
		size := 3000
		if i%10 == 9 {
			size = raw.Large + 1000*i
		}
		if _, err := c.accept(t.Context(), c.DB.Now().AddDate(0, -(i%3)*2, 0), content(i, size)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.log.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.Dir, "belfry.toml"), []byte("# configuration\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// files returns the files under dir with their sizes.
func files(t testing.TB, dir string) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		all[name] = info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestBackupWhileReportsComeIn backs up under load, restores, and proves that
// every row in the copy has its bytes in the copy.
func TestBackupWhileReportsComeIn(t *testing.T) {
	c := openCentre(t, t.TempDir())
	c.fill(t)
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for w := range 4 {
		group.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				size := 2000
				if i%40 == 7 {
					size = raw.Large + i
				}
				if _, err := c.accept(ctx, c.DB.Now(), content(1000*w+i+100, size)); err != nil && ctx.Err() == nil {
					t.Errorf("accept: %v", err)
					return
				}
			}
		})
	}
	backups := t.TempDir()
	var made []Made
	var accepted []int64
	for range 3 {
		time.Sleep(30 * time.Millisecond)
		before := c.last.Load()
		m, err := Backup(t.Context(), c.Centre, backups)
		if err != nil {
			t.Fatal(err)
		}
		made, accepted = append(made, m), append(accepted, before)
	}
	stop()
	group.Wait()
	if r := c.verify(t); !r.Sound() {
		t.Errorf("the live centre: %+v", r)
	}
	for i, m := range made {
		bad := 0
		if _, err := CheckCopy(t.Context(), m.Path, nil, func(it Item, err error) { bad++; t.Error(it.Path, err) }); err != nil || bad > 0 {
			t.Errorf("CheckCopy: %d, %v", bad, err)
		}
		dir := filepath.Join(t.TempDir(), "data")
		h, err := Restore(t.Context(), m.Path, dir, RestoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]int{"report": 1, "audit": 1}, h.Schemas); diff != "" || h.Seal == nil {
			t.Errorf("the manifest: %s, seal %v", diff, h.Seal)
		}
		if Unfinished(dir) {
			t.Error("the restore is unfinished")
		}
		again := openCentre(t, dir)
		r := again.verify(t)
		if !r.Sound() || r.References < accepted[i]-4 || r.Contents < r.References || r.AuditEntries < accepted[i]-4 || r.Tables == 0 {
			t.Errorf("backup %d, %d accepted before: %+v", i, accepted[i], r)
		}
		again.close(t)()
	}
	if made[0].Linked != 0 || made[1].Linked == 0 || made[2].Linked < made[1].Linked {
		t.Errorf("linked: %d, %d, %d bytes", made[0].Linked, made[1].Linked, made[2].Linked)
	}
}

func TestAChangedMonthIsCopiedAgain(t *testing.T) {
	c := openCentre(t, t.TempDir())
	c.fill(t)
	old := c.DB.Now().AddDate(0, -2, 0)
	ref, err := c.accept(t.Context(), old, content(500, 3000))
	if err != nil {
		t.Fatal(err)
	}
	backups := t.TempDir()
	first, err := Backup(t.Context(), c.Centre, backups)
	if err != nil {
		t.Fatal(err)
	}
	// One erased, another in its place: as many contents as before.
	if err := c.Raw.Delete(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Raw.Put(t.Context(), old, content(501, 3000)); err != nil {
		t.Fatal(err)
	}
	second, err := Backup(t.Context(), c.Centre, backups)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join("raw", raw.MonthFile(ref.Month))
	a, err1 := os.Stat(filepath.Join(first.Path, name))
	b, err2 := os.Stat(filepath.Join(second.Path, name))
	if errors.Join(err1, err2) != nil || os.SameFile(a, b) {
		t.Errorf("the changed month was linked: %v %v", err1, err2)
	}
	other := filepath.Join("raw", raw.MonthFile(raw.MonthOf(c.DB.Now().AddDate(0, -4, 0))))
	a, err1 = os.Stat(filepath.Join(first.Path, other))
	b, err2 = os.Stat(filepath.Join(second.Path, other))
	if errors.Join(err1, err2) != nil || !os.SameFile(a, b) {
		t.Errorf("the unchanged month was copied: %v %v", err1, err2)
	}
	// The first may go; the second stays whole.
	if err := os.RemoveAll(first.Path); err != nil {
		t.Fatal(err)
	}
	if _, err := CheckCopy(t.Context(), second.Path, nil, func(it Item, err error) { t.Error(it.Path, err) }); err != nil {
		t.Error(err)
	}
}

func TestNothingIsDeletedDuringABackup(t *testing.T) {
	c := openCentre(t, t.TempDir())
	c.fill(t)
	month := raw.MonthOf(c.DB.Now().AddDate(0, -4, 0))
	var during error
	c.Progress = func(p Progress) {
		if p.Step == StepDatabase {
			during = c.Raw.DropMonth(t.Context(), month)
		}
	}
	if _, err := Backup(t.Context(), c.Centre, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if !fault.Is(during, fault.Busy) {
		t.Errorf("DropMonth during the backup = %v", during)
	}
	if err := c.Raw.DropMonth(t.Context(), month); err != nil {
		t.Errorf("DropMonth after the backup = %v", err)
	}
}

func TestAHalfBackupIsNotABackup(t *testing.T) {
	c := openCentre(t, t.TempDir())
	c.fill(t)
	backups := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	c.Progress = func(p Progress) {
		if p.Step == StepRaw {
			stop()
		}
	}
	if _, err := Backup(ctx, c.Centre, backups); !errors.Is(err, context.Canceled) {
		t.Errorf("Backup = %v", err)
	}
	if left := files(t, backups); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	// Killed, it leaves a folder that neither restores nor is linked to.
	half := filepath.Join(backups, "belfry-29990101T000000.000Z"+partial)
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	c.Progress = nil
	if _, err := Backup(t.Context(), c.Centre, backups); err != nil {
		t.Errorf("after a half one: %v", err)
	}
	if _, err := Restore(t.Context(), half, t.TempDir(), RestoreOptions{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("Restore of a half backup = %v", err)
	}
}

func TestRestoreRefuses(t *testing.T) {
	c := openCentre(t, t.TempDir())
	c.fill(t)
	whole, err := Backup(t.Context(), c.Centre, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Run("a folder that is not empty", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "x"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Restore(t.Context(), whole.Path, dir, RestoreOptions{}); !fault.Is(err, fault.Conflict) {
			t.Errorf("Restore = %v", err)
		}
		if got := files(t, dir); len(got) != 1 {
			t.Errorf("it wrote %v", got)
		}
	})
	month := filepath.Join("raw", raw.MonthFile(raw.MonthOf(c.DB.Now())))
	edit := func(name string, f func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, name)
			b, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, f(b), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	for name, damage := range map[string]func(*testing.T, string){
		"a flipped bit in a month":        edit(month, flip),
		"a flipped bit in the database":   edit("belfry.db", flip),
		"a database cut short":            edit("belfry.db", func(b []byte) []byte { return b[:len(b)-4096] }),
		"a database grown":                edit("belfry.db", func(b []byte) []byte { return append(b, 0) }),
		"a changed manifest":              edit(manifestName, func(b []byte) []byte { return bytes.Replace(b, []byte("belfry.toml"), []byte("Belfry.toml"), 1) }),
		"a manifest cut short":            edit(manifestName, func(b []byte) []byte { return b[:bytes.LastIndexByte(b[:len(b)-1], '\n')+1] }),
		"an empty manifest":               edit(manifestName, func([]byte) []byte { return nil }),
		"a manifest with more":            edit(manifestName, func(b []byte) []byte { return append(b, "{}\n"...) }),
		"a manifest that leads elsewhere": edit(manifestName, func(b []byte) []byte { return bytes.Replace(b, []byte(`"belfry.toml"`), []byte(`"../evil.sh"`), 1) }),
		"a missing file":                  func(t *testing.T, dir string) { _ = os.Remove(filepath.Join(dir, month)) },
		"no manifest":                     func(t *testing.T, dir string) { _ = os.Remove(filepath.Join(dir, manifestName)) },
	} {
		t.Run(name, func(t *testing.T) {
			src := filepath.Join(t.TempDir(), "copy")
			if err := os.CopyFS(src, os.DirFS(whole.Path)); err != nil {
				t.Fatal(err)
			}
			damage(t, src)
			dir := filepath.Join(t.TempDir(), "data")
			_, err := Restore(t.Context(), src, dir, RestoreOptions{})
			if err == nil {
				t.Fatal("it was restored")
			}
			if entries, _ := os.ReadDir(dir); len(entries) > 0 && !Unfinished(dir) {
				t.Error("the half restore is not marked")
			}
			bad := 0
			if _, err := CheckCopy(t.Context(), src, nil, func(Item, error) { bad++ }); err == nil && bad == 0 {
				t.Error("CheckCopy finds nothing")
			}
		})
	}
}

// TestVerifyFinds damages a centre in many ways and looks at what is said.
func TestVerifyFinds(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(*testing.T, *centre, raw.Ref, raw.Ref)
		want   func(*Report) bool
	}{
		{"nothing", func(*testing.T, *centre, raw.Ref, raw.Ref) {}, func(r *Report) bool { return r.Sound() && r.Contents == 32 && r.References == 32 }},
		{"bytes without a row", func(t *testing.T, c *centre, _, _ raw.Ref) {
			if _, err := c.Raw.Put(t.Context(), c.DB.Now(), content(9000, 100)); err != nil {
				t.Fatal(err)
			}
		}, func(r *Report) bool { return r.Sound() && r.Orphans == 1 }},
		{"a row without bytes", func(t *testing.T, c *centre, ref, _ raw.Ref) {
			if err := c.Raw.Delete(t.Context(), ref); err != nil {
				t.Fatal(err)
			}
		}, func(r *Report) bool { return r.Missing == 1 && r.FaultCount == 1 && r.Faults[0].Step == StepReferences }},
		{"a deleted large file", func(t *testing.T, c *centre, _, large raw.Ref) {
			if err := os.Remove(largeFile(t, c, large)); err != nil {
				t.Fatal(err)
			}
		}, func(r *Report) bool { return r.Missing == 1 && r.FaultCount == 1 }},
		{"a flipped bit in a large file", func(t *testing.T, c *centre, _, large raw.Ref) {
			flipFile(t, largeFile(t, c, large), 0.5)
		}, func(r *Report) bool {
			return r.Damaged == 1 && r.Missing == 0 && r.FaultCount == 1 && r.Faults[0].Step == StepRaw
		}},
		{"a flipped bit in a month", func(t *testing.T, c *centre, ref, _ raw.Ref) {
			inMonth(t, c, ref.Month, "UPDATE content SET data = zeroblob(length(data)) WHERE id = (SELECT max(id) FROM content WHERE data IS NOT NULL)")
		}, func(r *Report) bool { return r.Damaged == 1 && r.FaultCount == 1 }},
		{"an index that does not fit its table", func(t *testing.T, c *centre, _, _ raw.Ref) {
			err := c.DB.Update(t.Context(), func(tx *database.Tx) error {
				for _, s := range []string{
					"PRAGMA writable_schema = ON",
					"UPDATE sqlite_master SET sql = replace(sql, '(raw)', '(id)') WHERE name = 'report_raw'",
					"PRAGMA writable_schema = RESET",
				} {
					if _, err := tx.Exec(t.Context(), s); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}, func(r *Report) bool { return !r.Sound() && r.Faults[0].Step == StepIntegrity }},
		{"a changed audit entry", func(t *testing.T, c *centre, _, _ raw.Ref) {
			if err := c.DB.Update(t.Context(), func(tx *database.Tx) error {
				_, err := tx.Exec(t.Context(), "UPDATE audit_entry SET act = 'nothing' WHERE seq = 9")
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}, func(r *Report) bool { return r.FaultCount == 1 && r.Faults[0].What == "entry 9" && r.AuditEntries == 8 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := openCentre(t, t.TempDir())
			x.fill(t)
			ref, err1 := x.accept(t.Context(), x.DB.Now(), content(700, 4000))
			large, err2 := x.accept(t.Context(), x.DB.Now(), content(701, raw.Large+9))
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			c.damage(t, x, ref, large)
			if r := x.verify(t); !c.want(r) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestVerifyGoesOnPastABrokenMonth overwrites pages of a closed month's file.
func TestVerifyGoesOnPastABrokenMonth(t *testing.T) {
	dir := t.TempDir()
	c := openCentre(t, dir)
	c.fill(t)
	c.close(t)()
	path := filepath.Join(dir, "raw", raw.MonthFile(raw.MonthOf(c.DB.Now().AddDate(0, -4, 0))))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096; i < len(b); i++ {
		b[i] ^= 0xa5
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	r := openCentre(t, dir).verify(t)
	if r.Sound() || r.Contents < 18 || r.Missing < 5 {
		t.Errorf("%+v", r)
	}
}

func largeFile(t *testing.T, c *centre, ref raw.Ref) string {
	t.Helper()
	found := ""
	sum := ref.String()[len(ref.Month)+1:]
	err := c.Raw.(*raw.Embedded).EachLarge(t.Context(), ref.Month, func(name, path string, _ int64) error {
		if strings.Contains(name, sum) {
			found = path
		}
		return nil
	})
	if err != nil || found == "" {
		t.Fatalf("the large file: %q, %v", found, err)
	}
	return found
}

func flipFile(t *testing.T, path string, where float64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[int(float64(len(b))*where)] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func inMonth(t *testing.T, c *centre, month, stmt string) {
	t.Helper()
	err := c.Raw.(*raw.Embedded).ViewMonth(t.Context(), month, func(db *database.DB) error {
		return db.Update(t.Context(), func(tx *database.Tx) error {
			_, err := tx.Exec(t.Context(), stmt)
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBackupDatabase(t *testing.T) {
	c := openCentre(t, t.TempDir())
	c.fill(t)
	dst := filepath.Join(t.TempDir(), "before-migration.db")
	if err := BackupDatabase(t.Context(), c.DB, dst); err != nil {
		t.Fatal(err)
	}
	if err := BackupDatabase(t.Context(), c.DB, dst); err == nil {
		t.Error("an existing file was overwritten")
	}
	db, err := database.Open(t.Context(), database.Options{Path: dst})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if n, err := audit.New(db, audit.Options{Dir: c.Dir}).Verify(t.Context()); n != 30 || err != nil {
		t.Errorf("the copy's audit log: %d, %v", n, err)
	}
	if err := integrity(t.Context(), db, func(string, int64, int64) {}, func(s string) { t.Error(s) }); err != nil {
		t.Error(err)
	}
}

func TestACopyGivesUpBeforeTheLogFillsTheDisk(t *testing.T) {
	c := openCentre(t, t.TempDir())
	c.fill(t)
	c.MaxLog = 1
	dst := t.TempDir()
	if _, err := Backup(t.Context(), c.Centre, dst); !fault.Is(err, fault.Busy) {
		t.Errorf("Backup = %v", err)
	}
	if left := files(t, dst); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"belfry_backup":1}` + "\n" + `{"path":"a/b","size":1,"sha256":""}` + "\n" + `{"files":1,"sha256":""}` + "\n"))
	f.Add([]byte(`{"belfry_backup":1}` + "\n" + `{"path":"..\\x/../..","size":-1}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := readManifest(bytes.NewReader(b), func(it Item) error {
			if !filepath.IsLocal(it.Path) || it.Size < 0 {
				t.Errorf("accepted %+v", it)
			}
			return nil
		})
		if err != nil && !errors.Is(err, errManifest) {
			t.Errorf("%v", err)
		}
	})
}
