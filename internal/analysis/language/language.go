package language

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of one detection. A message that has not shown its language by then
// will not.
const (
	maxBytes = 8 << 10 // of text looked at
	maxWords = 200     // words looked up
	maxGrams = 50      // words of which letter sequences are counted
)

// How sure is sure enough, and what evidence that needs.
const (
	sure       = 0.80 // confidence below which the answer is ""
	gramWeight = 0.30 // of letter sequences against whole words
	minKnown   = 0.14 // share of the words that the language must know, in a text of knownFrom words
	knownFrom  = 8
)

// Detect tells the language of text as an ISO 639-1 code ("nl", "fr", "de",
// "en", …) and how sure that is, from 0 to 1. It answers "" when the text is
// too short or too mixed to tell; the confidence then says how far the best
// guess went. The first 200 words are read. Addresses and numbers do not count.
func Detect(text string) (lang string, confidence float64) {
	if len(text) > maxBytes {
		text = text[:maxBytes]
	}
	if lang, confidence = byScript(text); lang != "" {
		return lang, confidence
	}
	m := load()
	var score, words [maxLanguages]float64
	var known [maxLanguages]int
	count, letters := 0, 0
	var buffer [maxWord + 2]rune
	eachWord(text, func(word []rune) bool {
		count++
		letters += len(word)
		if mask, ok := m.words[string(word)]; ok {
			for i := range m.names {
				if mask.set>>i&1 != 0 {
					words[i] += mask.weight
					known[i]++
				}
			}
		}
		if count <= maxGrams {
			padded := append(append(append(buffer[:0], '_'), word...), '_')
			for i := 0; i+3 <= len(padded); i++ {
				if row, ok := m.grams[gramOf(padded[i:])]; ok {
					for j := range m.names {
						score[j] += float64(row[j])
					}
				}
			}
		}
		return count < maxWords
	})
	if count == 0 {
		return "", 0
	}
	best := 0
	for i := range m.names {
		score[i] = gramWeight*score[i] + words[i]
		if score[i] > score[best] {
			best = i
		}
	}
	var sum float64
	for i := range m.names {
		sum += math.Exp((score[i] - score[best]) / 1.5)
	}
	confidence = 1 / sum
	// A few letters carry no more certainty than they have.
	confidence *= 1 - math.Exp(-float64(letters)/6)
	share := float64(known[best]) / float64(count)
	switch {
	case confidence < sure, known[best] == 0, count >= knownFrom && share < minKnown:
		return "", min(confidence, sure)
	}
	return m.names[best], confidence
}

// maxWord is the longest word looked at, in letters.
const maxWord = 40

// eachWord calls use with every word of text in lower case until it returns
// false. What looks like an address is passed over.
func eachWord(text string, use func([]rune) bool) {
	var buffer [maxWord]rune
	for len(text) > 0 {
		end := strings.IndexFunc(text, unicode.IsSpace)
		token := text
		if end < 0 {
			text = ""
		} else {
			token = text[:end]
			_, n := utf8.DecodeRuneInString(text[end:])
			text = text[end+n:]
		}
		if token == "" || isAddress(token) {
			continue
		}
		word := buffer[:0]
		tooLong := false
		flush := func() bool {
			ok := len(word) == 0 || tooLong || use(word)
			word, tooLong = buffer[:0], false
			return ok
		}
		for _, r := range token {
			if 0x1d400 <= r && r < 0x1d6a4 {
				r = 'a' + (r-0x1d400)%26 // "𝗬𝗼𝘂𝗿": mathematical letters pass for bold ones
			}
			switch {
			case unicode.IsLetter(r) || unicode.Is(unicode.Mn, r):
				if len(word) == maxWord {
					tooLong = true
					continue
				}
				word = append(word, unicode.ToLower(r))
			case r == '\u00ad' || r == '\u200b' || r == '\u200c' || r == '\u200d' || r == '\ufeff':
			default:
				if !flush() {
					return
				}
			}
		}
		if !flush() {
			return
		}
	}
}

