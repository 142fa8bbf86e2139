package file

import (
	"strings"
	"unicode/utf8"
)

// Name takes path and dangerous characters off a file name, and says whether
// there was a path or control character, and whether there was one that changes
// the direction of writing.
func Name(name string) (clean string, path, bidi bool) {
	clean = strings.Map(func(r rune) rune {
		switch {
		case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069', r == '\u200e', r == '\u200f', r == '\u061c':
			bidi = true
			return -1
		case r < ' ', r == 0x7f, r >= 0x80 && r < 0xa0, r == utf8.RuneError, r == '\u200b', r == '\ufeff', r == '\u2028', r == '\u2029':
			path = true
			return -1
		}
		return r
	}, name)
	if i := strings.LastIndexAny(clean, `/\`); i >= 0 {
		clean, path = clean[i+1:], true
	}
	clean = strings.Trim(clean, " \t\u00a0")
	const longest = 255 // bytes, as file systems have it
	if len(clean) > longest {
		dot := strings.LastIndexByte(clean, '.')
		ext := ""
		if dot > 0 && len(clean)-dot < 20 {
			ext = clean[dot:]
		}
		clean = strings.ToValidUTF8(clean[:longest-len(ext)], "") + ext
	}
	if clean == "." || clean == ".." {
		clean, path = "", true
	}
	return clean, path, bidi
}
