package audit

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

func add(t *testing.T, l *Log, e Entry) {
	t.Helper()
	if err := l.db.Update(t.Context(), func(tx *database.Tx) error { return l.Append(t.Context(), tx, e) }); err != nil {
		t.Fatal(err)
	}
}

func fill(t *testing.T, l *Log, n int) {
	t.Helper()
	for i := range n {
		add(t, l, Entry{
			Actor: "account:77", Act: "report.close", Object: fmt.Sprintf("report:%d", i),
			Detail: map[string]string{"state": "closed", "note": "a \"quoted\"\nline, é \u2028 \x01 <b>"},
		})
	}
}

func broken(t *testing.T, l *Log, seq int64) {
	t.Helper()
	n, err := l.Verify(t.Context())
	e, ok := errors.AsType[*BrokenError](err)
	if !ok || e.Seq != seq {
		t.Errorf("Verify = %d, %v; want it broken at %d", n, err, seq)
	}
}

func exec(t *testing.T, db *database.DB, stmts ...string) {
	t.Helper()
	err := db.Update(t.Context(), func(tx *database.Tx) error {
		for _, s := range stmts {
			if _, err := tx.Exec(t.Context(), s); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnUntouchedLogIsRight(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		l := New(db, Options{Dir: t.TempDir()})
		if n, err := l.Verify(t.Context()); n != 0 || err != nil {
			t.Errorf("empty: %d, %v", n, err)
		}
		if s, err := l.Seal(t.Context()); s.Seq != 0 || err != nil {
			t.Errorf("sealing nothing: %+v, %v", s, err)
		}
		fill(t, l, 5)
		s, err := l.Seal(t.Context())
		if err != nil || s.Seq != 5 || !s.Valid() {
			t.Fatalf("Seal = %+v, %v", s, err)
		}
		fill(t, l, 4)
		if _, err := l.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, err := l.Verify(t.Context()); n != 9 || err != nil {
			t.Errorf("Verify = %d, %v", n, err)
		}
		h, err := l.Head(t.Context())
		if err != nil || h.Seq != 9 {
			t.Errorf("Head = %+v, %v", h, err)
		}
		// An act that fails leaves no entry, and no gap.
		stop := errors.New("stop")
		if err := db.Update(t.Context(), func(tx *database.Tx) error {
			return errors.Join(l.Append(t.Context(), tx, Entry{Actor: "x", Act: "y"}), stop)
		}); !errors.Is(err, stop) {
			t.Errorf("Update = %v", err)
		}
		fill(t, l, 1)
		if n, err := l.Verify(t.Context()); n != 10 || err != nil {
			t.Errorf("Verify = %d, %v", n, err)
		}
	}, Schema)
}

func TestTampering(t *testing.T) {
	const rehash = "UPDATE audit_head SET hash = (SELECT hash FROM audit_entry ORDER BY seq DESC LIMIT 1), seq = (SELECT max(seq) FROM audit_entry)"
	for _, c := range []struct {
		name  string
		seq   int64
		stmts []string
	}{
		{"the actor is changed", 4, []string{"UPDATE audit_entry SET actor = 'account:1' WHERE seq = 4"}},
		{"the time is changed", 4, []string{"UPDATE audit_entry SET at = at + 1 WHERE seq = 4"}},
		{"letters move between fields", 4, []string{"UPDATE audit_entry SET actor = 'account:77r', act = 'eport.close' WHERE seq = 4"}},
		{"the detail is written otherwise", 2, []string{"UPDATE audit_entry SET detail = replace(detail, ':', ': ') WHERE seq = 2"}},
		{"the hash is changed", 3, []string{"UPDATE audit_entry SET hash = (SELECT hash FROM audit_entry WHERE seq = 5) WHERE seq = 3"}},
		{"one is deleted", 6, []string{"DELETE FROM audit_entry WHERE seq = 6"}},
		{"one is deleted and the gap closed", 6, []string{
			"DELETE FROM audit_entry WHERE seq = 6",
			"UPDATE audit_entry SET seq = 6 WHERE seq = 7", "UPDATE audit_entry SET seq = 7 WHERE seq = 8", rehash,
		}},
		{"the first is deleted", 1, []string{"DELETE FROM audit_entry WHERE seq = 1"}},
		{"two change places", 3, []string{
			"UPDATE audit_entry SET seq = 100 WHERE seq = 3", "UPDATE audit_entry SET seq = 3 WHERE seq = 4",
			"UPDATE audit_entry SET seq = 4 WHERE seq = 100",
		}},
		{"the end is cut off", 7, []string{"DELETE FROM audit_entry WHERE seq > 6"}},
		{"the end is cut off and the head set back", 7, []string{"DELETE FROM audit_entry WHERE seq > 6", rehash}},
		{"the end is cut off with its seals", 5, []string{"DELETE FROM audit_entry WHERE seq > 4", "DELETE FROM audit_seal", rehash}},
		{"everything is deleted", 1, []string{"DELETE FROM audit_entry", "DELETE FROM audit_seal", "DELETE FROM audit_head"}},
		{"one is added past the head", 9, []string{
			"INSERT INTO audit_entry SELECT seq + 1, at, actor, act, object, detail, previous, hash FROM audit_entry WHERE seq = 8",
		}},
		{"the head is set back", 6, []string{"UPDATE audit_head SET seq = 5, hash = (SELECT hash FROM audit_entry WHERE seq = 5)"}},
		{"a seal's signature is changed", 7, []string{"UPDATE audit_seal SET signature = hash WHERE seq = 7"}},
		{"a seal's hash is changed", 7, []string{"UPDATE audit_seal SET hash = (SELECT hash FROM audit_entry WHERE seq = 2)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			databasetest.Each(t, func(t *testing.T, db *database.DB) {
				l := New(db, Options{Dir: t.TempDir()})
				fill(t, l, 7)
				if _, err := l.Seal(t.Context()); err != nil {
					t.Fatal(err)
				}
				fill(t, l, 1)
				if n, err := l.Verify(t.Context()); n != 8 || err != nil {
					t.Fatalf("before: %d, %v", n, err)
				}
				exec(t, db, c.stmts...)
				broken(t, l, c.seq)
			}, Schema)
		})
	}
}

