package richtext

import (
	"strings"
	"unicode/utf16"

	"github.com/belfry-centre/belfry/internal/analysis/message/coding"
)

// Kind says what a piece of RTF was before it became RTF.
type Kind int

// The kinds.
const (
	None  Kind = iota // no RTF at all
	Plain             // RTF that was written as such, or not wrapped
	Text              // plain text, wrapped (\fromtext)
	HTML              // HTML, wrapped (\fromhtml)
)

// Read returns what was wrapped in RTF, in UTF-8 with lines ending in LF: HTML
// or plain text; and of other RTF its text, with the target of a link behind
// its words. At most limit bytes are returned; whole says that there was no more.
func Read(rtf []byte, limit int) (content string, kind Kind, whole bool) {
	r := &reader{src: rtf, limit: limit, ansi: "windows-1252"}
	start := strings.Index(string(rtf[:min(len(rtf), 64)]), "{\\rtf")
	if start < 0 {
		return "", None, true
	}
	r.kind, r.pos, r.state.unicode = Plain, start, 1
	r.run()
	r.flush()
	return strings.ReplaceAll(r.out.String(), "\x00", ""), r.kind, !r.full
}

// maxGroups bounds the groups whose state is kept; what is deeper is read with
// the state of the last one.
const maxGroups = 1000

// maxFonts bounds the font table.
const maxFonts = 4096

// state is what a group inherits and gives back at its end.
type state struct {
	skip    bool // a destination that nobody sees
	tag     bool // inside \*\htmltag: markup, kept whatever \htmlrtf says
	htmlrtf bool // \htmlrtf: for those who do not unwrap
	fonts   bool // the font table
	link    bool // the instruction of a field
	field   bool // a field: its link is written at its end
	unicode int  // \ucN: characters that stand in for one of \uN
	font    int
}

type reader struct {
	src   []byte
	pos   int
	limit int
	kind  Kind
	full  bool
	out   strings.Builder

	state  state
	stack  []state
	deeper int // groups beyond maxGroups that are open

	ansi    string         // charset of the document
	charset map[int]string // of the fonts
	font    int            // the font that the table is at
	pending []byte         // in the charset of pendingIn, not yet decoded
	in      string
	units   []uint16 // halves of a character outside the first plane
	standin int      // characters to skip after \uN

	star   bool            // \* came: an unknown destination is to be left out
	target strings.Builder // the instruction of the field
	url    string
}

// run goes through the tokens ([MS-RTF]'s syntax: groups, control words, text).
func (r *reader) run() {
	for r.pos < len(r.src) && !r.full {
		switch c := r.src[r.pos]; c {
		case '{':
			r.pos++
			r.star, r.standin = false, 0
			if len(r.stack) < maxGroups {
				r.stack = append(r.stack, r.state)
				r.state.field = false
			} else {
				r.deeper++
			}
		case '}':
			r.pos++
			r.star, r.standin = false, 0
			if r.deeper > 0 {
				r.deeper--
				break
			}
			r.endGroup()
			if len(r.stack) == 0 {
				return // what follows the outermost group is no RTF
			}
		case '\\':
			r.control()
		case '\r', '\n':
			r.pos++
		default:
			r.pos++
			r.byte(c)
		}
	}
}

func (r *reader) endGroup() {
	if len(r.stack) == 0 {
		return
	}
	was := r.state
	r.flush()
	r.state = r.stack[len(r.stack)-1]
	r.stack = r.stack[:len(r.stack)-1]
	switch {
	case was.link && !r.state.link:
		r.url = hyperlink(r.target.String())
		r.target.Reset()
	case was.field && r.url != "" && !r.state.skip:
		if url := r.url; !strings.HasSuffix(r.out.String(), url) {
			r.text(" <" + url + ">")
			r.flush()
		}
		r.url = ""
	}
}

