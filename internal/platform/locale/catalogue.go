package locale

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

// Languages returns the codes of the four languages, in the order in which
// pages offer them.
func Languages() []string { return []string{"nl", "fr", "de", "en"} }

// Known reports whether lang is one of Languages.
func Known(lang string) bool { return slices.Contains(Languages(), lang) }

// Catalogue holds every text in every language. It does not change after Load
// and may be used by many goroutines.
type Catalogue struct {
	languages map[string]*texts
	matcher   language.Matcher
}

// texts is the catalogue in one language.
type texts struct {
	localizer *i18n.Localizer
	entries   map[string]entry
}

// entry is what one language says for one key.
type entry struct {
	fixed  string   // the whole text where it has no placeholder and no plural
	names  []string // sorted placeholders, Count left out
	plural bool
	draft  bool
}

// Languages returns the codes of the languages, in the order in which pages
// offer them.
func (c *Catalogue) Languages() []string { return Languages() }

// Has reports whether the key is known.
func (c *Catalogue) Has(key string) bool {
	_, ok := c.languages[fallback].entries[key]
	return ok
}

// Keys returns every key, sorted.
func (c *Catalogue) Keys() []string {
	return slices.Sorted(maps.Keys(c.languages[fallback].entries))
}

// Placeholders returns the sorted names that the key's text asks for, and
// whether it wants a number (Plural) besides.
func (c *Catalogue) Placeholders(key string) (names []string, plural bool) {
	e := c.languages[fallback].entries[key]
	return slices.Clone(e.names), e.plural
}

// Draft reports whether no native reader has seen that text yet.
func (c *Catalogue) Draft(lang, key string) bool {
	return c.in(lang).entries[key].draft
}

// Drafts returns the sorted keys that are drafts in that language.
func (c *Catalogue) Drafts(lang string) []string {
	var keys []string
	for key, e := range c.in(lang).entries {
		if e.draft {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Text returns the key's text in that language, with its placeholders filled
// from params. The result is plain text: the caller escapes it for HTML.
//
// Text never fails: an unknown language reads as English, and an unknown key,
// a missing parameter or a plural text gives a text in brackets that names the
// fault, as in "⟦report.sent: Name is missing⟧", for tests and eyes to find.
func (c *Catalogue) Text(lang, key string, params map[string]string) string {
	t := c.in(lang)
	e, ok := t.entries[key]
	switch {
	case !ok:
		return broken(key, "no such text")
	case e.plural:
		return broken(key, "needs a number")
	case len(e.names) == 0:
		return e.fixed
	}
	return t.fill(key, e, params, nil)
}

// Plural is Text for a key with plural forms: it takes the form for n, and
// the placeholder Count is n, written as the language writes numbers.
func (c *Catalogue) Plural(lang, key string, n int, params map[string]string) string {
	t := c.in(lang)
	e, ok := t.entries[key]
	if !ok {
		return broken(key, "no such text")
	}
	if !e.plural {
		return c.Text(lang, key, params)
	}
	all := maps.Clone(params)
	if all == nil {
		all = make(map[string]string, 1)
	}
	all["Count"] = c.Number(lang, int64(n))
	return t.fill(key, e, all, max(n, -n))
}

// fill puts params into the text. count is nil or the number that chooses the
// plural form.
func (t *texts) fill(key string, e entry, params map[string]string, count any) string {
	for _, name := range e.names {
		if _, ok := params[name]; !ok {
			return broken(key, name+" is missing")
		}
	}
	s, err := t.localizer.Localize(&i18n.LocalizeConfig{MessageID: key, TemplateData: params, PluralCount: count})
	if err != nil {
		return broken(key, err.Error())
	}
	return s
}

func broken(key, why string) string { return fmt.Sprintf("⟦%s: %s⟧", key, why) }

// Broken reports whether s holds the mark of a text that could not be made.
// Tests ask it of whole pages.
func Broken(s string) bool { return strings.Contains(s, "⟦") }

// fallback is the language of last resort, and the one whose texts the others
// are compared with.
const fallback = "en"

func (c *Catalogue) in(lang string) *texts {
	if t, ok := c.languages[lang]; ok {
		return t
	}
	return c.languages[fallback]
}

// Name returns the language's name in itself, such as "Nederlands".
func (c *Catalogue) Name(lang string) string { return c.Text(lang, "locale.name", nil) }

// maxAccept bounds what Match reads of a header, in bytes. Browsers send under
// a hundred.
const maxAccept = 256

// Match returns the language that suits an Accept-Language header (RFC 9110,
// section 12.5.4) best, and "" where none does, so that the caller can choose
// its own default. A header that is too long or malformed counts as none.
func (c *Catalogue) Match(accept string) string {
	if accept == "" || len(accept) > maxAccept {
		return ""
	}
	tags, q, err := language.ParseAcceptLanguage(accept)
	if err != nil {
		return ""
	}
	wanted := tags[:0]
	for i, tag := range tags {
		if q[i] > 0 && tag != language.Und {
			wanted = append(wanted, tag)
		}
	}
	if len(wanted) == 0 {
		return ""
	}
	_, i, confidence := c.matcher.Match(wanted...)
	if confidence == language.No {
		return ""
	}
	return Languages()[i]
}