// isAddress reports whether a token is a URL, host or e-mail address.
func isAddress(token string) bool {
	if strings.ContainsAny(token, "@\\") || strings.Contains(token, "://") || strings.HasPrefix(token, "www.") {
		return true
	}
	dot := strings.IndexByte(token, '.')
	return dot > 0 && dot+2 < len(token) && isLower(token[dot-1]) && isLower(token[dot+1]) && isLower(token[dot+2])
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }

// byScript tells languages that their letters give away. It answers "" when
// most letters are Latin.
func byScript(text string) (string, float64) {
	var latin, total, other int
	var count [scripts]int
	for _, r := range text {
		if r < 0x250 {
			if r >= 'A' && unicode.IsLetter(r) {
				latin++
				total++
			}
			continue
		}
		if !unicode.IsLetter(r) {
			continue
		}
		total++
		switch {
		case 0x370 <= r && r < 0x400 || 0x1f00 <= r && r < 0x2000:
			count[greek]++
		case 0x400 <= r && r < 0x530:
			count[cyrillic]++
			switch r {
			case 'і', 'ї', 'є', 'ґ', 'І', 'Ї', 'Є', 'Ґ':
				count[ukrainian]++
			case 'ы', 'э', 'ё', 'Ы', 'Э', 'Ё':
				count[russian]++
			case 'ъ', 'Ъ', 'щ', 'Щ':
				count[bulgarian]++
			case 'ј', 'љ', 'њ', 'ћ', 'ђ', 'џ':
				count[serbian]++
			}
		case 0x590 <= r && r < 0x600:
			count[hebrew]++
		case 0x600 <= r && r < 0x780 || 0xfb50 <= r && r < 0xff00:
			count[arabic]++
			switch r {
			case 'پ', 'چ', 'ژ', 'گ', 'ی', 'ک':
				count[persian]++
			}
		case 0x900 <= r && r < 0x980:
			count[devanagari]++
		case 0xe00 <= r && r < 0xe80:
			count[thai]++
		case 0x10a0 <= r && r < 0x1100:
			count[georgian]++
		case 0x530 <= r && r < 0x590:
			count[armenian]++
		case 0x3040 <= r && r < 0x3100:
			count[kana]++
		case 0x1100 <= r && r < 0x1200 || 0xac00 <= r && r < 0xd7b0:
			count[hangul]++
		case 0x3400 <= r && r < 0xa000:
			count[han]++
		default:
			other++
		}
	}
	foreign := total - latin - other
	// One ideograph says what three or four letters say.
	weight := foreign + 2*(count[kana]+count[hangul]+count[han])
	if weight < 4 || weight < latin {
		return "", 0
	}
	share := float64(weight) / float64(weight+latin)
	switch {
	case count[kana] > 0 && count[kana]*10 >= count[han]:
		return "ja", share
	case count[hangul]*2 > foreign:
		return "ko", share
	case count[han]*2 > foreign:
		return "zh", share
	case count[greek]*2 > foreign:
		return "el", share
	case count[hebrew]*2 > foreign:
		return "he", share
	case count[arabic]*2 > foreign:
		if count[persian]*20 > count[arabic] {
			return "fa", share
		}
		return "ar", share
	case count[thai]*2 > foreign:
		return "th", share
	case count[devanagari]*2 > foreign:
		return "hi", share
	case count[georgian]*2 > foreign:
		return "ka", share
	case count[armenian]*2 > foreign:
		return "hy", share
	case count[cyrillic]*2 > foreign:
		switch {
		case count[serbian] > 0 && count[serbian] >= count[ukrainian]:
			return "sr", share
		case count[ukrainian] > count[russian]:
			return "uk", share
		case count[russian] == 0 && count[bulgarian]*60 > count[cyrillic] && count[cyrillic] >= 20:
			return "bg", share
		}
		return "ru", share
	}
	return "", 0
}

// Indexes of byScript's counts: scripts, and letters within them that only
// some of their languages have.
const (
	greek = iota
	cyrillic
	ukrainian
	russian
	bulgarian
	serbian
	hebrew
	arabic
	persian
	devanagari
	thai
	georgian
	armenian
	kana
	hangul
	han
	scripts
)
