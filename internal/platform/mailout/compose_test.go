package mailout

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func example() Mail {
	return Mail{
		From:       mail.Address{Name: "Verdacht", Address: "verdacht@belfry.example"},
		To:         []mail.Address{{Name: "Ann Smith", Address: "ann@sender.example"}},
		Subject:    "Re: Uw pakket",
		Date:       time.Date(2026, 11, 21, 9, 5, 0, 0, time.FixedZone("", 3600)),
		MessageID:  "answer-1@belfry.example",
		InReplyTo:  "<report-1@sender.example>",
		References: []string{"<report-0@sender.example>", "report-1@sender.example"},
		Text:       "Dank u.\nDit is phishing.\n",
		HTML:       "<p>Dank u.</p>\n",
		Language:   "nl",
		Headers:    []Header{{"Auto-Submitted", "auto-replied"}},
	}
}

func TestCompose(t *testing.T) {
	got, err := Compose(example())
	if err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(`From: "Verdacht"
 <verdacht@belfry.example>
To: "Ann Smith"
 <ann@sender.example>
Subject: Re: Uw pakket
Date: Sat, 21 Nov 2026 09:05:00 +0100
Message-ID: <answer-1@belfry.example>
In-Reply-To: <report-1@sender.example>
References: <report-0@sender.example>
 <report-1@sender.example>
Auto-Submitted: auto-replied
Content-Language: nl
MIME-Version: 1.0
Content-Type: multipart/alternative;
 boundary="=_BOUNDARY"

--=_BOUNDARY
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Dank u.
Dit is phishing.

--=_BOUNDARY
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<p>Dank u.</p>

--=_BOUNDARY--
`, "\n", "\r\n")
	text := regexp.MustCompile("=_[0-9a-f]{32}").ReplaceAllString(string(got), "=_BOUNDARY")
	if diff := cmp.Diff(want, text); diff != "" {
		t.Error(diff)
	}
	again, err := Compose(example())
	if err != nil || !bytes.Equal(got, again) {
		t.Error("the same mail gave other bytes")
	}
}

// decode reads a composed message back with the standard library.
func decode(t testing.TB, raw []byte) (h mail.Header, text, html string) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v in %q", err, raw)
	}
	body := func(r io.Reader) string {
		b, err := io.ReadAll(quotedprintable.NewReader(r))
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(b), "\r\n", "\n")
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	if kind == "text/plain" {
		return m.Header, body(m.Body), ""
	}
	r := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return m.Header, text, html
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.Header.Get("Content-Type"), "text/plain") {
			text = body(p)
		} else {
			html = body(p)
		}
	}
}

func TestForeignStringsAddNothing(t *testing.T) {
	for _, evil := range []string{
		"x\r\nBcc: victim@elsewhere.example",
		"x\nBcc: victim@elsewhere.example\n\nbody",
		"x\rBcc: victim@elsewhere.example",
		"x\u0085Bcc: y\u2028Bcc: z\x00\x0b\x0c",
		"invoice\u202egpj.exe\u2066\u200f",
		"=?utf-8?q?=0D=0ABcc=3A_x?=",
		"\xff\xfe\xc3(",
		`", "evil" <evil@elsewhere.example>`,
		strings.Repeat("wordy ", 200), strings.Repeat("x", 5000), strings.Repeat("é🔔", 3000),
		"", " ", "\t",
	} {
		m := example()
		m.Subject = "Re: " + evil
		m.To[0].Name = evil
		m.Headers = append(m.Headers, Header{"X-Campaign", evil})
		m.Language = evil
		m.InReplyTo = evil
		m.References = append(m.References, evil)
		raw, err := Compose(m)
		if err != nil {
			t.Fatalf("%.40q: %v", evil, err)
		}
		h, text, _ := decode(t, raw)
		if text != example().Text+"" {
			t.Errorf("%.40q: the text is %q", evil, text)
		}
		for name := range h {
			switch name {
			case "From", "To", "Subject", "Date", "Message-Id", "References", "Auto-Submitted", "X-Campaign",
				"Content-Language", "Mime-Version", "Content-Type":
			default:
				t.Errorf("%.40q added %q", evil, name)
			}
		}
		if to, err := h.AddressList("To"); err != nil || len(to) != 1 || to[0].Address != "ann@sender.example" {
			t.Errorf("%.40q: To is %v, %v", evil, to, err)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
		if err != nil || strings.ContainsFunc(subject, hidden) || len([]rune(subject)) > maxSubject {
			t.Errorf("%.40q: Subject is %q, %v", evil, subject, err)
		}
		for line := range strings.SplitSeq(string(raw), "\r\n") {
			if len(line) > 78 {
				t.Errorf("%.40q: a line of %d bytes: %q", evil, len(line), line)
			}
			if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
				t.Errorf("%.40q: a line that is not printable ASCII: %q", evil, line)
			}
		}
	}
}

