package mailin

import (
	"bufio"
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// What the client sends after 354, and the message it is. Whatever stands
// between must not end the message: if it did, the rest would be commands
// (SMTP smuggling, CVE-2023-51764, CVE-2023-51765, CVE-2023-51766).
func TestOnlyCRLFDotCRLFEndsAMessage(t *testing.T) {
	const smuggled = "MAIL FROM:<admin@belfry.example>\r\nRCPT TO:<desk@belfry.example>\r\nDATA\r\nforged\r\n"
	for _, c := range []struct{ sent, want string }{
		{".\r\n", ""},
		{"a\r\n.\r\n", "a\r\n"},
		{"a\r\n\r\n.\r\n", "a\r\n\r\n"},
		{"..a\r\n...\r\n.b\r\n.\r\n", ".a\r\n..\r\nb\r\n"},
		{"a\r\r\n.\r\n", "a\r\r\n"}, // a line that ends in CR: some servers wait for ever here
		{"a\r\n.\r\r\n.\r\n", "a\r\n\r\r\n"},
		{"a\n.\n" + smuggled + ".\r\n", "a\n.\n" + smuggled},
		{"a\n.\r\n" + smuggled + ".\r\n", "a\n.\r\n" + smuggled},
		{"a\r\n.\n" + smuggled + ".\r\n", "a\r\n\n" + smuggled},
		{"a\r\n.\r" + smuggled + ".\r\n", "a\r\n\r" + smuggled},
		{"a\r.\r" + smuggled + ".\r\n", "a\r.\r" + smuggled},
		{"a\r.\r\n" + smuggled + ".\r\n", "a\r.\r\n" + smuggled},
		{"a\n\n.\r\n" + smuggled + ".\r\n", "a\n\n.\r\n" + smuggled},
		{"a\x00\r\n.\x00\r\n.\r\n", "a\x00\r\n\x00\r\n"},
		{"\xff\xfe\r\n.\r\n", "\xff\xfe\r\n"},
		// Around the edge of the reader's buffer.
		{strings.Repeat("x", 8191) + "\r\n.\r\n", strings.Repeat("x", 8191) + "\r\n"},
		{strings.Repeat("x", 8192) + "\r\n.\r\n", strings.Repeat("x", 8192) + "\r\n"},
		{strings.Repeat("x", 8190) + "\r\n.\r\n", strings.Repeat("x", 8190) + "\r\n"},
		{strings.Repeat("x", 8192) + "\n.\r\n.\r\n", strings.Repeat("x", 8192) + "\n.\r\n"},
	} {
		s, box := start(t, Options{})
		p := dial(t, s).ready()
		p.send(c.sent + "QUIT\r\n")
		p.talk(`
			< 250 2.0.0
			< 221
			!`)
		if _, got := box.only(t); got != c.want {
			t.Errorf("%.60q became %.60q, want %.60q", c.sent, got, c.want)
		}
	}
}

// FuzzBody compares with RFC 5321's own words, written as string operations.
func FuzzBody(f *testing.F) {
	f.Add("a\r\n.\r\n")
	f.Add("..\r\n\n.\n.\r\r\n.\r\nrest")
	f.Fuzz(func(t *testing.T, sent string) {
		s, err := New(Options{
			Accept:    func(context.Context, Envelope, []byte) error { return nil },
			Recipient: isDesk,
		})
		if err != nil {
			t.Fatal(err)
		}
		want, found := "", false
		if i := strings.Index("\r\n"+sent, "\r\n.\r\n"); i >= 0 {
			want, found = strings.ReplaceAll(("\r\n" + sent)[:i+2], "\r\n.", "\r\n")[2:], true
		}
		b := body{server: s}
		err = b.read(bufio.NewReaderSize(strings.NewReader(sent), 16))
		switch {
		case (err == nil) != found:
			t.Errorf("%q: %v", sent, err)
		case found && b.bytes.String() != want:
			t.Errorf("%q became %q, want %q", sent, b.bytes.String(), want)
		}
		b.free()
		if n := s.buffered.Load(); n != 0 {
			t.Errorf("%d bytes are still counted", n)
		}
	})
}

func TestErrorsBecomeReplies(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{fault.New(fault.Busy, ""), "451 4.3.2 Busy now"},
		{fault.Wrap(fault.Busy, errors.New("secret"), "The disk is full.\r\n250 ok"), "451 4.3.2 The disk is full.  250 ok"},
		{fault.New(fault.RateLimited, ""), "451 4.7.1"},
		{fault.New(fault.TooLarge, ""), "552 5.3.4"},
		{fault.New(fault.Forbidden, ""), "550 5.7.1"},
		{fault.New(fault.Invalid, ""), "554 5.6.0"},
		{errors.New("secret"), "451 4.3.0 Something went wrong"},
		{context.DeadlineExceeded, "451 4.3.2"},
	} {
		s, box := start(t, Options{})
		box.err = c.err
		p := dial(t, s).ready()
		p.send("x\r\n.\r\n")
		if got := p.expect(c.want); strings.Contains(got, "secret") {
			t.Errorf("%v: the client got %q", c.err, got)
		}
		box.mu.Lock()
		box.err = nil
		box.mu.Unlock()
		p.talk(`
			> MAIL FROM:<>
			< 250
			> RCPT TO:<desk@belfry.example>
			< 250
			> DATA
			< 354
			> .
			< 250`)
	}
}

