package richtext_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/belfry-centre/belfry/internal/analysis/message/outlook/outlooktest"
	"github.com/belfry-centre/belfry/internal/analysis/message/richtext"
)

func TestRead(t *testing.T) {
	const head = `{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fswiss\fcharset0 Arial;}{\f1\fcharset204 Arial Cyr;}{\f2\fcharset128 MS Gothic;}}{\colortbl;\red0\green0\blue0;}`
	const html = `{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0{\fonttbl{\f0\fswiss Arial;}{\f1\fcharset128 MS Gothic;}}` + "\r\n"
	for name, tt := range map[string]struct {
		in, want string
		kind     richtext.Kind
	}{
		"no RTF":            {"Hello", "", richtext.None},
		"plain":             {head + `\f0 Hello\par world}`, "Hello\nworld", richtext.Plain},
		"what follows":      {head + `Hello}trailing`, "Hello", richtext.Plain},
		"escapes":           {head + `a\{b\}c\\d\~e\_f}`, "a{b}c\\d\u00a0e\u2011f", richtext.Plain},
		"8-bit":             {head + `caf\'e9}`, "café", richtext.Plain},
		"font charset":      {head + `\f1 \'cf\'f0\'e8\f0 \'e9}`, "Приé", richtext.Plain},
		"two-byte charset":  {head + `\f2 \'93\'fa\'96\'7b}`, "日本", richtext.Plain},
		"ASCII second byte": {head + `\f2 \'83A}`, "ア", richtext.Plain},
		"unicode":           {head + `\u233?t\u233 \'e9}`, "été", richtext.Plain},
		"no stand-in":       {head + `\uc0\u233t}`, "ét", richtext.Plain},
		"surrogates":        {head + `\u-10179?\u-8704?}`, "😀", richtext.Plain},
		"quotes":            {head + `\ldblquote x\rdblquote\emdash\bullet}`, "“x”—•", richtext.Plain},
		"groups":            {head + `{\b a}{\i{b}}c}`, "abc", richtext.Plain},
		"destinations":      {head + `{\*\generator Riched20;}{\info{\title x}}{\pict ffd8}a{\*\unknown {b}}c}`, "ac", richtext.Plain},
		"binary":            {head + `{\pict\bin5 }}}}}}a}`, "a", richtext.Plain},
		"line end in text":  {head + "a\r\nb}", "ab", richtext.Plain},
		"link":              {head + `{\field{\*\fldinst{HYPERLINK "https://evil.example/a"}}{\fldrslt{\ul click here}}} now}`, "click here <https://evil.example/a> now", richtext.Plain},
		"link as its words": {head + `{\field{\*\fldinst HYPERLINK https://evil.example}{\fldrslt https://evil.example}}}`, "https://evil.example", richtext.Plain},
		"another field":     {head + `{\field{\*\fldinst PAGE}{\fldrslt 3}}}`, "3", richtext.Plain},
		"text":              {`{\rtf1\ansi\ansicpg1252\fromtext \fbidis \deff0{\fonttbl{\f0 x;}}` + "\r\n" + `\uc1\pard\plain Hello\par` + "\r\n" + `world\par}`, "Hello\nworld\n", richtext.Text},
		"html": {
			html + `{\*\htmltag19 <html>}{\*\htmltag34 <head>}{\*\htmltag64}\htmlrtf {\htmlrtf0 {\*\htmltag84 <a href="https://evil.example/?a=1&amp;b=\'e9">}\htmlrtf {\field{\*\fldinst{HYPERLINK "https://other.example"}}{\fldrslt\cf1\ul \htmlrtf0 log in\htmlrtf }\htmlrtf0 \htmlrtf }\htmlrtf0 {\*\htmltag92 </a>}\htmlrtf }\htmlrtf0 }`,
			`<html><head><a href="https://evil.example/?a=1&amp;b=é">log in</a>`, richtext.HTML,
		},
		"html, text outside of tags": {html + `{\*\htmltag4 <p>}caf\'e9\tab x{\*\mhtmltag4 <q>}{\*\htmltag4 \par </p>}\htmlrtf\par\htmlrtf0 }`, "<p>café\tx\n</p>", richtext.HTML},
		"html, other font":           {html + `{\*\htmltag4 <p>}\f1 \'93\'fa{\*\htmltag4 <b title="\'e9">}}`, `<p>日<b title="é">`, richtext.HTML},
		"html, list bullet":          {html + `{\pntext\htmlrtf \'b7\tab\htmlrtf0}{\*\htmltag4 <li>}x}`, "<li>x", richtext.HTML},
		"html, no-break space":       {html + `a\~b{\*\htmltag4 &nbsp;}\htmlrtf \~\htmlrtf0 }`, "a&nbsp;b&nbsp;", richtext.HTML},
		"cut off":                    {head + `a{\b b{\*\htmltag`, "ab", richtext.Plain},
		"cut in an escape":           {head + `a\'e`, "a", richtext.Plain},
		"NUL":                        {head + "a\x00b\\'00c}", "abc", richtext.Plain},
		"too many closed":            {head + `a}}}}`, "a", richtext.Plain},
	} {
		got, kind, whole := richtext.Read([]byte(tt.in), 1<<20)
		if got != tt.want || kind != tt.kind || !whole {
			t.Errorf("%s: %q, %v, %v; want %q, %v", name, got, kind, whole, tt.want, tt.kind)
		}
	}
}

