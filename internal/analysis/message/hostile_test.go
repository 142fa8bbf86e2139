package message

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// sample is a message with one of everything, from which the tests below make
// broken ones.
var sample = crlf("Return-Path: <>\n" + top + `Received: from a.example by b.example;
	Tue, 3 Nov 2026 15:05:06 +0100
Content-Type: multipart/mixed; boundary="=_out"

--=_out
Content-Type: multipart/alternative; boundary="=_in"

--=_in
Content-Type: text/plain; charset=utf-8; format=flowed
Content-Transfer-Encoding: quoted-printable

caf=C3=A9 =
noir

--=_in
Content-Type: text/html; charset=iso-8859-1

<p style="display:none">x</p><a href="https://a.test/">` + "\xe9" + `</a><!--[if mso]><a href=b><![endif]-->
--=_in--
--=_out
Content-Type: message/rfc822

From: =?utf-8?B?w4lsw6ltZW50?= <x@y.test>
Subject: Inner
Content-Type: multipart/report; boundary=r

--r
Content-Type: message/delivery-status

Action: failed

--r--
--=_out
Content-Type: application/zip; name*0*=utf-8''%C3%A9; name*1=.zip
Content-Transfer-Encoding: base64

UEsDBBQAAAAAAAAAAAAAAAAAAAAAAAAAAAABAAAAYVBLBQY=
--=_out--
`)

// check fails for a message that breaks what Message promises.
func check(t *testing.T, m *Message) {
	t.Helper()
	texts := []string{m.Subject, m.Text, m.HTML, m.Body(), m.MessageID, m.ReturnPath}
	for _, list := range [][]Address{m.From, m.Sender, m.ReplyTo, m.To, m.Cc} {
		for _, a := range list {
			texts = append(texts, a.Name, a.Address, a.Domain())
		}
	}
	for i := range m.Attachments {
		a := &m.Attachments[i]
		texts = append(texts, a.Name, a.ContentID, a.Declared, a.Type)
		if strings.ContainsAny(a.Name, "/\\") {
			t.Errorf("file name %q has a path", a.Name)
		}
		if a.Message != nil {
			check(t, a.Message)
		}
	}
	for _, d := range m.Defects {
		texts = append(texts, d.Detail)
	}
	for _, s := range texts {
		if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
			t.Errorf("%q is not UTF-8 without NUL", s)
		}
	}
	for _, f := range m.Header {
		if strings.ContainsAny(f.Value, "\r\n\x00") {
			t.Errorf("field %q holds a line end", f.Value)
		}
	}
	if m.Markup != nil {
		for _, l := range m.Markup.Links {
			if l.Start < 0 || l.End < l.Start || l.End > len(m.Markup.Text) {
				t.Errorf("link %+v is outside of the text", l)
			}
		}
	}
}

func TestEveryPrefix(t *testing.T) {
	for i := range sample {
		check(t, Parse(sample[:i], Limits{}))
	}
}

func TestMutations(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"\r", "\n", "\r\n", "\x00", "--", "--=_out", "--=_in--\r\n", "\"", "=?", "?=", ":", ";", "\xff", "<", ">", "(", "*0*=", "base64", "Content-Type: multipart/mixed\r\n", "\r\n\r\n"}
	for range 3000 {
		b := bytes.Clone(sample)
		for range 1 + rng.IntN(6) {
			i := rng.IntN(len(b))
			switch rng.IntN(3) {
			case 0:
				b[i] = byte(rng.IntN(256))
			case 1:
				b = append(b[:i], b[min(len(b), i+rng.IntN(40)):]...)
			case 2:
				b = append(b[:i], append([]byte(pieces[rng.IntN(len(pieces))]), b[i:]...)...)
			}
			if len(b) == 0 {
				break
			}
		}
		check(t, Parse(b, Limits{}))
	}
}

