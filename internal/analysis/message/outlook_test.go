package message

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/belfry-centre/belfry/internal/analysis/message/outlook/outlooktest"
	"github.com/google/go-cmp/cmp"
)

// item is an Outlook message that never travelled; the tests below add to it.
func item() *outlooktest.Item {
	return &outlooktest.Item{
		Props: outlooktest.Props{
			0x001A001F: "IPM.Note", 0x0037001F: "Uw rekening", 0x00390040: time.Date(2026, 11, 3, 14, 5, 6, 0, time.UTC),
			0x0C1A001F: `Bank "NV"`, 0x0C1E001F: "SMTP", 0x0C1F001F: "alert@evil.example",
			0x1000001F: "Klik hier\r\n", 0x10130102: []byte(`<p>Klik <a href="https://evil.example/">hier</a>`),
		},
		Recipients: []outlooktest.Props{{0x0C150003: 1, 0x3001001F: "An", 0x3003001F: "an@home.example"}, {0x0C150003: 2, 0x3001001F: "Bo", 0x3003001F: "/o=Org Unit/cn=bo"}},
	}
}

func TestParseMSG(t *testing.T) {
	it := item()
	it.Files = []outlooktest.File{
		{Props: outlooktest.Props{0x37010102: []byte("MZ\x90\x00"), 0x3707001F: "../factuur\u202efdp.exe"}},
		{Props: outlooktest.Props{0x37010102: []byte("From: a@b.test\nSubject: As a file\n\nx\n"), 0x3707001F: "mail.eml"}},
		{Props: outlooktest.Props{0x3001001F: "Embedded", 0x37050003: 5}, Item: item()},
		{Props: outlooktest.Props{0x37010102: outlooktest.MSG(item()), 0x3707001F: "again.msg"}},
		{Props: outlooktest.Props{0x37050003: 7, 0x3707001F: "cloud.docx", 0x370D001F: "https://evil.example/doc"}},
	}
	raw := outlooktest.MSG(it)
	m := Parse(raw, Limits{})
	check(t, m)
	if diff := cmp.Diff(summary{
		Text: "Klik hier", HTML: `<p>Klik <a href="https://evil.example/">hier</a>`,
		Files: []string{
			"factuurfdp.exe|application/vnd.microsoft.portable-executable", "mail.eml|message/rfc822|As a file",
			"Embedded|application/vnd.ms-outlook|Uw rekening", "again.msg|application/vnd.ms-outlook|Uw rekening", "cloud.docx|text/plain",
		},
		Defects: []string{DefectFileName, DefectFileNameBidi},
	}, summarize(m)); diff != "" {
		t.Error(diff)
	}
	if &m.Raw[0] != &raw[0] || m.Attachments[2].Message.Raw != nil || m.Attachments[3].Message.Raw == nil {
		t.Error("Raw is not the file's bytes")
	}
	if diff := cmp.Diff([][]Address{
		{{`Bank "NV"`, "alert@evil.example"}},
		{{"An", "an@home.example"}},
		{{"Bo", "/o=Org Unit/cn=bo"}},
	}, [][]Address{m.From, m.To, m.Cc}); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{
		"From": `"Bank \"NV\"" <alert@evil.example>`, "Subject": "Uw rekening", "Date": "Tue, 03 Nov 2026 14:05:06 +0000", "Cc": `"Bo" </o=Org Unit/cn=bo>`,
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !m.Date.Equal(time.Date(2026, 11, 3, 14, 5, 6, 0, time.UTC)) || len(m.Markup.Links) != 1 {
		t.Errorf("date %v, links %+v", m.Date, m.Markup.Links)
	}
}

func TestTransportHeaders(t *testing.T) {
	it := item()
	it.Props[0x007D001F] = "Microsoft Mail Internet Headers Version 2.0\r\nReceived: from a.example by b.example;\r\n\tTue, 3 Nov 2026 15:05:06 +0100\r\n" +
		"Authentication-Results: mx.home.example; spf=fail\r\nFrom: =?utf-8?q?=C3=89mile?= <alert@evil.example>\r\nSubject: As it travelled\r\n\r\n"
	m := Parse(outlooktest.MSG(it), Limits{})
	check(t, m)
	if len(m.From) != 1 || m.From[0].Name != "Émile" || m.Subject != "As it travelled" || len(m.To) != 1 || len(m.Header.All("Received")) != 1 || len(m.Defects) > 0 {
		t.Errorf("from %v, subject %q, to %v, %v", m.From, m.Subject, m.To, m.Defects)
	}
}

func TestSignedMSG(t *testing.T) {
	it := item()
	it.Props[0x001A001F] = "IPM.Note.SMIME.MultipartSigned"
	it.Props[0x1000001F] = ""
	delete(it.Props, 0x10130102)
	it.Files = []outlooktest.File{{Props: outlooktest.Props{0x3707001F: "smime.p7m", 0x370E001F: "multipart/signed", 0x37010102: []byte("Content-Type: multipart/signed; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain\r\n\r\nsigned text\r\n--b\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n\r\nx\r\n--b--\r\n")}}}
	m := Parse(outlooktest.MSG(it), Limits{})
	if m.Text != "signed text" || len(m.Attachments) != 1 || m.Attachments[0].Name != "smime.p7s" {
		t.Errorf("text %q, files %v", m.Text, summarize(m).Files)
	}
}

// attach makes a mail that a file is attached to.
func attach(subject, name, media string, content []byte) []byte {
	return crlf("From: Jane <jane@example.org>\nTo: desk@example.net\nSubject: " + subject + "\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nHello\n--x\nContent-Type: " +
		media + "; name=" + name + "\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString(content) + "\n--x--\n")
}

// TestTNEF tells a mail's own text and files from a message that is attached.
func TestTNEF(t *testing.T) {
	own := item()
	own.Files = []outlooktest.File{{Props: outlooktest.Props{0x37010102: []byte("%PDF-1"), 0x3707001F: "a.pdf"}}, {Props: outlooktest.Props{0x3001001F: "Phish", 0x37050003: 5}, Item: item()}}
	html := `<p>Klik <a href="https://evil.example/">hier</a>`
	for name, tt := range map[string]struct {
		raw  []byte
		want summary
	}{
		"alone": {outlooktest.TNEF(own), summary{Text: "Klik hier", HTML: html, Files: []string{"a.pdf|application/pdf", "Phish|application/vnd.ms-outlook|Uw rekening"}}},
		"own": {
			attach("uw rekening", "winmail.dat", "application/ms-tnef", outlooktest.TNEF(own)),
			summary{Text: "Hello", HTML: html, Files: []string{"winmail.dat|application/ms-tnef", "a.pdf|application/pdf", "Phish|application/vnd.ms-outlook|Uw rekening"}},
		},
		"attached": {
			attach("FW: look", "winmail.dat", "application/octet-stream", outlooktest.TNEF(item())),
			summary{Text: "Hello", Files: []string{"winmail.dat|application/ms-tnef|Uw rekening"}},
		},
		"broken": {attach("x", "winmail.dat", "application/ms-tnef", []byte("\x78\x9f\x3e\x22\x01\x00\x02\x05\x90\x06\x00\xff\xff\xff\xff")), summary{Text: "Hello", Files: []string{"winmail.dat|application/ms-tnef"}, Defects: []string{DefectOutlook, DefectOutlook}}},
	} {
		m := Parse(tt.raw, Limits{})
		check(t, m)
		got := summarize(m)
		if name == "broken" {
			got.Files = got.Files[:1]
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestBrokenMSG(t *testing.T) {
	raw := outlooktest.MSG(item())
	for n := 0; n < len(raw); n += 64 {
		m := Parse(raw[:n], Limits{})
		check(t, m)
		// Without a word of the directory it is any compound file.
		if bytes.Contains(raw[:n], []byte(wide("__substg"))) && !m.HasDefect(DefectOutlook) {
			t.Errorf("%d bytes: no word about what is missing: %v", n, m.Defects)
		}
	}
	// A Word document by the name of a mail is no mail.
	m := Parse(attach("x", "x.msg", "application/vnd.ms-outlook", outlooktest.Compound(&outlooktest.Node{Name: "WordDocument", Content: []byte("x")})), Limits{})
	if m.Attachments[0].Type != "application/msword" || m.Attachments[0].Message != nil {
		t.Errorf("%+v", m.Attachments[0])
	}
}

// zipped makes an archive of these files: name, content, name, content, ...
func zipped(t testing.TB, files ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for i := 0; i < len(files); i += 2 {
		f, err := w.Create(files[i])
		if err == nil {
			_, err = f.Write([]byte(files[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestZipOfMails(t *testing.T) {
	archive := zipped(t, "mails/one.eml", "From: a@b.test\nSubject: One\n\n1\n", "two.MSG", string(outlooktest.MSG(item())), "notes.txt", "x",
		"__MACOSX/._one.eml", "x", "winmail.dat", string(outlooktest.TNEF(item())))
	m := Parse(attach("x", "mails.zip", "application/zip", archive), Limits{})
	check(t, m)
	want := []string{"mails.zip|application/zip", "one.eml|message/rfc822|One", "two.MSG|application/vnd.ms-outlook|Uw rekening", "winmail.dat|application/ms-tnef|Uw rekening"}
	if diff := cmp.Diff(want, summarize(m).Files); diff != "" {
		t.Error(diff)
	}
	m = Parse(archive, Limits{}) // handed in as it is
	if diff := cmp.Diff(want[1:], summarize(m).Files[1:]); diff != "" {
		t.Error(diff)
	}
	locked := bytes.Clone(archive)
	locked[bytes.Index(locked, []byte("PK\x01\x02"))+8] |= 1
	m = Parse(attach("x", "mails.zip", "application/zip", locked), Limits{})
	if len(m.Attachments) != 3 || !m.HasDefect(DefectArchive) {
		t.Errorf("%v, %v", summarize(m).Files, m.Defects)
	}
}

// tnefOf makes a stream of one attribute.
func tnefOf(id uint32, data string) []byte {
	return outlooktest.Attribute([]byte("\x78\x9f\x3e\x22\x01\x00"), 1, id, []byte(data))
}

// TestOutlookBombs reads what was made to grow. Each must come back within two
// seconds on a machine that is not busy (the bound leaves room), and with little
// allocated.
func TestOutlookBombs(t *testing.T) {
	rich := item()
	rich.Props = outlooktest.Props{0x0037001F: "x", 0x10090102: outlooktest.Bomb(40 << 20)}
	manyRich := item()
	var manyMails []string
	for i := range 300 {
		manyRich.Files = append(manyRich.Files, outlooktest.File{Props: outlooktest.Props{0x37050003: 5}, Item: &outlooktest.Item{
			Props: outlooktest.Props{0x0037001F: fmt.Sprint(i), 0x10090102: rich.Props[0x10090102].([]byte)[:20<<10]},
		}})
		manyMails = append(manyMails, fmt.Sprintf("%d.eml", i), "Subject: x\n\n"+strings.Repeat("a", 1<<20))
	}
	deep := item()
	for range 100 {
		deep = &outlooktest.Item{Props: outlooktest.Props{0x0037001F: "x"}, Files: []outlooktest.File{{Item: deep, Props: outlooktest.Props{0x37050003: 5}}}}
	}
	// A .msg in a zip in a .msg ...
	nested := outlooktest.MSG(item())
	for range 30 {
		it := item()
		it.Files = []outlooktest.File{{Props: outlooktest.Props{0x37010102: zipped(t, "a.msg", string(nested)), 0x3707001F: "a.zip"}}}
		nested = outlooktest.MSG(it)
	}
	people := item()
	for range 3000 {
		people.Recipients = append(people.Recipients, outlooktest.Props{0x0C150003: 1, 0x3001001F: strings.Repeat("x", 500)})
	}
	for name, tt := range map[string]struct {
		raw    []byte
		defect string
	}{
		"rich text":            {outlooktest.MSG(rich), DefectLimitExpanded},
		"rich text in TNEF":    {outlooktest.TNEF(rich), DefectLimitExpanded},
		"much rich text":       {outlooktest.TNEF(manyRich), ""},
		"deep":                 {outlooktest.MSG(deep), ""},
		"deep TNEF":            {outlooktest.TNEF(deep), ""},
		"nested archives":      {nested, ""},
		"zip bomb":             {attach("x", "a.zip", "application/zip", zipped(t, "a.eml", "Subject: x\n\n"+strings.Repeat("a", 100<<20))), DefectArchive},
		"many mails in a zip":  {attach("x", "a.zip", "application/zip", zipped(t, manyMails...)), DefectArchive},
		"recipients":           {outlooktest.MSG(people), DefectLimitAddresses},
		"text without an end":  {outlooktest.MSG(&outlooktest.Item{Props: outlooktest.Props{0x0037001F: strings.Repeat("s", 200<<10), 0x1000001F: strings.Repeat("x", 2500<<10)}}), DefectLimitText},
		"empty rows":           {tnefOf(0x00069004, "\xff\xff\xff\xff"+strings.Repeat("\x00\x00\x00\x00", 2<<20)), DefectLimitAddresses},
		"one file many times":  {append([]byte("\x78\x9f\x3e\x22\x01\x00"), bytes.Repeat(outlooktest.Attribute(nil, 2, 0x00069005, make([]byte, 4)), 400_000)...), ""},
		"a value without type": {tnefOf(0x00069003, "\x01\x00\x00\x00\x00\x10\x37\x00\xff\xff\xff\xff"), ""},
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		start := time.Now()
		m := Parse(tt.raw, Limits{})
		spent := time.Since(start)
		runtime.ReadMemStats(&after)
		if spent > 5*time.Second {
			t.Errorf("%s: took %v", name, spent)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 200<<20 {
			t.Errorf("%s: %d MB allocated", name, grown>>20)
		}
		if tt.defect != "" && !m.HasDefect(tt.defect) {
			t.Errorf("%s: no %s in %v", name, tt.defect, m.Defects)
		}
		t.Logf("%s: %d bytes, %v, %d MB", name, len(tt.raw), spent.Round(time.Millisecond), (after.TotalAlloc-before.TotalAlloc)>>20)
	}
}

func FuzzZip(f *testing.F) {
	f.Add(zipped(f, "a.eml", "Subject: x\n\ny\n"))
	f.Add(zipped(f, "a.msg", string(outlooktest.MSG(item())), "winmail.dat", string(outlooktest.TNEF(item()))))
	f.Fuzz(func(t *testing.T, b []byte) {
		check(t, Parse(append([]byte("Content-Type: application/zip; name=a.zip\n\n"), b...), Limits{Expanded: 1 << 20}))
	})
}

func FuzzOutlook(f *testing.F) {
	f.Add(outlooktest.MSG(item()))
	f.Add(outlooktest.TNEF(item()))
	f.Fuzz(func(t *testing.T, b []byte) { check(t, Parse(b, Limits{Expanded: 1 << 20})) })
}
