package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/account"
)

// Layout is what every template can say: texts, dates and numbers in the
// reader's language, and what the frame around the page needs.
type Layout struct {
	Lang     string
	Brand    string
	Viewer   account.Viewer
	Problems []Problem

	server *Server
	url    url.URL
	now    time.Time
}

func (s *Server) layout(r *http.Request) *Layout {
	v := VisitOf(r.Context())
	return &Layout{
		Lang: v.Lang, Brand: s.o.Brand.Name, Viewer: v.Viewer,
		server: s, url: *r.URL, now: s.o.Clock(),
	}
}

// T returns the key's text. Placeholders come as pairs of name and value:
// {{.T "report.sent" "Address" .D.Address}}. See locale.Catalogue.Text for
// what a mistake looks like.
func (l *Layout) T(key string, pairs ...any) string {
	return l.server.o.Text.Text(l.Lang, key, params(pairs))
}

// N is T for a text with plural forms.
func (l *Layout) N(key string, n int, pairs ...any) string {
	return l.server.o.Text.Plural(l.Lang, key, n, params(pairs))
}

func params(pairs []any) map[string]string {
	if len(pairs) == 0 {
		return nil
	}
	m := make(map[string]string, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = fmt.Sprint(pairs[i+1])
	}
	return m
}

// Date writes a day, DateTime a day and its time, Short both for a table, and
// Ago how long it is back.
func (l *Layout) Date(t time.Time) string { return l.server.o.Text.Date(l.Lang, l.in(t)) }

// DateTime writes a day and the time of day.
func (l *Layout) DateTime(t time.Time) string { return l.server.o.Text.DateTime(l.Lang, l.in(t)) }

// Short writes a day and the time of day for a table.
func (l *Layout) Short(t time.Time) string { return l.server.o.Text.Short(l.Lang, l.in(t)) }

// Ago writes how long before now t was.
func (l *Layout) Ago(t time.Time) string { return l.server.o.Text.Ago(l.Lang, l.in(t), l.now) }

// ISO writes t for the datetime attribute of <time>.
func (l *Layout) ISO(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (l *Layout) in(t time.Time) time.Time { return t.In(l.server.o.Zone) }

// Number writes a whole number of any integer type.
func (l *Layout) Number(n any) string {
	var x int64
	if _, err := fmt.Sscan(fmt.Sprint(n), &x); err != nil {
		return fmt.Sprint(n)
	}
	return l.server.o.Text.Number(l.Lang, x)
}

// Size writes a number of bytes.
func (l *Layout) Size(bytes int64) string { return l.server.o.Text.Size(l.Lang, bytes) }

// LanguageName returns a language's name in itself.
func (l *Layout) LanguageName(lang string) string { return l.server.o.Text.Name(lang) }

// Asset returns where a file of package static is served.
func (l *Layout) Asset(name string) string { return l.server.assets.Path(name) }

// May reports whether the viewer may do that, to leave out what would fail.
func (l *Layout) May(act string) bool { return l.Viewer.May(account.Act(act)) }

// Here returns the page's own path and query.
func (l *Layout) Here() string { return l.url.RequestURI() }

// With returns the page's own path and query with one parameter set, or
// removed when the value is "".
func (l *Layout) With(name, value string) string {
	q := l.url.Query()
	if value == "" {
		q.Del(name)
	} else {
		q.Set(name, value)
	}
	u := url.URL{Path: l.url.Path, RawQuery: q.Encode()}
	return u.RequestURI()
}

// Problem returns what is wrong with that field, "" when nothing is.
func (l *Layout) Problem(field string) string {
	for _, p := range l.Problems {
		if p.Field == field {
			return p.Text
		}
	}
	return ""
}

// Link is an entry of the menu or of the choice of language.
type Link struct {
	Text    string
	URL     string
	Lang    string // the language's code, in the choice of language
	Current bool
}

// Languages returns the choice of language; each link keeps the page.
func (l *Layout) Languages() []Link {
	var links []Link
	for _, lang := range l.server.o.Text.Languages() {
		links = append(links, Link{
			Text: l.LanguageName(lang), URL: l.With(languageCookie, lang), Lang: lang, Current: lang == l.Lang,
		})
	}
	return links
}

// Menu returns the entries that the viewer may use.
func (l *Layout) Menu() []Link {
	var links []Link
	for _, item := range l.server.nav {
		if item.Needs != "" && !l.Viewer.May(item.Needs) {
			continue
		}
		links = append(links, Link{
			Text: l.T(item.Key), URL: item.Path,
			Current: l.url.Path == item.Path || strings.HasPrefix(l.url.Path, strings.TrimSuffix(item.Path, "/")+"/"),
		})
	}
	return links
}

// SignedIn reports whether anybody is.
func (l *Layout) SignedIn() bool { return l.Viewer.SignedIn() }

// local returns target if it is a path on this server, other otherwise: a
// target that somebody else wrote must not lead to another site.
func local(target, other string) string {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || !strings.HasPrefix(u.Path, "/") ||
		strings.HasPrefix(u.Path, "//") || strings.ContainsAny(target, "\\\r\n\t") {
		return other
	}
	return u.RequestURI()
}
