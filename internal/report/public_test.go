package report

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/belfry-centre/belfry/internal/analysis/observable"
	"github.com/belfry-centre/belfry/internal/analysis/original"
	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/locale"
	"github.com/belfry-centre/belfry/internal/platform/web"
	"github.com/belfry-centre/belfry/internal/platform/web/webtest"
	"github.com/belfry-centre/belfry/internal/report/submission"
)

func TestPages(t *testing.T) {
	c := webtest.Catalogue(t, verdict.Wording, Locales)
	s := webtest.Server(t, web.Options{Text: c})
	check(t, s, "form", func(p *web.Page[formData]) { webtest.Check(t, c, p) })
	check(t, s, "follow", func(p *web.Page[followData]) { webtest.Check(t, c, p) })
	check(t, s, "gone", func(p *web.Page[goneData]) { webtest.Check(t, c, p) })
	check(t, s, "list", func(p *web.Page[listData]) { webtest.Check(t, c, p) })
	check(t, s, "report", func(p *web.Page[oneData]) { webtest.Check(t, c, p) })
}

func check[D any](t *testing.T, s *web.Server, name string, f func(*web.Page[D])) {
	t.Helper()
	p, err := web.NewPage[D](s, pages, "pages/"+name+".html")
	if err != nil {
		t.Fatal(err)
	}
	f(p)
}

// TestEveryWordHasItsText walks the lists whose texts templates ask for by a
// key that they put together.
func TestEveryWordHasItsText(t *testing.T) {
	c := webtest.Catalogue(t, verdict.Wording, Locales)
	lists := map[string][]string{
		"how":   {string(original.Itself), string(original.Attached), string(original.Inline), string(original.Redirected), string(original.Pasted), string(original.Pictured)},
		"class": {string(Bounce), string(AutoReply), string(List), string(Own), string(Loop), string(Robot)},
		"where": {observable.InHTML, observable.InBody, observable.InSubject, observable.InHeader, observable.InAttachment, observable.InUnsubscribe},
		// The states of answers are another capability's; these are documented.
		"answer": {"pending", "sent", "unsent", "failed", "withheld"},
	}
	for _, v := range Verdicts() {
		lists["verdict"] = append(lists["verdict"], string(v))
	}
	for _, s := range States() {
		lists["state"] = append(lists["state"], string(s))
		lists["follow.state"] = append(lists["follow.state"], string(s))
		lists["follow.heading"] = append(lists["follow.heading"], string(s))
	}
	for _, ch := range Channels() {
		lists["channel"] = append(lists["channel"], string(ch))
	}
	for _, o := range observable.Types() {
		lists["type"] = append(lists["type"], string(o))
	}
	for list, words := range lists {
		if !strings.HasPrefix(list, "follow.") {
			words = append(words, "unknown")
		}
		for _, w := range words {
			if key := "report.page." + list + "." + w; !c.Has(key) {
				t.Errorf("there is no text %s", key)
			}
		}
	}
	for key := range colours {
		if !c.Has("report.page." + key) {
			t.Errorf("a colour for %s, which has no text", key)
		}
	}
}

// page is what a browser got.
type page struct {
	code   int
	header http.Header
	body   string
	root   *html.Node
}