func TestPanicIsTemporary(t *testing.T) {
	var log strings.Builder
	first := true
	s, _ := start(t, Options{Log: textLog(&log), Accept: func(context.Context, Envelope, []byte) error {
		if first {
			first = false
			panic("ann@sender.example")
		}
		return nil
	}})
	p := dial(t, s).ready()
	p.send("x\r\n.\r\n")
	p.talk(`
		< 451 4.3.0
		> MAIL FROM:<>
		< 250
		> RCPT TO:<desk@belfry.example>
		< 250
		> DATA
		< 354
		> .
		< 250
		> QUIT
		< 221
		!`)
	if !strings.Contains(log.String(), "panic") || strings.Contains(log.String(), "ann@") {
		t.Errorf("the log is %q", log.String())
	}
}

// A client that sends large messages and never ends them must not keep
// everybody else's at the door.
func TestOneClientTakesNotAllRoom(t *testing.T) {
	const limit = 800_000
	s, err := New(Options{
		Accept:    func(context.Context, Envelope, []byte) error { return nil },
		Recipient: isDesk, Limits: Limits{MessageBytes: 100_000, BufferedBytes: limit},
	})
	if err != nil {
		t.Fatal(err)
	}
	one := netip.MustParsePrefix("192.0.2.1/32")
	other := netip.MustParsePrefix("192.0.2.2/32")
	var bodies []*body
	fill := func(from netip.Prefix) (kept int) {
		for range 50 {
			b := &body{server: s, from: from}
			bodies = append(bodies, b)
			b.keep(make([]byte, 50_000))
			if b.fault == nil {
				kept++
			}
		}
		return kept
	}
	if n := fill(one); n != 4 {
		t.Errorf("one client holds %d messages, want its quarter: 4", n)
	}
	if n := fill(other); n != 4 {
		t.Errorf("the next client holds %d, want 4", n)
	}
	for _, b := range bodies {
		b.free()
	}
	if n := s.buffered.Load(); n != 0 || len(s.heldBy) != 0 {
		t.Errorf("still counted: %d, %v", n, s.heldBy)
	}
}

func TestMessageLimits(t *testing.T) {
	limits := Limits{MessageBytes: 20_000, LineBytes: 9_000, BufferedBytes: 40_000}
	line := func(n int) string { return strings.Repeat("x", n-2) + "\r\n" }
	for _, c := range []struct{ name, sent, want string }{
		{"just fits", strings.Repeat(line(100), 200) + ".\r\n", "250"},
		{"too large", strings.Repeat(line(100), 200) + "\r\n.\r\n", "552 5.3.4"},
		{"far too large", strings.Repeat(line(100), 1000), "552 5.3.4"},
		{"longest line", line(9_000) + ".\r\n", "250"},
		{"line too long", line(9_001) + ".\r\n", "552 5.3.4"},
		{"line far too long", strings.Repeat("x", 19_000) + "\r\n.\r\n", "552 5.3.4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, box := start(t, Options{Limits: limits})
			p := dial(t, s).ready()
			p.send(c.sent)
			p.expect(c.want)
			if accepted := box.count() == 1; accepted != (c.want == "250") {
				t.Errorf("accepted: %v", accepted)
			}
			if n := s.buffered.Load(); n != 0 {
				t.Errorf("%d bytes are still counted", n)
			}
		})
	}
}

func TestMemoryIsShared(t *testing.T) {
	s, _ := start(t, Options{Limits: Limits{BufferedBytes: 20_000}})
	a, b := dial(t, s).ready(), dial(t, s).ready()
	lines := strings.Repeat(strings.Repeat("x", 98)+"\r\n", 120)
	a.send(lines)
	waitFor(t, func() bool { return s.buffered.Load() > 10_000 })
	b.send(lines + ".\r\n")
	b.expect("451 4.3.2")
	a.send(".\r\n")
	a.expect("250")
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	s, box := start(t, Options{Metrics: reg})
	p := dial(t, s)
	p.talk(`
		< 220
		> NONSENSE
		< 500
		> EHLO x
		< 250`)
	for _, err := range []error{nil, fault.New(fault.Busy, "")} {
		box.mu.Lock()
		box.err = err
		box.mu.Unlock()
		p.send("MAIL FROM:<>\r\nRCPT TO:<desk@belfry.example>\r\nDATA\r\nx\r\n.\r\n")
		for range 4 {
			p.reply()
		}
	}
	got := map[string]float64{}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			name := f.GetName()
			for _, l := range m.Label {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	want := map[string]float64{
		"belfry_smtp_connections":              1,
		"belfry_smtp_connections_total served": 1,
		"belfry_smtp_messages_total 250":       1,
		"belfry_smtp_messages_total 451":       1,
		"belfry_smtp_refusals_total 500":       1,
		"belfry_smtp_accept_seconds":           2,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