// TestARewrittenLogIsFound rewrites the log with right hashes, as somebody
// with the database but without the data directory can.
func TestARewrittenLogIsFound(t *testing.T) {
	dir := t.TempDir()
	db := databasetest.Open(t, database.Options{}, Schema)
	l := New(db, Options{Dir: dir})
	fill(t, l, 6)
	if _, err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "DELETE FROM audit_entry", "DELETE FROM audit_seal", "DELETE FROM audit_head")
	forger := New(db, Options{Dir: t.TempDir()})
	fill(t, forger, 9)
	if _, err := forger.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := forger.Verify(t.Context()); n != 9 || err != nil {
		t.Errorf("without the data directory: %d, %v", n, err)
	}
	broken(t, l, 6)
	// Nor may the file be exchanged.
	theirs, err := os.ReadFile(filepath.Join(forger.o.Dir, SealFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, SealFile), theirs, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Verify(t.Context()); err == nil {
		t.Error("a foreign seal in the data directory was believed")
	}
}

func TestManyAppendAtOnce(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		l := New(db, Options{Dir: t.TempDir()})
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() { fill(t, l, 10) })
		}
		group.Go(func() {
			for range 5 {
				if _, err := l.Seal(t.Context()); err != nil {
					t.Errorf("Seal: %v", err)
				}
				if _, err := l.Verify(t.Context()); err != nil {
					t.Errorf("Verify meanwhile: %v", err)
				}
			}
		})
		group.Wait()
		if n, err := l.Verify(t.Context()); n != 80 || err != nil {
			t.Errorf("Verify = %d, %v", n, err)
		}
	}, Schema)
}

