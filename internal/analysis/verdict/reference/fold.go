package reference

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Fold gives a word the form in which words are compared: lower case, without
// accents and invisible characters, with letters of other scripts that look
// like Latin ones replaced by these.
func Fold(word string) string { return string(appendFolded(nil, word)) }

// appendFolded appends the folded form of word to dst.
func appendFolded(dst []byte, word string) []byte {
	for i := 0; i < len(word); i++ {
		if word[i] >= utf8.RuneSelf {
			return appendFoldedSlow(dst, word, i)
		}
	}
	for i := 0; i < len(word); i++ {
		dst = append(dst, lower(word[i]))
	}
	return dst
}

func appendFoldedSlow(dst []byte, word string, ascii int) []byte {
	for i := 0; i < ascii; i++ {
		dst = append(dst, lower(word[i]))
	}
	for _, r := range word[ascii:] {
		if r < utf8.RuneSelf {
			dst = append(dst, lower(byte(r)))
			continue
		}
		if s, ok := latin[r]; ok { // the letters of our languages, quickly
			dst = append(dst, s...)
			continue
		}
		if invisible(r) {
			continue
		}
		var buf [utf8.UTFMax]byte
		for _, d := range norm.NFKD.String(string(buf[:utf8.EncodeRune(buf[:], r)])) {
			switch {
			case d < utf8.RuneSelf:
				dst = append(dst, lower(byte(d)))
			case unicode.Is(unicode.Mn, d):
			default:
				d = unicode.ToLower(d)
				if s, ok := latin[d]; ok {
					dst = append(dst, s...)
				} else {
					dst = utf8.AppendRune(dst, d)
				}
			}
		}
	}
	return dst
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// invisible reports whether r takes no room on paper: format characters, soft
// hyphens, variation selectors and other marks.
func invisible(r rune) bool {
	return r >= 0x00AD && (r == 0x00AD || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Mn, r))
}

// latin maps letters to the Latin letters that they are variants of or look
// like: accented Latin, and the Cyrillic and Greek ones that Unicode's
// confusables.txt (UTS 39) gives a basic Latin prototype.
var latin = func() map[rune]string {
	m := map[rune]string{
		'ß': "ss", 'æ': "ae", 'Æ': "ae", 'œ': "oe", 'Œ': "oe", 'ø': "o", 'Ø': "o", 'ł': "l", 'Ł': "l", 'đ': "d", 'ı': "i", 'þ': "th",
		'а': "a", 'в': "b", 'с': "c", 'ԁ': "d", 'е': "e", 'ё': "e", 'һ': "h", 'н': "h", 'і': "i", 'ї': "i", 'ј': "j", 'к': "k", 'ӏ': "l",
		'м': "m", 'о': "o", 'р': "p", 'ԛ': "q", 'ѕ': "s", 'т': "t", 'у': "y", 'ү': "y", 'ԝ': "w", 'х': "x", 'ѵ': "v", 'г': "r", 'ո': "n",
		'А': "a", 'В': "b", 'С': "c", 'Е': "e", 'Н': "h", 'І': "i", 'Ј': "j", 'К': "k", 'М': "m", 'О': "o", 'Р': "p", 'Ѕ': "s", 'Т': "t", 'У': "y", 'Х': "x",
		'α': "a", 'β': "b", 'ε': "e", 'ι': "i", 'κ': "k", 'ν': "v", 'ο': "o", 'ρ': "p", 'τ': "t", 'υ': "u", 'χ': "x", 'ω': "w", 'γ': "y",
		'Α': "a", 'Β': "b", 'Ε': "e", 'Ζ': "z", 'Η': "h", 'Ι': "i", 'Κ': "k", 'Μ': "m", 'Ν': "n", 'Ο': "o", 'Ρ': "p", 'Τ': "t", 'Υ': "y", 'Χ': "x",
		'ɑ': "a", 'ɡ': "g", 'ɩ': "i", 'ɪ': "i", 'ƽ': "s", 'ꞵ': "b", 'ℓ': "l", '’': "'", '‘': "'",
	}
	for _, set := range []string{"aàáâãäåāăą", "cçćč", "dď", "eèéêëēėęě", "gğ", "iìíîïīį", "lľĺ", "nñńň", "oòóôõöōő", "rřŕ", "sśšş", "tťţ", "uùúûüūůű", "yýÿ", "zźžż"} {
		base := set[:1]
		for _, r := range set[1:] {
			m[r] = base
			m[unicode.ToUpper(r)] = base
		}
	}
	return m
}()

// skeleton reduces a domain label to what the eye takes it for.
func skeleton(label string) string {
	return lookalikes.Replace(Fold(label))
}

var lookalikes = strings.NewReplacer("rn", "m", "vv", "w", "cl", "d", "0", "o", "1", "l", "3", "e", "5", "s", "4", "a", "7", "t", "8", "b", "i", "l")

// word returns the next word of text at or after from: a run of letters and
// digits, invisible characters inside it included. start is -1 at the end.
func word(text string, from int) (start, end int) {
	start = -1
	for i := from; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' {
				if start < 0 {
					start = i
				}
			} else if start >= 0 {
				return start, i
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			if start < 0 {
				start = i
			}
		case start >= 0 && !invisible(r):
			return start, i
		}
		i += size
	}
	return start, len(text)
}

// Word returns the next word of text at or after from, as Scan cuts words;
// start is -1 at the end.
func Word(text string, from int) (start, end int) { return word(text, from) }

// AppendFold appends the folded form of a word to dst; see Fold.
func AppendFold(dst []byte, word string) []byte { return appendFolded(dst, word) }