func TestEncodedWordsComeBack(t *testing.T) {
	for _, s := range []string{"Vérifié: reçu n° 5_=?", strings.Repeat("Überweisung 🔔 ", 15), "=?utf-8?q?x?="} {
		m := example()
		m.Subject, m.To[0].Name = s, s
		raw, err := Compose(m)
		if err != nil {
			t.Fatal(err)
		}
		h, _, _ := decode(t, raw)
		got, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
		if want := strings.TrimSpace(s); err != nil || got != want {
			t.Errorf("%q came back as %q, %v", want, got, err)
		}
		to, err := h.AddressList("To")
		if want := cleanLine(s, maxName); err != nil || to[0].Name != want {
			t.Errorf("name %q came back as %v, %v", want, to, err)
		}
	}
}

func TestBodiesComeBack(t *testing.T) {
	m := example()
	m.Text = "é\r\ntab\there\rold Mac\n.\n..\nFrom x\n" + strings.Repeat("long ", 100) + "\u202egone\x00"
	m.HTML = ""
	raw, err := Compose(m)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := decode(t, raw)
	want := "é\ntab\there\nold Mac\n.\n..\nFrom x\n" + strings.Repeat("long ", 100) + "gone\n"
	if text != want {
		t.Errorf("%q, want %q", text, want)
	}
}

func TestComposeRefuses(t *testing.T) {
	for name, change := range map[string]func(*Mail){
		"no To":            func(m *Mail) { m.To = nil },
		"From":             func(m *Mail) { m.From.Address = "x" },
		"two addresses":    func(m *Mail) { m.To[0].Address = "a@b.example, c@d.example" },
		"line in address":  func(m *Mail) { m.To[0].Address = "a@b.example\r\nBcc: c@d.example" },
		"bracket":          func(m *Mail) { m.To[0].Address = "a@b.example> <c@d.example" },
		"Reply-To":         func(m *Mail) { m.ReplyTo.Name = "only a name" },
		"no Message-ID":    func(m *Mail) { m.MessageID = "" },
		"Message-ID":       func(m *Mail) { m.MessageID = "<a@b>\r\nBcc: c@d.example" },
		"field name":       func(m *Mail) { m.Headers[0].Name = "X: y\r\nBcc" },
		"empty field name": func(m *Mail) { m.Headers[0].Name = "" },
		"our own field":    func(m *Mail) { m.Headers[0].Name = "bcc" },
	} {
		m := example()
		change(&m)
		if _, err := Compose(m); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzCompose(f *testing.F) {
	f.Add("Ann", "Re: x", "id@x.example", "text", "<p>x</p>", "value")
	f.Add("=?utf-8?q?=0A?=", "a\r\nb: c", "<x@y>", ".\r\n..", "--=_", "\u202e")
	f.Fuzz(func(t *testing.T, name, subject, id, text, html, value string) {
		m := example()
		m.To[0].Name, m.Subject, m.InReplyTo, m.Text, m.HTML, m.Headers[0].Value = name, subject, id, text, html, value
		raw, err := Compose(m)
		if err != nil {
			t.Fatal(err)
		}
		h, gotText, _ := decode(t, raw)
		if to, err := h.AddressList("To"); err != nil || len(to) != 1 {
			t.Errorf("To is %v, %v", to, err)
		}
		if want := cleanBody(text); strings.TrimRight(gotText, "\n") != strings.TrimRight(want, "\n") {
			t.Errorf("text %q became %q", want, gotText)
		}
		if len(h) > 13 {
			t.Errorf("%d fields: %v", len(h), h)
		}
	})
}
