package corpus

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/belfry-centre/belfry/internal/analysis"
	"github.com/belfry-centre/belfry/internal/analysis/original"
)

func TestMailsAreLikeReportedOnes(t *testing.T) {
	w, err := New(1)
	if err != nil {
		t.Fatal(err)
	}
	const n = 2000
	total, observables, attached := 0, 0, 0
	seen, senders := map[[32]byte]bool{}, map[string]bool{}
	languages := map[string]int{}
	for range n {
		m := w.Next()
		total += len(m.Content)
		seen[sha256.Sum256(m.Content)], senders[m.From] = true, true
		if i := bytes.IndexByte(bytes.ReplaceAll(m.Content, []byte("\r\n"), nil), '\n'); i >= 0 {
			t.Fatal("a line ends without CR")
		}
		x := analysis.Examine(m.Content, analysis.Evidence{})
		if len(x.Items) != 1 || len(x.Outer.Defects) > 0 {
			t.Fatalf("%d items, defects %v", len(x.Items), x.Outer.Defects)
		}
		if x.Items[0].Original.How == original.Attached {
			attached++
		}
		observables += len(x.Items[0].Observables)
		languages[x.Items[0].Assessment.Language]++
	}
	if mean := total / n; mean < 27<<10 || mean > 33<<10 {
		t.Errorf("%d bytes in the mean", mean)
	}
	if len(seen) != n || len(senders) != n {
		t.Errorf("%d different mails from %d senders of %d", len(seen), len(senders), n)
	}
	if mean := float64(observables) / n; mean < 10 || mean > 17 {
		t.Errorf("%.1f observables in the mean", mean)
	}
	if attached < n*6/10 || attached > n*9/10 {
		t.Errorf("%d of %d were attached", attached, n)
	}
	for _, code := range []string{"nl", "fr", "de", "en"} {
		if languages[code] < n/6 {
			t.Errorf("%d mails in %s: %v", languages[code], code, languages)
		}
	}
}

func TestTheSameSeedWritesTheSame(t *testing.T) {
	a, errA := New(7)
	b, errB := New(7)
	c, errC := New(8)
	if errA != nil || errB != nil || errC != nil {
		t.Fatal(errA, errB, errC)
	}
	for range 20 {
		x, y, z := a.Next(), b.Next(), c.Next()
		if x.From != y.From || !bytes.Equal(x.Content, y.Content) {
			t.Fatal("two writers of one seed differ")
		}
		if x.From == z.From || bytes.Equal(x.Content, z.Content) {
			t.Fatal("two seeds write the same")
		}
	}
}

func BenchmarkNext(b *testing.B) {
	w, err := New(1)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		b.SetBytes(int64(len(w.Next().Content)))
	}
}