// visit asks the server as a browser, or with the role's token.
func (d *door) visit(role account.Role, method, path, contentType string, body []byte, headers ...string) page {
	d.t.Helper()
	r := httptest.NewRequestWithContext(d.t.Context(), method, path, bytes.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	r.Header.Set("Accept", "text/html")
	if role != "" {
		r.Header.Set("Authorization", "Bearer "+d.tokens[role])
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "remote" {
			r.RemoteAddr = headers[i+1]
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	d.srv.ServeHTTP(w, r)
	p := page{code: w.Code, header: w.Header(), body: w.Body.String()}
	var err error
	if p.root, err = html.Parse(strings.NewReader(p.body)); err != nil {
		d.t.Fatal(err)
	}
	if strings.Contains(p.body, "⟦re") || strings.Contains(p.body, "⟦web.") { // a foreign word may hold the mark, but not with a key
		d.t.Errorf("%s %s: a text is broken: %s", method, path, p.body)
	}
	return p
}

// elements returns those of that name; "" is all.
func (p page) elements(name string) (all []*html.Node) {
	for n := range p.root.Descendants() {
		if n.Type == html.ElementNode && (name == "" || n.Data == name) {
			all = append(all, n)
		}
	}
	return all
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// text is what stands on the page, on one line.
func (p page) text() string { return textOf(p.root) }

func textOf(root *html.Node) string {
	var b strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.TextNode {
			b.WriteString(n.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// inert fails the test where a page has anything that a browser would run or
// fetch, or that leads off our site.
func (p page) inert(t testing.TB, where string) {
	t.Helper()
	ids := map[string]bool{}
	for _, n := range p.elements("") {
		switch n.Data {
		case "script":
			if !strings.HasPrefix(attribute(n, "src"), "/static/") || n.FirstChild != nil {
				t.Errorf("%s: a script of somebody else's: %v", where, n.Attr)
			}
		case "iframe", "object", "embed", "img", "base", "style", "math", "video", "audio":
			t.Errorf("%s: an element <%s>", where, n.Data)
		}
		for _, a := range n.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "srcdoc", a.Key == "formaction":
				t.Errorf("%s: <%s %s=%q>", where, n.Data, a.Key, a.Val)
			case a.Key == "href" || a.Key == "src" || a.Key == "action":
				own := strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "//") || strings.HasPrefix(a.Val, "#") ||
					strings.HasPrefix(a.Val, "mailto:") && strings.HasSuffix(a.Val, "@centre.example.org")
				if !own {
					t.Errorf("%s: <%s %s=%q> leads away", where, n.Data, a.Key, a.Val)
				}
			case a.Key == "id":
				if ids[a.Val] {
					t.Errorf("%s: the id %q stands twice", where, a.Val)
				}
				ids[a.Val] = true
			}
		}
	}
}

// typedForm is form as a browser sends ours.
func typedForm(t testing.TB, fields ...string) (contentType string, body []byte) {
	t.Helper()
	contentType, body = form(t, fields...)
	return contentType, bytes.ReplaceAll(body, []byte(`name="files[]"`), []byte(`name="files"`))
}

func (p page) followed(t testing.TB) string {
	t.Helper()
	to := p.header.Get("Location")
	if p.code != http.StatusSeeOther || !strings.HasPrefix(to, "/follow/") {
		t.Fatalf("%d to %q: %s", p.code, to, p.text())
	}
	return to
}

func TestFormInFourLanguages(t *testing.T) {
	d := newDoor(t, Options{})
	for _, lang := range locale.Languages() {
		p := d.visit("", "GET", "/?lang="+lang, "", nil)
		if p.code != http.StatusOK || p.header.Get("Content-Language") != lang {
			t.Fatalf("%s: %d in %q", lang, p.code, p.header.Get("Content-Language"))
		}
		p.inert(t, "form in "+lang)
		var names []string
		for _, n := range slices.Concat(p.elements("input"), p.elements("textarea")) {
			names = append(names, attribute(n, "name"))
			if attribute(n, "name") == "language" && attribute(n, "value") != lang {
				t.Errorf("%s: the form asks for an answer in %q", lang, attribute(n, "value"))
			}
		}
		for _, want := range []string{"language", "files", "text", "url", "email"} {
			if !slices.Contains(names, want) {
				t.Errorf("%s: no field %s", lang, want)
			}
		}
		desk := "suspicious@centre.example.org"
		if lang == "nl" {
			desk = "verdacht@centre.example.org"
		}
		if !strings.Contains(p.text(), desk) {
			t.Errorf("%s: the desk %s is not told", lang, desk)
		}
	}
	if p := d.visit("", "GET", "/report", "", nil); p.code != http.StatusSeeOther || p.header.Get("Location") != "/" {
		t.Errorf("GET /report: %d to %q", p.code, p.header.Get("Location"))
	}
}

func TestFormTakesAReport(t *testing.T) {
	mail := string(letter("ann@example.net", 1))
	for _, test := range []struct {
		name     string
		fields   []string
		reporter string
		language string
		holds    []string // in the container
	}{
		{"text", []string{"text", "Your parcel waits: https://evil.example.com/x"}, "", "en", []string{submission.Header + ": text"}},
		{"URL, defanged", []string{"url", "hxxps://evil[.]example.com/x"}, "", "en", []string{submission.Header + ": url"}},
		{"file", []string{"@mail.eml", mail}, "", "en", []string{submission.Header + ": files", "message/rfc822", "Your account 1 is blocked"}},
		{
			"all of it",
			[]string{"@mail.eml", mail, "@../../shot.gif", "GIF89a", "@", "", "text", "hello", "url", "www.example.org", "email", " ann@example.net ", "language", "fr"},
			"ann@example.net", "fr",
			[]string{submission.Header + ": text url files", "Your account 1 is blocked", "filename=shot.gif", "R0lGODlh"},
		},
		{"an unknown language", []string{"text", "hello", "language", "xx"}, "", "en", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDoor(t, Options{})
			contentType, body := typedForm(t, test.fields...)
			p := d.visit("", "POST", "/report", contentType, body, "Accept-Language", "en")
			to := p.followed(t)
			f, err := d.Follow(t.Context(), strings.TrimPrefix(to, "/follow/"), "")
			if err != nil {
				t.Fatal(err)
			}
			r := d.get(f.ID)
			if r.Channel != Form || r.Reporter != test.reporter || r.Chosen != test.language {
				t.Errorf("channel %q, reporter %q, language %q", r.Channel, r.Reporter, r.Chosen)
			}
			content, err := d.Raw(t.Context(), admin, f.ID)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range test.holds {
				if !bytes.Contains(content, []byte(want)) {
					t.Errorf("the container does not hold %q:\n%s", want, content)
				}
			}
			if p := d.visit("", "GET", to, "", nil); p.code != http.StatusOK {
				t.Errorf("its follow page: %d", p.code)
			}
		})
	}
}

// TestFormTellsWhatIsWrong looks for each problem on top and beside its field,
// for what was typed, and that nothing was stored.
func TestFormTellsWhatIsWrong(t *testing.T) {
	many := make([]string, 0, 2*(submission.MaxFiles+1))
	for range submission.MaxFiles + 1 {
		many = append(many, "@a.txt", "x")
	}
	for _, test := range []struct {
		name   string
		fields []string
		code   int
		wrong  []string
		kept   []string
	}{
		{"nothing", []string{"text", " \n "}, 422, []string{"files"}, nil},
		{"only an empty file", []string{"@a.txt", ""}, 422, []string{"files"}, nil},
		{"too many files", many, 422, []string{"files"}, nil},
		{"no URL", []string{"url", "two words"}, 422, []string{"url"}, []string{"two words"}},
		{"no address", []string{"text", "hello <b>you</b>", "email", `ann"><script>@`}, 422, []string{"email"}, []string{"hello <b>you</b>", `ann"><script>@`}},
		{"two at once", []string{"@a.txt", "x", "url", "a b", "email", "ann"}, 422, []string{"url", "email"}, []string{"a b", "ann"}},
		{"a text too long", []string{"text", strings.Repeat("a", submission.MaxText+1)}, 422, []string{"text"}, nil},
		{"files over the limit", []string{"@a.txt", strings.Repeat("x", 700<<10), "text", "hello"}, 422, []string{"files"}, []string{"hello"}},
		{"a body over the limit", []string{"@a.txt", strings.Repeat("x", 2<<20)}, 413, []string{"files"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDoor(t, Options{MaxSize: 600 << 10})
			contentType, body := typedForm(t, test.fields...)
			p := d.visit("", "POST", "/report", contentType, body, "Accept-Language", "de")
			if p.code != test.code {
				t.Fatalf("%d, want %d: %s", p.code, test.code, p.text())
			}
			p.inert(t, test.name)
			var summary []string
			for _, n := range p.elements("a") {
				if to := attribute(n, "href"); strings.HasPrefix(to, "#") && to != "#main" {
					summary = append(summary, to[1:])
				}
			}
			if !slices.Equal(summary, test.wrong) {
				t.Errorf("the summary names %v, want %v", summary, test.wrong)
			}
			var kept []string
			for _, n := range slices.Concat(p.elements("input"), p.elements("textarea")) {
				id := attribute(n, "id")
				if (attribute(n, "aria-invalid") == "true") != slices.Contains(test.wrong, id) {
					t.Errorf("%s: aria-invalid=%q", id, attribute(n, "aria-invalid"))
				}
				if slices.Contains(test.wrong, id) && !strings.Contains(p.body, `id="`+id+`-problem"`) {
					t.Errorf("%s: nothing stands beside it", id)
				}
				kept = append(kept, attribute(n, "value"), textOf(n))
			}
			for _, want := range test.kept {
				if !slices.Contains(kept, want) {
					t.Errorf("%q is lost", want)
				}
			}
			if n := d.count("SELECT count(*) FROM report"); n != 0 {
				t.Errorf("%d reports were stored", n)
			}
		})
	}
}

func TestFormSlowsDownOneNetwork(t *testing.T) {
	d := newDoor(t, Options{})
	contentType, body := typedForm(t, "text", "hello")
	post := func(from string) int { return d.visit("", "POST", "/report", contentType, body, "remote", from).code }
	for i := range formBurst {
		if code := post(fmt.Sprintf("[2001:db8::%x]:1", i+1)); code != http.StatusSeeOther {
			t.Fatalf("report %d: %d", i+1, code)
		}
	}
	if code := post("[2001:db8::ffff]:1"); code != http.StatusTooManyRequests {
		t.Errorf("one more: %d", code)
	}
	if code := post("[2001:db8:0:1::1]:1"); code != http.StatusSeeOther {
		t.Errorf("another network: %d", code)
	}
}

func TestFormTakesNothingFromOtherSites(t *testing.T) {
	d := newDoor(t, Options{})
	contentType, body := typedForm(t, "text", "hello")
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
		if p := d.visit("", "POST", "/report", contentType, body, headers...); p.code != http.StatusForbidden {
			t.Errorf("%v: %d", headers, p.code)
		}
	}
	if n := d.count("SELECT count(*) FROM report"); n != 0 {
		t.Errorf("%d reports were stored", n)
	}
}

// nasty is what a page must make harmless wherever it stands.
const (
	nasty     = nastyText + "\u202efdp.exe"
	nastyText = `"><script>alert(1)</script><img src=x onerror=alert(1)> javascript:alert(1) ' onmouseover=alert(1) `
)

// toldAll is an answer port that has answered everything with nasty words.
type toldAll struct{}

func (toldAll) AnswerFor(_ context.Context, _ database.ID, language string) (Panel, bool, error) {
	return Panel{
		State: "sent", StateText: nastyText, Kind: "full", Why: "whycode", WhyText: "why in words", Language: language, Subject: "It is phishing " + nastyText,
		Intro: []string{"Thank you " + nastyText}, Closing: []string{"Bye " + nastyText}, Text: nastyText,
		Sections: []PanelSection{{
			Heading: "Why " + nastyText, About: "About " + nastyText, Text: []string{"Text " + nastyText},
			Points: []PanelPoint{{Text: "Point " + nastyText, Words: "Words " + nastyText}}, Steps: []string{"Step one " + nastyText, "Step two"},
		}},
		SentAt: time.Unix(1_800_000_000, 0),
	}, true, nil
}

func (toldAll) AnswerStates(_ context.Context, reports []database.ID) (map[database.ID]string, error) {
	states := map[database.ID]string{}
	for i, id := range reports {
		states[id] = []string{"pending", "sent", "unsent", "failed", "withheld", nasty}[i%6]
	}
	return states, nil
}

// everything counts what is stored, and adds up what may change.
func (d *door) everything() (all []int) {
	for _, table := range []string{"report", "message", "assessment", "observable", "sighting", "receipt", "reporter", "job", "audit_entry"} {
		all = append(all, d.count("SELECT count(*) FROM "+table))
	}
	for _, s := range States() {
		all = append(all, d.count("SELECT count(*) FROM report WHERE state = $1", string(s)))
	}
	return append(all, d.count("SELECT sum(follow_until % 1000003) FROM report"))
}

func TestFollowPage(t *testing.T) {
	d := newDoor(t, Options{})
	d.examine = fixed
	done := d.accept(Submission{Channel: Form, Content: []byte("Subject: x\r\n\r\nhello\r\n"), Language: "en"})
	path := "/follow/" + done.FollowToken
	before := d.everything()
	for _, lang := range locale.Languages() {
		p := d.visit("", "GET", path, "", nil, "Accept-Language", lang)
		p.inert(t, "follow in "+lang)
		if p.code != http.StatusOK || !strings.Contains(p.body, "data-watch") || !strings.Contains(p.body, `http-equiv="refresh"`) {
			t.Errorf("%s: %d; a report that waits is not watched", lang, p.code)
		}
		for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow, noarchive"} {
			if got := p.header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if !strings.Contains(p.text(), "https://centre.example.org"+path) {
			t.Errorf("%s: the link to keep is missing", lang)
		}
	}
	if p := d.visit("", "HEAD", path, "", nil); p.code != http.StatusOK {
		t.Errorf("HEAD: %d", p.code)
	}
	if p := d.visit("", "POST", path, "", nil); p.code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", p.code)
	}
	if after := d.everything(); !slices.Equal(before, after) {
		t.Errorf("looking changed something: %v, then %v", before, after)
	}
	d.start()
	d.settle()
	if p := d.visit("", "GET", path, "", nil); p.code != http.StatusOK || !strings.Contains(p.body, "data-watch") {
		t.Errorf("assessed and not answered: %d, not watched", p.code)
	}
}

func TestFollowPageWithAnAnswer(t *testing.T) {
	d := newDoor(t, Options{Answers: toldAll{}})
	d.examine = fixed
	d.start()
	done := d.accept(Submission{Channel: Form, Content: []byte("Subject: UNSURE\r\n\r\nhello\r\n"), Language: "en"})
	d.settle()
	for _, lang := range locale.Languages() {
		p := d.visit("", "GET", "/follow/"+done.FollowToken, "", nil, "Accept-Language", lang)
		p.inert(t, "answer in "+lang)
		text := p.text()
		for _, want := range []string{"It is phishing", "Thank you", "Why", "About", "Point", "Words", "Step one", "Step two", "Bye", "<script>alert(1)</script>"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is missing", lang, want)
			}
		}
		for _, secret := range []string{"0.97", "0,97", "whycode", "why in words", "automatic"} {
			if strings.Contains(p.body, secret) {
				t.Errorf("%s: it tells %q", lang, secret)
			}
		}
		if strings.Contains(p.body, "data-watch") || strings.Contains(p.body, `http-equiv="refresh"`) {
			t.Errorf("%s: an answered report is watched", lang)
		}
		for _, n := range p.elements("article") {
			if attribute(n, "lang") != lang {
				t.Errorf("the answer is in %q, not in %q", attribute(n, "lang"), lang)
			}
		}
	}
}

// TestAFollowLinkThatDoesNotOpen tells nobody whether it ever did.
func TestAFollowLinkThatDoesNotOpen(t *testing.T) {
	d := newDoor(t, Options{})
	done := d.accept(note("x"))
	token := done.FollowToken
	last := "A"
	if strings.HasSuffix(token, last) {
		last = "B"
	}
	wrong := token[:len(token)-1] + last
	get := func(token string) string {
		p := d.visit("", "GET", "/follow/"+token, "", nil)
		if p.code != http.StatusNotFound {
			t.Errorf("%s: %d", token, p.code)
		}
		p.inert(t, token)
		return strings.ReplaceAll(p.body, token, "TOKEN")
	}
	unknown := get(wrong)
	if err := d.db.Update(t.Context(), func(tx *database.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE report SET follow_until = $1", database.Micros(tx.Now)-1)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if expired := get(token); expired != unknown {
		t.Errorf("an expired link can be told from an unknown one:\n%s\n%s", expired, unknown)
	}
	for _, bad := range []string{"x", strings.Repeat("A", 32), strings.Repeat("A", 5000), "%00", "..%2f..%2fstaff"} {
		get(bad)
	}
}