func TestReadLimit(t *testing.T) {
	got, _, whole := richtext.Read([]byte(`{\rtf1 `+strings.Repeat(`\u233?`, 1000)+`}`), 101)
	if whole || len(got) > 101 || len(got) < 90 || !utf8.ValidString(got) {
		t.Errorf("%d bytes, %v", len(got), whole)
	}
}

// TestDecompress reads the example of [MS-OXRTFCP] 3.1.1 and others.
func TestDecompress(t *testing.T) {
	example := []byte("\x2d\x00\x00\x00\x2b\x00\x00\x00\x4c\x5a\x46\x75\xf1\xc5\xc7\xa7\x03\x00\x0a\x00\x72\x63\x70\x67\x31\x32\x35\x42\x32\x0a\xf3\x20\x68\x65\x6c\x09\x00\x20\x62\x77\x05\xb0\x6c\x64\x7d\x0a\x80\x0f\xa0")
	const text = "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
	if got, ok := richtext.Decompress(example, 1000); string(got) != text || !ok {
		t.Errorf("example: %q, %v", got, ok)
	}
	if got, ok := richtext.Decompress(example, 10); string(got) != text[:10] || ok {
		t.Errorf("limit: %q, %v", got, ok)
	}
	for n := range example {
		if got, ok := richtext.Decompress(example[:n], 1000); ok || !strings.HasPrefix(text, string(got)) {
			t.Errorf("%d bytes: %q, %v", n, got, ok)
		}
	}
	sum := bytes.Clone(example)
	sum[12]++
	if got, ok := richtext.Decompress(sum, 1000); string(got) != text || ok {
		t.Errorf("checksum: %q, %v", got, ok)
	}
	stored := binary.LittleEndian.AppendUint32(nil, 12+5)
	stored = append(binary.LittleEndian.AppendUint32(stored, 5), "MELA\x00\x00\x00\x00hello"...)
	if got, ok := richtext.Decompress(stored, 1000); string(got) != "hello" || !ok {
		t.Errorf("stored: %q, %v", got, ok)
	}
	for _, text := range []string{"", "{\\rtf1 a}", strings.Repeat("{\\rtf1 long}", 1000)} {
		if got, ok := richtext.Decompress(outlooktest.Compress(text), 1<<20); string(got) != text || !ok {
			t.Errorf("%d bytes: %d, %v", len(text), len(got), ok)
		}
	}
}

// TestBombs reads what was made to grow: each within its limit and soon.
func TestBombs(t *testing.T) {
	bomb := outlooktest.Bomb(10 << 20)
	start := time.Now()
	if got, ok := richtext.Decompress(bomb, 4<<20); len(got) != 4<<20 || ok {
		t.Errorf("%d bytes, %v", len(got), ok)
	}
	for _, unit := range []string{
		"{", "}", "{{}", `\'`, `\'e9`, `\u233?`, `{\field{\*\fldinst HYPERLINK "x"}}`, `\f1\f2`, `{\*\htmltag `, `\htmlrtf`, `{\fonttbl{\f9\fcharset204 `,
		`\bin4`, `\par`, `\uc99999999\u1`, `\*`, `\aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1`, "x\x80", `{\f1\'93}`,
	} {
		for _, head := range []string{`{\rtf1 `, `{\rtf1\fromhtml1 `, `{\rtf1{\fonttbl{\f1\fcharset128 a;}{\f2\fcharset134 b;}}`} {
			got, _, _ := richtext.Read([]byte(head+strings.Repeat(unit, 4<<20/len(unit))), 1<<20)
			if len(got) > 1<<20 {
				t.Errorf("%s: %d bytes", unit, len(got))
			}
		}
	}
	if spent := time.Since(start); spent > 20*time.Second {
		t.Errorf("took %v", spent)
	}
}

func FuzzRTF(f *testing.F) {
	f.Add([]byte(`{\rtf1\ansi\fromhtml1{\fonttbl{\f0\fcharset204 x;}}{\*\htmltag4 <p>}\htmlrtf x\htmlrtf0\u233?\'e9}`))
	f.Add(outlooktest.Compress(`{\rtf1{\field{\*\fldinst{HYPERLINK "https://a.test"}}{\fldrslt x}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 1 << 20
		if rtf, _ := richtext.Decompress(b, limit); len(rtf) > limit {
			t.Errorf("%d bytes", len(rtf))
		} else if rtf != nil {
			b = rtf
		}
		text, _, _ := richtext.Read(b, limit)
		if len(text) > limit || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			t.Errorf("%d bytes: %.100q", len(text), text)
		}
	})
}
