package outlook_test

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/belfry-centre/belfry/internal/analysis/message/outlook"
	"github.com/belfry-centre/belfry/internal/analysis/message/outlook/outlooktest"
	"github.com/google/go-cmp/cmp"
)

func limits() *outlook.Limits {
	return &outlook.Limits{Depth: 8, Files: 500, Recipients: 3000, TextBytes: 2 << 20, Expanded: 32 << 20, Copied: 32 << 20}
}

var sent = time.Date(2026, 11, 3, 14, 5, 6, 0, time.UTC)

// oneOff is an entry id that holds an address ([MS-OXCDATA] 2.2.5.1).
func oneOff(name, address string) []byte {
	b := append([]byte{0, 0, 0, 0}, "\x81\x2b\x1f\xa4\xbe\xa3\x10\x19\x9d\x6e\x00\xdd\x01\x0f\x54\x02\x00\x00\x01\x90"...)
	for _, s := range []string{name, "SMTP", address} {
		b = append(append(b, outlooktest.Wide(s)...), 0, 0)
	}
	return b
}

// entryList is a list of one entry id ([MS-OXCDATA] 2.3.3).
func entryList(entry []byte) []byte {
	b := []byte{1, 0, 0, 0, byte(len(entry) + 4), 0, 0, 0, byte(len(entry)), 0, 0, 0}
	return append(b, entry...)
}

// reads returns an item as both formats give it back.
func reads(t *testing.T, it *outlooktest.Item) map[string]*outlook.Item {
	t.Helper()
	msg, err := outlook.ReadMSG(outlooktest.MSG(it), limits())
	if err != nil {
		t.Fatal(err)
	}
	tnef, err := outlook.ReadTNEF(outlooktest.TNEF(it), limits())
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*outlook.Item{"msg": msg, "tnef": tnef}
}