// hyperlink returns the target in a field's instruction.
func hyperlink(instruction string) string {
	instruction = strings.TrimSpace(instruction)
	const word = "HYPERLINK"
	if len(instruction) < len(word) || !strings.EqualFold(instruction[:len(word)], word) {
		return ""
	}
	rest := strings.TrimSpace(instruction[len(word):])
	if strings.HasPrefix(rest, `"`) {
		rest, _, _ = strings.Cut(rest[1:], `"`)
		return rest
	}
	rest, _, _ = strings.Cut(rest, " ")
	if strings.HasPrefix(rest, `\`) { // a switch: a place in this document
		return ""
	}
	return rest
}

// control reads what begins with a backslash.
func (r *reader) control() {
	r.pos++
	if r.pos >= len(r.src) {
		return
	}
	c := r.src[r.pos]
	if !letter(c) {
		r.pos++
		r.symbol(c)
		return
	}
	start := r.pos
	for r.pos < len(r.src) && letter(r.src[r.pos]) {
		r.pos++
	}
	word := string(r.src[start:min(r.pos, start+40)])
	number, has := 0, false
	negative := r.pos < len(r.src) && r.src[r.pos] == '-'
	digits := r.pos
	if negative {
		digits++
	}
	for end := digits; ; end++ {
		if end >= len(r.src) || r.src[end] < '0' || r.src[end] > '9' {
			if end > digits {
				r.pos, has = end, true
			}
			break
		}
		if number < 1<<28 {
			number = number*10 + int(r.src[end]-'0')
		}
	}
	if negative && has {
		number = -number
	}
	if r.pos < len(r.src) && r.src[r.pos] == ' ' {
		r.pos++
	}
	r.word(word, number, has)
}

func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// symbol does a control symbol.
func (r *reader) symbol(c byte) {
	switch c {
	case '\'':
		if r.pos+2 > len(r.src) {
			r.pos = len(r.src)
			break
		}
		hi, lo := hexValue(r.src[r.pos]), hexValue(r.src[r.pos+1])
		r.pos += 2
		if hi < 16 && lo < 16 {
			r.byte(hi<<4 | lo)
		}
	case '*':
		r.star = true
	case '~':
		if r.state.tag || r.kind != HTML {
			r.text("\u00a0")
		} else {
			r.text("&nbsp;")
		}
	case '_':
		r.text("\u2011")
	case '-':
		r.text("\u00ad")
	case '\r', '\n':
		r.text("\n")
	case '\\', '{', '}':
		r.byte(c)
	}
}

func hexValue(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 16
}

// characters are the control words that stand for a text.
var characters = map[string]string{
	"par": "\n", "line": "\n", "row": "\n", "sect": "\n", "page": "\n", "tab": "\t", "cell": "\t", "nestcell": "\t", "nestrow": "\n",
	"lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”", "bullet": "•", "endash": "–", "emdash": "—",
	"emspace": "\u2003", "enspace": "\u2002", "zwj": "\u200d", "zwnj": "\u200c", "ltrmark": "\u200e", "rtlmark": "\u200f",
}

// unseen are the destinations that hold no text of the document.
var unseen = map[string]bool{
	"colortbl": true, "stylesheet": true, "info": true, "pict": true, "header": true, "footer": true, "headerl": true, "headerr": true,
	"headerf": true, "footerl": true, "footerr": true, "footerf": true, "objdata": true, "themedata": true, "datastore": true,
	"nonshppict": true, "filetbl": true, "revtbl": true, "xe": true, "tc": true, "datafield": true,
}

// word does a control word.
func (r *reader) word(word string, number int, has bool) {
	star := r.star
	r.star = false
	if text, ok := characters[word]; ok {
		r.text(text)
		return
	}
	switch word {
	case "u":
		r.codeUnit(uint16(number))
		r.standin = r.state.unicode
	case "uc":
		r.state.unicode = min(max(number, 0), 16)
	case "bin":
		r.pos += min(max(number, 0), len(r.src)-r.pos)
	case "fromhtml":
		if number != 0 && r.out.Len() == 0 {
			r.kind = HTML
		}
	case "fromtext":
		if r.out.Len() == 0 {
			r.kind = Text
		}
	case "htmlrtf":
		r.flush()
		r.state.htmlrtf = !has || number != 0
	case "htmltag":
		r.flush()
		r.state.tag, r.state.skip = r.kind == HTML, r.kind != HTML
	case "ansicpg":
		if name := coding.CodePage(number); name != "" {
			r.ansi = name
		}
	case "mac":
		r.ansi = "macintosh"
	case "pc":
		r.ansi = "ibm437"
	case "pca":
		r.ansi = "ibm850"
	case "deff", "f":
		r.useFont(number)
	case "plain":
		r.flush()
	case "fonttbl":
		r.flush()
		r.state.fonts = true
	case "fcharset":
		if r.state.fonts {
			r.setFont(fontCharset(number))
		}
	case "cpg":
		if r.state.fonts {
			r.setFont(coding.CodePage(number))
		}
	case "field":
		r.flush()
		r.state.field, r.url = true, ""
	case "fldinst":
		r.flush()
		r.state.link, r.state.skip = r.kind != HTML, r.kind == HTML
	case "pntext", "listtext": // the bullet of a list, which HTML has as markup
		r.flush()
		r.state.skip = r.state.skip || r.kind == HTML
	case "fldrslt":
	default:
		if star || unseen[word] {
			r.flush()
			r.state.skip = true
		}
	}
}

func (r *reader) useFont(number int) {
	if r.state.fonts {
		r.font = number
		return
	}
	r.flush()
	r.state.font = number
}

func (r *reader) setFont(name string) {
	if name == "" {
		return
	}
	if r.charset == nil {
		r.charset = make(map[int]string, 16)
	}
	if len(r.charset) < maxFonts {
		r.charset[r.font] = name
	}
}

// visible reports whether text that stands here is part of the content.
func (r *reader) visible() bool {
	s := &r.state
	if s.skip || s.fonts {
		return s.link
	}
	return s.tag || s.link || !s.htmlrtf || r.kind == Plain
}

// byte takes in one byte of text in the charset of its font.
func (r *reader) byte(c byte) {
	if r.standin > 0 {
		r.standin--
		return
	}
	if !r.visible() {
		return
	}
	in := r.ansi
	if !r.state.tag {
		// Markup is in the charset of the document ([MS-OXRTFEX] 2.1.3.1.4).
		if name, ok := r.charset[r.state.font]; ok {
			in = name
		}
	}
	if len(r.units) > 0 || in != r.in {
		r.flush()
		r.in = in
	}
	r.pending = append(r.pending, c)
	if len(r.pending) >= 4096 && c < 0x80 {
		r.flush()
	}
}

// codeUnit takes in a character in UTF-16.
func (r *reader) codeUnit(u uint16) {
	if !r.visible() {
		return
	}
	if len(r.pending) > 0 {
		r.flush()
	}
	r.units = append(r.units, u)
	if len(r.units) >= 1024 && !utf16.IsSurrogate(rune(u)) {
		r.flush()
	}
}

// text takes in a text that is UTF-8.
func (r *reader) text(s string) {
	if r.standin > 0 {
		r.standin--
		return
	}
	if !r.visible() {
		return
	}
	r.flush()
	r.write(s)
}

// flush decodes what is pending.
func (r *reader) flush() {
	if len(r.pending) > 0 {
		text, _ := coding.Charset(r.in, r.pending)
		r.pending = r.pending[:0]
		r.write(text)
	}
	if len(r.units) > 0 {
		text := string(utf16.Decode(r.units))
		r.units = r.units[:0]
		r.write(text)
	}
}

func (r *reader) write(s string) {
	to := &r.out
	if r.state.link {
		if to = &r.target; to.Len()+len(s) > 8<<10 {
			return
		}
	}
	if r.out.Len()+len(s) > r.limit {
		r.full = true
		s = strings.ToValidUTF8(s[:max(0, min(len(s), r.limit-r.out.Len()))], "")
	}
	to.WriteString(s)
}

// fontCharset returns the charset of \fcharsetN, or "" where the document's
// counts.
func fontCharset(number int) string {
	switch number {
	case 0:
		return "windows-1252"
	case 77:
		return "macintosh"
	case 128:
		return "shift_jis"
	case 129, 130:
		return "euc-kr"
	case 134:
		return "gbk"
	case 136:
		return "big5"
	case 161:
		return "windows-1253"
	case 162:
		return "windows-1254"
	case 163:
		return "windows-1258"
	case 177, 181:
		return "windows-1255"
	case 178, 179, 180:
		return "windows-1256"
	case 186:
		return "windows-1257"
	case 204:
		return "windows-1251"
	case 222:
		return "windows-874"
	case 238:
		return "windows-1250"
	case 255:
		return "ibm850"
	}
	return ""
}
