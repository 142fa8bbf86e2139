package reason

import (
	"strconv"
	"strings"

	"github.com/belfry-centre/belfry/internal/analysis/markup"
)

// The measures of the tricks of HTML.
const (
	pictureWords = 200 // bytes of visible text under which a linked picture speaks alone
	hiddenBytes  = 400 // hidden text from which on it is no preview line
	splitWords   = 5   // invisible characters inside words from which on it is no accident
)

// markup looks at what HTML shows and what it hides.
func (x *exam) markup() {
	d := x.m.Markup
	if d == nil {
		return
	}
	for i := range d.Forms {
		if d.Forms[i].Password() {
			x.add(Reason{Code: "html-password", Params: params("Target", d.Forms[i].Action), Evidence: cut(d.Forms[i].Action)})
			break
		}
	}
	if smuggles(d) {
		x.add(Reason{Code: "html-smuggling", Evidence: cut(strings.Join(d.Markers, " "))})
	}
	x.pictureAlone(d)
	x.hiddenText(d)
	if d.ZeroWidth >= splitWords {
		x.add(Reason{Code: "html-split-words", Params: params("Count", strconv.Itoa(d.ZeroWidth))})
	} else {
		x.mixedWords()
	}
}

// smuggles reports whether a script builds a file out of its own text.
func smuggles(d *markup.Document) bool {
	if d.Scripts == 0 {
		return false
	}
	decodes, saves := false, false
	for _, marker := range d.Markers {
		switch strings.ToLower(marker) {
		case "atob", "unescape", "fromcharcode", "decodeuricomponent", "eval":
			decodes = true
		case "createobjecturl", "mssaveoropenblob", "mssaveblob", "blob", "document.write", "location":
			saves = true
		}
	}
	return decodes && saves
}

// pictureAlone finds a picture that leads somewhere and speaks for a text that
// is hardly there.
func (x *exam) pictureAlone(d *markup.Document) {
	if len(strings.TrimSpace(d.Text)) >= pictureWords || len(strings.TrimSpace(x.m.Text)) >= pictureWords {
		return
	}
	for i := range d.Images {
		img := &d.Images[i]
		if img.Hidden || img.Link == "" || small(img.Width) || small(img.Height) {
			continue
		}
		x.add(Reason{Code: "html-picture", Params: params("Target", img.Link), Evidence: cut(img.Link)})
		return
	}
}

func small(pixels int) bool { return pixels >= 0 && pixels < 60 }

// hiddenText finds much text that a filter reads and a person does not.
func (x *exam) hiddenText(d *markup.Document) {
	total, longest := 0, 0
	for i := range d.Hidden {
		n := len(d.Hidden[i].Text)
		if total += n; n > len(d.Hidden[longest].Text) {
			longest = i
		}
	}
	if total < hiddenBytes || total < 2*len(strings.TrimSpace(d.Text)) {
		return
	}
	x.add(Reason{Code: "html-hidden", Params: params("Count", strconv.Itoa(total)), Evidence: cut(d.Hidden[longest].Text)})
}

// mixedWords finds words of the text in which letters of another script stand
// for Latin ones.
func (x *exam) mixedWords() {
	for i := range x.texts {
		t := &x.texts[i]
		if t.part != "body" && t.part != "html" || isASCII(t.value) {
			continue
		}
		value := t.value[:min(len(t.value), 16<<10)]
		count, first, firstEnd := 0, 0, 0
		for from := 0; count < 3; {
			start, end := nextWord(value, from)
			if start < 0 {
				break
			}
			if from = end; homoglyph(value[start:end]) {
				if count++; count == 1 {
					first, firstEnd = start, end
				}
			}
		}
		if count == 3 {
			x.add(at("html-split-words", t.part, t.value, first, firstEnd, params("Count", "3")))
			return
		}
	}
}

// homoglyph reports whether a word has letters of two scripts that look alike.
func homoglyph(word string) bool { return !isASCII(word) && mixed(word) }
