package analysis

import (
	"strings"

	"github.com/belfry-centre/belfry/internal/analysis/language"
	"github.com/belfry-centre/belfry/internal/analysis/message"
	"github.com/belfry-centre/belfry/internal/analysis/observable"
	"github.com/belfry-centre/belfry/internal/analysis/original"
	"github.com/belfry-centre/belfry/internal/analysis/verdict"
)

// Evidence is what the caller knows from outside the message; the zero value
// means: nothing.
type Evidence = verdict.Evidence

// Examination is everything that is found in one report.
type Examination struct {
	// Outer is the report as it came.
	Outer *message.Message
	// Items are the originals found in it, at least one and at most MaxItems.
	Items []Item
	// Language is that of the reporter's words, else of the line that the
	// reporter's mail program put above the forwarded mail, else empty
	// (ISO 639-1).
	Language string
	// Class says whether a person sent the report.
	Class Class
}

// Item is one original and what was found out about it.
type Item struct {
	Original    original.Original
	Observables []observable.Observable
	Assessment  verdict.Assessment
}

// MaxItems bounds how many originals of one report are judged.
const MaxItems = 50

// Examine reads a report and judges every original in it. It never fails: of
// bytes that are no message it says that the verdict is unclear. The result
// shares memory with raw, which must not be changed afterwards.
func Examine(raw []byte, ev Evidence) Examination {
	outer := message.Parse(raw, message.Limits{})
	originals := original.Find(outer)
	x := Examination{Outer: outer, Class: Classify(outer)}
	x.Items = make([]Item, 0, len(originals))
	for i := range originals {
		if i == MaxItems {
			break
		}
		x.Items = append(x.Items, examine(originals[i], ev))
	}
	x.Language = reporterLanguage(originals)
	return x
}

func examine(o original.Original, ev Evidence) Item {
	c := Case(o)
	return Item{Original: o, Observables: c.Observables, Assessment: verdict.Judge(c, ev)}
}

// Case makes of an original what is judged: its observables and language with it.
func Case(o original.Original) verdict.Case {
	lang := ""
	if o.Message != nil {
		lang, _ = language.Detect(letter(o.Message))
	}
	return verdict.Case{Original: o, Observables: observable.Extract(o.Message), Language: lang}
}

// letter is the text whose language is the message's: the body, or the subject
// where that is nearly empty.
func letter(m *message.Message) string {
	body := m.Body()
	if len(strings.TrimSpace(body)) < 20 {
		return m.Subject + "\n" + body
	}
	return body
}

// reporterLanguage tells which language the reporter writes.
func reporterLanguage(originals []original.Original) string {
	for i := range originals {
		if lang, _ := language.Detect(originals[i].Words); lang != "" {
			return lang
		}
	}
	for i := range originals {
		if lang := language.FromForwardHeader(originals[i].ForwardHeader); lang != "" {
			return lang
		}
	}
	return ""
}
