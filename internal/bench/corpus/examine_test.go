package corpus

import (
	"testing"

	"github.com/belfry-centre/belfry/internal/analysis"
)

// BenchmarkExamine is what the analysis of one mail costs, without any store.
func BenchmarkExamine(b *testing.B) {
	w, err := New(1)
	if err != nil {
		b.Fatal(err)
	}
	var mails [][]byte
	for range 500 {
		mails = append(mails, w.Next().Content)
	}
	for i := 0; b.Loop(); i++ {
		mail := mails[i%len(mails)]
		b.SetBytes(int64(len(mail)))
		analysis.Examine(mail, analysis.Evidence{})
	}
}
