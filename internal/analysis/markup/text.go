package markup

import (
	"unicode"
	"unicode/utf8"
)

// text collects visible or hidden text, collapsing white space.
type text struct {
	buf    []byte
	space  bool // a space is due before the next letter
	breaks int  // line ends are due, 0 to 2
}

// flush writes the white space that is due.
func (t *text) flush() {
	switch {
	case len(t.buf) == 0:
	case t.breaks > 0:
		t.buf = append(t.buf, "\n\n"[:t.breaks]...)
	case t.space:
		t.buf = append(t.buf, ' ')
	}
	t.space, t.breaks = false, 0
}

func (t *text) newline(n int) {
	t.breaks = max(t.breaks, n)
}

// lineBreak adds one line end, as br does: several make an empty line.
func (t *text) lineBreak() {
	t.breaks = min(t.breaks+1, 2)
}

// isWordByte reports whether a letter or digit of ASCII, or any other
// character's byte, stands here.
func isWordByte(c byte) bool {
	return c >= utf8.RuneSelf || c-'0' < 10 || (c|0x20)-'a' < 26
}

// invisible reports whether a reader cannot see a character: zero-width
// spaces and joiners, direction marks, soft hyphens, fillers, tags.
func invisible(r rune) bool {
	switch {
	case r < 0xad:
		return false
	case r == 0xad, r == 0x34f, r == 0x61c, r == 0x180e, r == 0x3164, r == 0xffa0, r == 0xfeff, r == 0x115f, r == 0x1160,
		r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r >= 0xe0000 && r <= 0xe007f:
		return true
	}
	return false
}

// wide reports whether a character joined by ZWJ or ZWNJ is of a script or an
// emoji that needs the joiner to look right.
func wide(r rune) bool {
	return r >= 0x590 && !unicode.Is(unicode.Latin, r) && !unicode.Is(unicode.Greek, r) && !unicode.Is(unicode.Cyrillic, r)
}

// write adds text with white space collapsed and invisible characters taken
// out. It returns how many of those, soft hyphens apart, stood inside a word.
func (t *text) write(s []byte, keep bool) (zeroWidth int) {
	const gap = -1 // of a word
	pending := 0   // invisible ones since the last letter
	last := rune(gap)
	if len(t.buf) > 0 && !t.space && t.breaks == 0 {
		last, _ = utf8.DecodeLastRune(t.buf)
	}
	for i := 0; i < len(s); {
		c := s[i]
		if c > ' ' && c < 0x7f {
			// The usual run of letters.
			from := i
			for i++; i < len(s) && s[i] > ' ' && s[i] < 0x7f; i++ {
			}
			if t.space || t.breaks > 0 {
				t.flush()
			}
			t.buf = append(t.buf, s[from:i]...)
			if pending > 0 {
				if last != gap && isWordByte(c) {
					zeroWidth += pending
				}
				pending = 0
			}
			last = rune(s[i-1])
			if !isWordByte(s[i-1]) {
				last = gap
			}
			continue
		}
		switch {
		case keep && c == '\n':
			t.lineBreak()
			i, last, pending = i+1, gap, 0
			continue
		case c <= ' ' || c == 0x7f:
			t.space = true
			i, last, pending = i+1, gap, 0
			continue
		}
		r, n := utf8.DecodeRune(s[i:])
		switch {
		case (r == 0x200d || r == 0x200c) && last != gap && wide(last):
			t.buf = append(t.buf, s[i:i+n]...)
		case invisible(r):
			if r != 0xad {
				pending++
			}
		case r >= 0xfe00 && r <= 0xfe0f, r == utf8.RuneError && n == 1: // variation selectors; bad UTF-8
		case r == '\u2028' || r == '\u2029' || r == '\u0085':
			t.lineBreak()
			last, pending = gap, 0
		case unicode.IsSpace(r) || r == '\u2800' || r < 0xa0:
			t.space = true
			last, pending = gap, 0
		default:
			t.flush()
			t.buf = append(t.buf, s[i:i+n]...)
			if pending > 0 && last != gap && unicode.IsLetter(r) {
				zeroWidth += pending
			}
			last, pending = r, 0
			if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !wide(r) {
				last = gap
			}
		}
		i += n
	}
	return zeroWidth
}