// TestBombs parses mails that were made to hurt. Each must come back soon (the
// bound leaves room for a busy machine; TestLinear looks for squares),
// with the defect that says what was cut off, in memory that is a small
// multiple of its size.
func TestBombs(t *testing.T) {
	if testing.Short() {
		t.Skip("mails of 50 MB")
	}
	const MB = 1 << 20
	nested := func(n int) string {
		var b strings.Builder
		b.WriteString(top)
		for i := range n {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
		}
		return b.String()
	}
	encoded := []byte("From: a@b.test\n\nend\n")
	for range 12 {
		encoded = []byte("From: a@b.test\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString(encoded) + "\n")
	}
	mixed := top + "Content-Type: multipart/mixed; boundary=x\n\n"
	lost := func(n int) string { // multiparts whose boundaries are nowhere
		var b strings.Builder
		b.WriteString(top)
		for i := range n {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=nowhere%d\n\n--y%d\n", i, i)
		}
		return b.String()
	}
	tests := []struct {
		name, in string
		defect   string
	}{
		{"one line of 50 MB", top + "\n" + strings.Repeat("a", 50*MB), DefectLimitText},
		{"one header line of 50 MB", top + "X-Long: " + strings.Repeat("a", 50*MB) + "\n\nHello\n", DefectLimitHeader},
		{"one field folded into 50 MB", top + "X-Long: a\n" + strings.Repeat(" a\n", 50*MB/3) + "\nHello\n", DefectLimitHeader},
		{"a million fields", top + strings.Repeat("X-A: b\n", MB) + "\nHello\n", DefectLimitHeader},
		{"header without end", top + strings.Repeat("no field\nFrom: x\n", MB), DefectLimitHeader},
		{"a million parts", mixed + strings.Repeat("--x\n\na\n", MB), DefectLimitParts},
		{"a million attachments", mixed + strings.Repeat("--x\nContent-Type: a/b\n\na\n", MB), DefectLimitAttachment},
		{"10,000 multiparts inside each other", nested(10_000), DefectLimitDepth},
		{"10,000 multiparts with lost boundaries", lost(10_000), DefectBoundaryMissing},
		{"10,000 messages inside each other", strings.Repeat("From: a@b.test\nContent-Type: message/rfc822\n\n", 10_000), DefectLimitDepth},
		{"encoded messages inside each other", string(encoded), ""},
		{"delimiters only", mixed + strings.Repeat("--y\n", 8*MB), DefectBoundaryMissing},
		{"25 MB of encoded words", "From: a@b.test\nSubject: " + strings.Repeat("=?utf-8?q?=41", 2*MB) + "\n\nx", DefectLimitHeader},
		{"a million addresses", "From: a@b.test\nTo: " + strings.Repeat("a@b.test,", MB) + "\n\nx", DefectLimitHeader},
		{"many addresses", "From: a@b.test\n" + strings.Repeat("To: "+strings.Repeat("a@b.test,", 500)+"\n", 50) + "\nx", DefectLimitAddresses},
		{"quotes", "From: " + strings.Repeat("\"(<@,", 20_000) + "\n\nx", DefectAddress},
		{"parameters", top + "Content-Type: a/b; " + strings.Repeat("x*0*=a;", 15_000) + "\n\nx", ""},
		{"tags", top + "Content-Type: text/html\n\n" + strings.Repeat("<a href=x>", 5*MB), DefectLimitText},
		{"open tags", top + "Content-Type: text/html\n\n" + strings.Repeat("<", 50*MB), DefectLimitText},
		{"uuencoded beginnings", top + "\n" + strings.Repeat("begin 644 a\n", 100_000) + "\nend", ""},
		{"quoted-printable", top + "Content-Transfer-Encoding: quoted-printable\n\n" + strings.Repeat("= ", 10*MB), DefectTransfer},
		{"base64", top + "Content-Type: a/b\nContent-Transfer-Encoding: base64\n\n" + strings.Repeat("!AAA", 12*MB), DefectTransfer},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			raw := []byte(tt.in)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			m := Parse(raw, Limits{})
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			found := tt.defect == ""
			for a := m; a != nil && !found; {
				found = a.HasDefect(tt.defect)
				if len(a.Attachments) == 0 {
					break
				}
				a = a.Attachments[0].Message
			}
			if !found {
				t.Errorf("no defect %s in %v", tt.defect, m.Defects)
			}
			if most := 20 * time.Second; took > most { // a quiet machine takes 0.5
				t.Errorf("took %v, want less than %v", took, most)
			}
			if got, most := after.TotalAlloc-before.TotalAlloc, uint64(60*MB+2*len(raw)); got > most {
				t.Errorf("allocated %d MB, want at most %d", got/MB, most/MB)
			}
			t.Logf("%v, %d kB allocated", took, (after.TotalAlloc-before.TotalAlloc)>>10)
		})
	}
}

