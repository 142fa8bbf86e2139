//go:build unix

package analysis_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/belfry-centre/belfry/internal/analysis"
)

// corpusVariable names a folder with the folders phish and ham; without it the
// benchmark runs on mails of our own, which are smaller than real ones.
const corpusVariable = "BELFRY_TEST_CORPUS"

// BenchmarkToVerdict measures from the bytes of a mail to its verdict.
func BenchmarkToVerdict(b *testing.B) {
	mails := benchMails(b)
	b.ReportAllocs()
	start := spent(b)
	n := 0
	for b.Loop() {
		for _, raw := range mails {
			analysis.Examine(raw, analysis.Evidence{})
		}
		n += len(mails)
	}
	b.ReportMetric(float64(n)/(spent(b)-start).Seconds(), "mails/CPU-s")
}

// spent is the processor time of this program until now, garbage collection
// with it.
func spent(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchMails(b *testing.B) [][]byte {
	var mails [][]byte
	if dir := os.Getenv(corpusVariable); dir != "" {
		for _, folder := range []string{"phish", "ham"} {
			files, err := filepath.Glob(filepath.Join(dir, folder, "*.eml"))
			if err != nil {
				b.Fatal(err)
			}
			for _, file := range files {
				raw, err := os.ReadFile(file)
				if err != nil {
					b.Fatal(err)
				}
				mails = append(mails, raw)
			}
		}
		if len(mails) == 0 {
			b.Fatalf("%s has no mails in phish or ham", dir)
		}
		return mails
	}
	text := "From: Parcel Office <office@parcel.example.org>\nTo: r@example.net\nSubject: Your parcel\nContent-Type: text/plain; charset=utf-8\n\n"
	html := strings.Replace(text, "text/plain", "text/html", 1)
	line := "Your parcel is waiting: pay the fee of 2 euro at https://parcel.example.org/pay?id=7 within 24 hours. "
	return [][]byte{[]byte(text + strings.Repeat(line+"\n", 20)), []byte(html + "<html><body>" + strings.Repeat("<p>"+line+"</p><a href=\"https://x.example.org/\">Pay</a>", 40) + "</body></html>")}
}