func TestMessage(t *testing.T) {
	for name, it := range reads(t, &outlooktest.Item{
		Props: outlooktest.Props{
			0x001A001F: "IPM.Note", 0x0037001F: "Uw rekening é", 0x00390040: sent,
			0x0042001F: "Bank", 0x0064001F: "SMTP", 0x0065001F: "alert@evil.example",
			0x0C1A001F: "Jan", 0x0C1E001F: "EX", 0x0C1F001F: "/o=Org/cn=jan", 0x5D01001F: "jan@home.example",
			0x004F0102: entryList(oneOff("Antwoord", "reply@evil.example")),
			0x1000001F: "Klik hier\r\n", 0x10130102: []byte("<p>Klik <a href=\"https://evil.example/\">hier</a> \xe9"), 0x3FDE0003: 1252,
			0x1035001F: "<1@evil.example>",
		},
		Recipients: []outlooktest.Props{
			{0x0C150003: 1, 0x3001001F: "An", 0x3002001F: "SMTP", 0x3003001F: "an@home.example"},
			{0x0C150003: 2, 0x3001001F: "Bo", 0x3002001F: "EX", 0x3003001F: "/o=Org/cn=bo", 0x39FE001F: "bo@home.example"},
			{0x0C150003: 1, 0x3001001F: "Cas", 0x3002001F: "EX", 0x3003001F: "/o=Org/cn=cas", 0x5FF70102: oneOff("Cas", "cas@home.example")},
			{0x0C150003: 7, 0x3001001F: "Nobody"},
		},
		Files: []outlooktest.File{
			{Props: outlooktest.Props{0x37010102: []byte("%PDF-1.7"), 0x3707001F: "factuur.pdf", 0x3704001F: "FACTUU~1.PDF", 0x370E001F: "application/PDF", 0x37050003: 1}},
			{Props: outlooktest.Props{0x37010102: []byte("GIF89a"), 0x3704001F: "a.gif", 0x3712001F: "<logo@x>", 0x37140003: 4, 0x7FFE000B: true}},
			{Props: outlooktest.Props{0x37050003: 7, 0x3707001F: "cloud.docx", 0x370D001F: "https://evil.example/doc"}},
			{Props: outlooktest.Props{0x37050003: 5, 0x3001001F: "Inner"}, Item: &outlooktest.Item{
				Props:      outlooktest.Props{0x0037001F: "Inner", 0x1000001F: "inside"},
				Recipients: []outlooktest.Props{{0x0C150003: 1, 0x3001001F: "Dee", 0x3003001F: "dee@home.example"}},
				Files:      []outlooktest.File{{Props: outlooktest.Props{0x37010102: []byte("x"), 0x3707001F: "x.txt"}}},
			}},
		},
	}) {
		want := &outlook.Item{
			Class: "IPM.Note", Subject: "Uw rekening é", Date: sent, MessageID: "<1@evil.example>",
			From: outlook.Person{Name: "Bank", Address: "alert@evil.example"}, Sender: outlook.Person{Name: "Jan", Address: "jan@home.example"},
			ReplyTo: []outlook.Person{{Name: "Antwoord", Address: "reply@evil.example"}},
			Recipients: []outlook.Recipient{
				{Person: outlook.Person{Name: "An", Address: "an@home.example"}, Kind: outlook.To},
				{Person: outlook.Person{Name: "Bo", Address: "bo@home.example"}, Kind: outlook.Cc},
				{Person: outlook.Person{Name: "Cas", Address: "cas@home.example"}, Kind: outlook.To},
			},
			Text: "Klik hier\n", HTML: "<p>Klik <a href=\"https://evil.example/\">hier</a> é",
			Files: []outlook.File{
				{Name: "factuur.pdf", Type: "application/pdf", Content: []byte("%PDF-1.7")},
				{Name: "a.gif", ContentID: "logo@x", Inline: true, Content: []byte("GIF89a")},
				{Name: "cloud.docx", Target: "https://evil.example/doc"},
				{Name: "Inner", Item: &outlook.Item{
					Subject: "Inner", Text: "inside",
					Recipients: []outlook.Recipient{{Person: outlook.Person{Name: "Dee", Address: "dee@home.example"}, Kind: outlook.To}},
					Files:      []outlook.File{{Name: "x.txt", Content: []byte("x")}},
				}},
			},
		}
		if diff := cmp.Diff(want, it); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestSender(t *testing.T) {
	for name, tt := range map[string]struct {
		props        outlooktest.Props
		from, sender outlook.Person
	}{
		"only a sender":     {outlooktest.Props{0x0C1A001F: "An", 0x0C1E001F: "SMTP", 0x0C1F001F: "an@home.example"}, outlook.Person{Name: "An", Address: "an@home.example"}, outlook.Person{}},
		"the same twice":    {outlooktest.Props{0x0C1F001F: "An@home.example", 0x0065001F: "an@home.example"}, outlook.Person{Address: "an@home.example"}, outlook.Person{}},
		"Exchange name":     {outlooktest.Props{0x0C1A001F: "An", 0x0C1E001F: "EX", 0x0C1F001F: "/o=Org/cn=an"}, outlook.Person{Name: "An", Address: "/o=Org/cn=an"}, outlook.Person{}},
		"told by the entry": {outlooktest.Props{0x0C1A001F: "An", 0x0C1E001F: "EX", 0x0C1F001F: "/o=Org/cn=an", 0x0C190102: oneOff("An", "an@home.example")}, outlook.Person{Name: "An", Address: "an@home.example"}, outlook.Person{}},
		"told by the maker": {outlooktest.Props{0x0C1A001F: "An", 0x0C1E001F: "EX", 0x0C1F001F: "/o=Org/cn=an", 0x3FF8001F: "An", 0x5D0A001F: "an@home.example"}, outlook.Person{Name: "An", Address: "an@home.example"}, outlook.Person{}},
		"another maker":     {outlooktest.Props{0x0C1A001F: "An", 0x0C1E001F: "EX", 0x0C1F001F: "/o=Org/cn=an", 0x3FF8001F: "Bo", 0x5D0A001F: "bo@home.example"}, outlook.Person{Name: "An", Address: "/o=Org/cn=an"}, outlook.Person{}},
		"on behalf": {
			outlooktest.Props{0x0042001F: "Bo", 0x0065001F: "/o=Org/cn=bo", 0x0064001F: "EX", 0x5D02001F: "bo@home.example", 0x0C1A001F: "An", 0x0C1F001F: "an@home.example"},
			outlook.Person{Name: "Bo", Address: "bo@home.example"},
			outlook.Person{Name: "An", Address: "an@home.example"},
		},
	} {
		for format, it := range reads(t, &outlooktest.Item{Props: tt.props}) {
			if it.From != tt.from || it.Sender != tt.sender {
				t.Errorf("%s, %s: from %v, sender %v", name, format, it.From, it.Sender)
			}
		}
	}
}

func TestBodies(t *testing.T) {
	html := outlooktest.Compress(`{\rtf1\ansi\fromhtml1{\*\htmltag4 <p>}caf\'e9}`)
	plain := outlooktest.Compress(`{\rtf1\ansi see {\field{\*\fldinst{HYPERLINK "https://evil.example/"}}{\fldrslt here}}\par}`)
	for name, tt := range map[string]struct {
		props      outlooktest.Props
		text, html string
	}{
		"8-bit by code page":       {outlooktest.Props{0x1000001E: "\xcf\xf0\xe8", 0x3FFD0003: 1251}, "При", ""},
		"8-bit by language":        {outlooktest.Props{0x1000001E: "\x93\xfa\x96\x7b", 0x3FF10003: 1041, 0x3FDE0003: 50220}, "日本", ""},
		"8-bit by internet page":   {outlooktest.Props{0x1000001E: "\xc3\xa9", 0x3FDE0003: 65001}, "é", ""},
		"Unicode before 8-bit":     {outlooktest.Props{0x1000001E: "?", 0x1000001F: "é"}, "é", ""},
		"HTML as a string":         {outlooktest.Props{0x1013001F: "<p>é"}, "", "<p>é"},
		"HTML in rich text":        {outlooktest.Props{0x10090102: html}, "", "<p>café"},
		"HTML before rich text":    {outlooktest.Props{0x10090102: html, 0x10130102: []byte("<b>x")}, "", "<b>x"},
		"rich text":                {outlooktest.Props{0x10090102: plain}, "see here <https://evil.example/>\n", ""},
		"rich text knows the link": {outlooktest.Props{0x10090102: plain, 0x1000001F: "see here"}, "see here <https://evil.example/>\n", ""},
		"text knows it, too":       {outlooktest.Props{0x10090102: plain, 0x1000001F: "see https://evil.example/ here"}, "see https://evil.example/ here", ""},
		"plain by its own word":    {outlooktest.Props{0x10090102: html, 0x1000001F: "x", 0x10160003: 1}, "x", ""},
	} {
		for format, it := range reads(t, &outlooktest.Item{Props: tt.props}) {
			if it.Text != tt.text || it.HTML != tt.html || len(it.Faults) > 0 {
				t.Errorf("%s, %s: %q, %q, %v", name, format, it.Text, it.HTML, it.Faults)
			}
		}
	}
}

func TestDetails(t *testing.T) {
	contact := &outlooktest.Item{
		Props: outlooktest.Props{0x001A001F: "IPM.Contact", 0x0037001F: "Jane", 0x3001001F: "Jane Doe", 0x3A1C001F: "+32 470 12 34 56", 0x8000001F: "jane@evil.example"},
		Named: []outlooktest.Name{{Set: 0x00062004, ID: 0x8083}},
	}
	meeting := &outlooktest.Item{
		Props: outlooktest.Props{0x001A001F: "IPM.Appointment", 0x80010040: sent, 0x8000001F: "https://evil.example/meet"},
		Named: []outlooktest.Name{{Set: 0x00062002, ID: 0x8208}, {Set: 0x00062002, ID: 0x820D}},
	}
	for _, tt := range []struct {
		it   *outlooktest.Item
		want []string
	}{
		{contact, []string{"Jane Doe", "+32 470 12 34 56", "jane@evil.example"}},
		{meeting, []string{"2026-11-03T14:05:06Z", "https://evil.example/meet"}},
	} {
		for format, it := range reads(t, tt.it) {
			if diff := cmp.Diff(tt.want, it.Details); diff != "" {
				t.Errorf("%s: %s", format, diff)
			}
		}
	}
}

// TestOldTNEF reads what programs wrote before MAPI properties were in it.
func TestOldTNEF(t *testing.T) {
	b := outlooktest.TNEF(&outlooktest.Item{})
	add := func(level byte, id uint32, data string) { b = outlooktest.Attribute(b, level, id, []byte(data)) }
	add(1, 0x00078008, "IPM.Microsoft Mail.Note\x00")
	add(1, 0x00018004, "Caf\xe9\x00")
	add(1, 0x00008000, "\x04\x00\x3f\x00\x04\x00\x18\x00Bob\x00SMTP:bob@home.example\x00\x00\x00")
	add(1, 0x00038005, "\xea\x07\x0b\x00\x03\x00\x0e\x00\x05\x00\x06\x00\x02\x00")
	add(1, 0x0002800C, "Hello\r\nthere\x00")
	add(2, 0x00018010, "lost.txt\x00") // without the attribute that begins an attachment
	add(2, 0x00069002, strings.Repeat("\x00", 14))
	add(2, 0x00018010, "a.txt\x00")
	add(2, 0x0006800F, "content")
	b[len(b)-1]++ // a wrong checksum
	it, err := outlook.ReadTNEF(b, limits())
	if err != nil {
		t.Fatal(err)
	}
	want := &outlook.Item{
		Class: "IPM.Microsoft Mail.Note", Subject: "Café", From: outlook.Person{Name: "Bob", Address: "bob@home.example"}, Date: sent,
		Text: "Hello\nthere", Files: []outlook.File{{Name: "lost.txt"}, {Name: "a.txt", Content: []byte("content")}},
	}
	if diff := cmp.Diff(want, it); diff != "" {
		t.Error(diff)
	}
}

func TestNoItem(t *testing.T) {
	if _, err := outlook.ReadMSG(outlooktest.Compound(&outlooktest.Node{Name: "WordDocument", Content: []byte("x")}), limits()); err == nil {
		t.Error("a document was read as a message")
	}
	for _, b := range []string{"", "\x78\x9f", "Subject: x\n"} {
		if _, err := outlook.ReadTNEF([]byte(b), limits()); err == nil {
			t.Errorf("%q was read", b)
		}
		if _, err := outlook.ReadMSG([]byte(b), limits()); err == nil {
			t.Errorf("%q was read", b)
		}
	}
}

// nest puts an item into itself.
func nest(depth int) *outlooktest.Item {
	it := &outlooktest.Item{Props: outlooktest.Props{0x0037001F: "end"}}
	for range depth {
		it = &outlooktest.Item{Props: outlooktest.Props{0x0037001F: "x"}, Files: []outlooktest.File{{Item: it, Props: outlooktest.Props{0x37050003: 5}}}}
	}
	return it
}

func TestLimits(t *testing.T) {
	var many outlooktest.Item
	for range 30 {
		many.Files = append(many.Files, outlooktest.File{Props: outlooktest.Props{0x37010102: []byte("x")}})
		many.Recipients = append(many.Recipients, outlooktest.Props{0x0C150003: 1, 0x3001001F: "An"})
	}
	many.Props = outlooktest.Props{
		0x1000001F: strings.Repeat("é", 2000), 0x1013001F: strings.Repeat("é", 2000),
		0x007D001F: strings.Repeat("a", 2000),
	}
	l := outlook.Limits{Depth: 3, Files: 10, Recipients: 10, TextBytes: 1000, Expanded: 100, Copied: 1 << 20}
	for format, read := range map[string]func() (*outlook.Item, error){
		"msg":  func() (*outlook.Item, error) { l := l; return outlook.ReadMSG(outlooktest.MSG(&many), &l) },
		"tnef": func() (*outlook.Item, error) { l := l; return outlook.ReadTNEF(outlooktest.TNEF(&many), &l) },
	} {
		it, err := read()
		if err != nil {
			t.Fatal(err)
		}
		seen := map[outlook.FaultKind]bool{}
		for _, f := range it.Faults {
			seen[f.Kind] = true
		}
		if len(it.Files) > 10 || len(it.Recipients) > 10 || len(it.Text) > 1000 || !seen[outlook.FilesCut] || !seen[outlook.RecipientsCut] || !seen[outlook.TextCut] {
			t.Errorf("%s: %d files, %d recipients, %d bytes, %v", format, len(it.Files), len(it.Recipients), len(it.Text), it.Faults)
		}
	}
	deep := nest(20)
	for format, b := range map[string][]byte{"msg": outlooktest.MSG(deep), "tnef": outlooktest.TNEF(deep)} {
		l := l
		read := outlook.ReadMSG
		if format == "tnef" {
			read = outlook.ReadTNEF
		}
		it, err := read(b, &l)
		depth := 0
		for ; err == nil && len(it.Files) > 0 && it.Files[0].Item != nil; depth++ {
			it = it.Files[0].Item
		}
		if depth != 3 || len(it.Faults) == 0 || it.Faults[0].Kind != outlook.TooDeep {
			t.Errorf("%s: %d deep, %v", format, depth, it.Faults)
		}
	}
	rich := outlooktest.Item{Props: outlooktest.Props{0x10090102: outlooktest.Compress(`{\rtf1 ` + strings.Repeat("a", 500) + `}`)}}
	small := l
	if it, _ := outlook.ReadTNEF(outlooktest.TNEF(&rich), &small); len(it.Faults) == 0 || it.Faults[0].Kind != outlook.ExpandedCut || small.Expanded != 0 {
		t.Errorf("%+v, %d left", it.Faults, small.Expanded)
	}
}

// TestMutations breaks good files in one place after the other.
func TestMutations(t *testing.T) {
	it := nest(2)
	it.Props[0x10090102] = outlooktest.Compress(`{\rtf1\fromhtml1 {\*\htmltag x}}`)
	it.Recipients = []outlooktest.Props{{0x0C150003: 1, 0x3001001F: "An", 0x5FF70102: oneOff("An", "an@home.example")}}
	msg, tnef := outlooktest.MSG(it), outlooktest.TNEF(it)
	for _, c := range []byte{0, 1, 0x7F, 0xFF} {
		for i := 0; i < len(msg); i += 3 {
			b := bytes.Clone(msg)
			b[i] = c
			checkRead(t, b)
		}
		for i := range tnef {
			b := bytes.Clone(tnef)
			b[i] = c
			checkRead(t, b)
			checkRead(t, tnef[:i])
		}
	}
}

func checkRead(t *testing.T, b []byte) {
	t.Helper()
	for _, read := range []func([]byte, *outlook.Limits) (*outlook.Item, error){outlook.ReadMSG, outlook.ReadTNEF} {
		l := limits()
		if it, err := read(b, l); err == nil {
			checkItem(t, it, 0)
		}
		if l.Files < 0 || l.Depth != 8 {
			t.Errorf("limits %+v", l)
		}
	}
}

func checkItem(t *testing.T, it *outlook.Item, depth int) {
	t.Helper()
	texts := append([]string{it.Subject, it.Text, it.HTML, it.Headers, it.From.Name, it.From.Address}, it.Details...)
	for _, r := range it.Recipients {
		texts = append(texts, r.Name, r.Address)
	}
	for _, f := range it.Files {
		texts = append(texts, f.Name, f.Type, f.Target, f.ContentID)
		if f.Item != nil {
			checkItem(t, f.Item, depth+1)
		}
	}
	for _, s := range texts {
		if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
			t.Fatalf("%q is not UTF-8 without NUL", s)
		}
	}
	if depth > 8 {
		t.Fatal("too deep")
	}
}

func FuzzMsg(f *testing.F) {
	f.Add(outlooktest.MSG(&outlooktest.Item{Props: outlooktest.Props{0x0037001F: "x", 0x10090102: outlooktest.Compress(`{\rtf1 a}`)}}))
	f.Add(outlooktest.MSG(nest(2)))
	f.Fuzz(func(t *testing.T, b []byte) { checkRead(t, b) })
}

func FuzzTNEF(f *testing.F) {
	f.Add(outlooktest.TNEF(&outlooktest.Item{Props: outlooktest.Props{0x0037001F: "x", 0x1000001E: "y"}}))
	f.Add(outlooktest.TNEF(nest(2)))
	f.Fuzz(func(t *testing.T, b []byte) { checkRead(t, b) })
}