func TestVerifyGoesThroughBatches(t *testing.T) {
	db := databasetest.Open(t, database.Options{}, Schema)
	l := New(db, Options{Dir: t.TempDir()})
	const n = 2*walkBatch + 7
	for range n / walkBatch {
		if err := db.Update(t.Context(), func(tx *database.Tx) error {
			for range walkBatch {
				if err := l.Append(t.Context(), tx, Entry{Actor: "system:test", Act: "x"}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, l, n%walkBatch)
	if got, err := l.Verify(t.Context()); got != n || err != nil {
		t.Fatalf("Verify = %d, %v", got, err)
	}
	exec(t, db, "UPDATE audit_seal SET hash = (SELECT hash FROM audit_entry WHERE seq = 2), signature = hash WHERE seq = 2000")
	broken(t, l, 2000)
}

// TestExportCanBeVerifiedByOthers recomputes the chain from the export alone,
// as the package's documentation tells it.
func TestExportCanBeVerifiedByOthers(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		l := New(db, Options{})
		fill(t, l, 3)
		add(t, l, Entry{Actor: "system:purge", Act: "purge.month", Detail: map[string]string{"b": "2", "a": "\x00\xff</script>"}})
		var out bytes.Buffer
		if err := l.Export(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		previous := make([]byte, 32)
		n := uint64(0)
		for lines := bufio.NewScanner(&out); lines.Scan(); n++ {
			var e struct {
				Seq, At            uint64
				Actor, Act, Object string
				Detail             json.RawMessage
				Previous, Hash     string
			}
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				t.Fatalf("%v in %s", err, lines.Text())
			}
			b := append([]byte("belfry-audit-1\n"), previous...)
			b = binary.BigEndian.AppendUint64(b, e.Seq)
			b = binary.BigEndian.AppendUint64(b, e.At)
			for _, s := range []string{e.Actor, e.Act, e.Object, string(e.Detail)} {
				b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
			}
			sum := sha256.Sum256(b)
			if hex.EncodeToString(sum[:]) != e.Hash || hex.EncodeToString(previous) != e.Previous || e.Seq != n+1 {
				t.Errorf("line %d does not fit: %s", n+1, lines.Text())
			}
			previous = sum[:]
		}
		if n != 4 {
			t.Errorf("%d lines", n)
		}
	}, Schema)
}

func TestRulesOfAnEntry(t *testing.T) {
	db := databasetest.Open(t, database.Options{}, Schema)
	l := New(db, Options{})
	many := map[string]string{}
	for i := range maxKeys + 1 {
		many[fmt.Sprint(i)] = ""
	}
	for what, e := range map[string]Entry{
		"no actor":         {Act: "x"},
		"no act":           {Actor: "x"},
		"an address":       {Actor: "an@example.org", Act: "x"},
		"a name":           {Actor: "x", Act: "x", Object: "An Example"},
		"a long object":    {Actor: "x", Act: "x", Object: strings.Repeat("x", maxName+1)},
		"many details":     {Actor: "x", Act: "x", Detail: many},
		"a long detail":    {Actor: "x", Act: "x", Detail: map[string]string{"a": strings.Repeat("x", maxDetailText+1)}},
		"a detail's key":   {Actor: "x", Act: "x", Detail: map[string]string{"a b": ""}},
		"much altogether":  {Actor: "x", Act: "x", Detail: filled(30, maxDetailText)},
		"an unnamed field": {Actor: "x", Act: "x", Detail: map[string]string{"": ""}},
	} {
		err := db.Update(t.Context(), func(tx *database.Tx) error { return l.Append(t.Context(), tx, e) })
		if k := fault.KindOf(err); k != fault.Invalid && k != fault.TooLarge {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n, err := l.Verify(t.Context()); n != 0 || err != nil {
		t.Errorf("Verify = %d, %v", n, err)
	}
}

func filled(n, size int) map[string]string {
	m := map[string]string{}
	for i := range n {
		m[fmt.Sprint(i)] = strings.Repeat("x", size)
	}
	return m
}

func TestTheKeyIsMadeOnce(t *testing.T) {
	dir := t.TempDir()
	db := databasetest.Open(t, database.Options{}, Schema)
	fill(t, New(db, Options{}), 1)
	if _, err := New(db, Options{}).Seal(t.Context()); err == nil {
		t.Error("sealed without a data directory")
	}
	keys := make(chan string, 6)
	var group sync.WaitGroup
	for range cap(keys) {
		group.Go(func() {
			s, err := New(db, Options{Dir: dir}).Seal(t.Context())
			if err != nil {
				t.Error(err)
			}
			keys <- string(s.PublicKey)
		})
	}
	group.Wait()
	first := <-keys
	for range cap(keys) - 1 {
		if <-keys != first {
			t.Fatal("two keys were made")
		}
	}
	info, err := os.Stat(filepath.Join(dir, KeyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(dir, KeyFile), []byte("AAAA"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(db, Options{Dir: dir}).Seal(t.Context()); err == nil {
		t.Error("sealed with a damaged key")
	}
}

func BenchmarkAppend(b *testing.B) {
	db := databasetest.Open(b, database.Options{}, Schema)
	l := New(db, Options{})
	for b.Loop() {
		if err := db.Update(b.Context(), func(tx *database.Tx) error {
			return l.Append(b.Context(), tx, Entry{Actor: "account:1", Act: "report.close", Object: "report:1"})
		}); err != nil {
			b.Fatal(err)
		}
	}
}