// TestLinear makes the input eight times as long and expects about eight times
// the time, for the constructions that invite a square.
func TestLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	wide := Limits{HeaderBytes: 64 << 20, LineBytes: 64 << 20, Headers: 1 << 20, Parts: 1 << 20, Attachments: 1 << 20, Addresses: 1 << 20, TextBytes: 64 << 20}
	makers := map[string]func(n int) string{
		"words":     func(n int) string { return "Subject: " + strings.Repeat("=?utf-8?q?a", n) },
		"word ends": func(n int) string { return "Subject: " + strings.Repeat("=?a?x?", n) + "?=" },
		"quotes":    func(n int) string { return "From: " + strings.Repeat(`"a`, n) },
		"comments":  func(n int) string { return "From: " + strings.Repeat("(a", n) },
		"brackets":  func(n int) string { return "From: " + strings.Repeat("<@,", n) },
		"colons":    func(n int) string { return "From: a@b" + strings.Repeat(":", n) },
		"names":     func(n int) string { return "From: " + strings.Repeat("a, b <c>", n) },
		"parts": func(n int) string {
			return top + "Content-Type: multipart/mixed; boundary=x\n\n" + strings.Repeat("--x\n\na\n", n)
		},
		"uu":         func(n int) string { return top + "\n" + strings.Repeat("begin 644 a\n#0V%T\n", n) + "end" },
		"uu files":   func(n int) string { return top + "\n" + strings.Repeat("begin 644 a\n#0V%T\n`\nend\n", n) },
		"cr":         func(n int) string { return top + "\n" + strings.Repeat("\r\n\r", n) },
		"parameters": func(n int) string { return top + "Content-Type: a/b" + strings.Repeat("; a=\"", n) + "\n\nx" },
	}
	for name, maker := range makers {
		t.Run(name, func(t *testing.T) {
			measure := func(n int) time.Duration {
				raw := []byte(maker(n))
				best := time.Hour
				for range 3 {
					start := time.Now()
					Parse(raw, wide)
					best = min(best, time.Since(start))
				}
				return best
			}
			const n = 20_000
			var one, eight time.Duration
			for range 3 { // a busy machine spoils one try, a square all of them
				one, eight = measure(n), measure(8*n)
				if eight <= 32*one+100*time.Millisecond { // a square gives 64
					return
				}
			}
			t.Errorf("%d: %v, %d: %v", n, one, 8*n, eight)
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample)
	f.Add([]byte("From: a@b.test\n\nHello"))
	f.Add([]byte("Content-Type: multipart/mixed\n\n--x\nContent-Type: text/html\n\n<a href=b>\n"))
	f.Add([]byte("From \"x <a@b>, (c\nContent-Type: text/plain; charset=utf-16\nContent-Transfer-Encoding: base64\n\nAAA"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		check(t, Parse(raw, Limits{Bytes: 1 << 20}))
	})
}

// newsletter makes a message of about 30 kB like those that people report: HTML with
// a table layout and the text beside it.
func newsletter() []byte {
	var page strings.Builder
	page.WriteString("<html><head><style>.a{color:#333}</style></head><body bgcolor=\"#ffffff\"><table width=600>")
	words := strings.Fields("your account will be closed unless you confirm the payment within two days please follow the link below to keep it open")
	rng := rand.New(rand.NewPCG(3, 4))
	for page.Len() < 18_000 {
		fmt.Fprintf(&page, "<tr><td style=\"font-family:Arial,sans-serif;font-size:%dpx;color:#333333;padding:0 20px\"><p>", 12+rng.IntN(6))
		for range 25 {
			page.WriteString(words[rng.IntN(len(words))] + " ")
		}
		fmt.Fprintf(&page, "<a href=\"https://www%d.example.org/track?id=%x&amp;u=%x\" target=\"_blank\">open</a></p><img src=\"https://img.example.org/%x.png\" width=\"20\" alt=\"\"></td></tr>\n", rng.IntN(9), rng.Uint64(), rng.Uint64(), rng.Uint32())
	}
	page.WriteString("</table></body></html>")
	encode := func(s string) string {
		e := base64.StdEncoding.EncodeToString([]byte(s))
		var b strings.Builder
		for len(e) > 76 {
			b.WriteString(e[:76] + "\n")
			e = e[76:]
		}
		return b.String() + e + "\n"
	}
	var b strings.Builder
	for i := range 8 {
		fmt.Fprintf(&b, "Received: from mx%d.example.org (mx%d.example.org [192.0.2.%d])\n\tby mail.example.net with ESMTPS id %x\n\tfor <desk@example.net>; Tue, 3 Nov 2026 15:05:06 +0100\n", i, i, i, rng.Uint64())
	}
	b.WriteString(top + "Date: Tue, 3 Nov 2026 15:05:06 +0100\nMessage-ID: <1@example.org>\nContent-Type: multipart/alternative; boundary=\"=_b\"\n\n--=_b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n")
	b.WriteString(strings.Repeat("Your account will be closed =C3=A9 unless you confirm the payment =\nwithin two days.\n", 20))
	b.WriteString("\n--=_b\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\n" + encode(page.String()) + "\n--=_b--\n")
	return crlf(b.String())
}

func BenchmarkParse(b *testing.B) {
	forward := func(inner []byte) []byte {
		return append(append(crlf(top+"Content-Type: multipart/mixed; boundary=fwd\n\n--fwd\n\nIs this real?\n--fwd\nContent-Type: message/rfc822\n\n"), inner...), "\r\n--fwd--\r\n"...)
	}
	file := crlf(top + "Content-Type: multipart/mixed; boundary=x\n\n--x\n\nSee the file.\n--x\nContent-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\n" +
		strings.Repeat(strings.Repeat("QUJD", 19)+"\n", 14_000) + "--x--\n")
	for _, bm := range []struct {
		name string
		raw  []byte
	}{
		{"plain-1kB", crlf(top + "\n" + strings.Repeat("Hello there, how are you?\n", 40))},
		{"html-30kB", newsletter()},
		{"forwarded-30kB", forward(newsletter())},
		{"file-1MB", file},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.SetBytes(int64(len(bm.raw)))
			b.ReportAllocs()
			for b.Loop() {
				Parse(bm.raw, Limits{})
			}
		})
	}
}
