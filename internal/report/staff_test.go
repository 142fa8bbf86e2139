package report

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/belfry-centre/belfry/internal/analysis"
	"github.com/belfry-centre/belfry/internal/analysis/observable"
	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/locale"
)

func TestStaffPagesAreForStaff(t *testing.T) {
	d := newDoor(t, Options{})
	id := d.accept(note("x")).ID.String()
	for _, path := range []string{staffList, staffList + "/" + id} {
		p := d.visit("", "GET", path, "", nil)
		if p.code != http.StatusSeeOther || p.header.Get("Location") != "/sign-in?next="+url.QueryEscape(path) {
			t.Errorf("%s, not signed in: %d to %q", path, p.code, p.header.Get("Location"))
		}
		if p := d.visit(account.Intake, "GET", path, "", nil); p.code != http.StatusForbidden || strings.Contains(p.text(), id) {
			t.Errorf("%s as intake: %d", path, p.code)
		}
		for _, role := range []account.Role{account.Analyst, account.Admin} {
			p := d.visit(role, "GET", path, "", nil)
			if p.code != http.StatusOK || p.header.Get("Cache-Control") != "no-store" || p.header.Get("X-Robots-Tag") == "" {
				t.Errorf("%s as %s: %d, %v", path, role, p.code, p.header)
			}
		}
	}
	for _, bad := range []string{"0", "1", "-1", "x", "99999999999999999999999", id + "0"} {
		if p := d.visit(account.Analyst, "GET", staffList+"/"+bad, "", nil); p.code != http.StatusNotFound {
			t.Errorf("report %s: %d", bad, p.code)
		}
	}
	if p := d.visit(account.Analyst, "GET", staffList+"?after=x", "", nil); p.code != http.StatusUnprocessableEntity && p.code != http.StatusBadRequest {
		t.Errorf("a cursor that is none: %d", p.code)
	}
}

var reportLink = regexp.MustCompile(`^/staff/reports/(\d+)$`)

// rows returns the IDs of the list, from the top.
func (p page) rows() (ids []string) {
	for _, n := range p.elements("a") {
		if m := reportLink.FindStringSubmatch(attribute(n, "href")); m != nil {
			ids = append(ids, m[1])
		}
	}
	return ids
}

// link returns where the link with that relation leads.
func (p page) link(rel string) string {
	for _, n := range p.elements("a") {
		if attribute(n, "rel") == rel {
			return attribute(n, "href")
		}
	}
	return ""
}

func TestStaffList(t *testing.T) {
	d := newDoor(t, Options{Answers: toldAll{}})
	d.examine = func(content []byte, ev analysis.Evidence) analysis.Examination {
		x := fixed(content, ev)
		if bytes.Contains(content, []byte("SPAM")) {
			x.Items[0].Assessment.Verdict = verdict.Spam
			x.Items[0].Observables = []observable.Observable{{Type: observable.Domain, Value: "shop.example.com", Where: observable.InBody, Count: 1}}
		}
		return x
	}
	if p := d.visit(account.Analyst, "GET", staffList, "", nil); p.code != http.StatusOK || len(p.rows()) != 0 || len(p.elements("table")) != 0 {
		t.Errorf("an empty list: %d, %v", p.code, p.rows())
	}
	d.start()
	var want []string
	for i := range defaultPage + 3 {
		subject := fmt.Sprintf("letter %d", i)
		if i%10 == 0 {
			subject += " SPAM"
		}
		want = append(want, d.accept(note(subject)).ID.String())
	}
	d.settle()
	slices.Reverse(want)

	first := d.visit(account.Analyst, "GET", staffList, "", nil, "Accept-Language", "en")
	first.inert(t, "the list")
	if got := first.rows(); !slices.Equal(got, want[:defaultPage]) || first.link("first") != "" {
		t.Errorf("the first page: %v", got)
	}
	for _, text := range []string{"53 reports", "letter 52", "Bank", "service[@]bank[.]example[.]com", "Phishing", "0.97", "Mail", "On its way", "Sent", "Unsent", "Page only", "Something else"} {
		if !strings.Contains(first.text(), text) {
			t.Errorf("%q is missing", text)
		}
	}
	second := d.visit(account.Analyst, "GET", first.link("next"), "", nil)
	if got := second.rows(); !slices.Equal(got, want[defaultPage:]) || second.link("next") != "" {
		t.Errorf("the second page: %v", got)
	}
	if back := d.visit(account.Analyst, "GET", second.link("first"), "", nil); !slices.Equal(back.rows(), want[:defaultPage]) {
		t.Errorf("back to the newest: %v", back.rows())
	}

	for _, test := range []struct {
		query string
		code  int
		rows  int
	}{
		{"verdict=spam", 200, 6},
		{"verdict=phishing", 200, 47},
		{"verdict=spam&state=assessed", 200, 6},
		{"state=failed", 200, 0},
		{"verdict=nonsense&state=%27", 200, defaultPage}, // not narrowed
		{"q=shop.example.com", 200, 6},
		{"q=hxxps://evil[.]example[.]com/login", 200, 47},
		{"q=evil.example.com&after=" + want[defaultPage-1], 200, 2},
		{"q=never.example.com", 200, 0},
		{"q=two+words", 422, 0},
		{"q=" + url.QueryEscape(nasty), 422, 0},
	} {
		p := d.visit(account.Analyst, "GET", staffList+"?"+test.query, "", nil)
		p.inert(t, test.query)
		if p.code != test.code || len(p.rows()) != test.rows {
			t.Errorf("%s: %d with %d rows, want %d with %d", test.query, p.code, len(p.rows()), test.code, test.rows)
		}
	}
	if next := d.visit(account.Analyst, "GET", staffList+"?verdict=phishing&state=assessed&limit=1", "", nil).link("next"); next != "" {
		t.Errorf("47 reports have a second page: %s", next)
	}
}

// TestCountIsBounded: a count over millions costs no more than one over a
// thousand.
func TestCountIsBounded(t *testing.T) {
	each(t, func(t *testing.T, db *database.DB) {
		h := newHouse(t, db, Options{})
		err := db.Update(t.Context(), func(tx *database.Tx) error {
			for i := range maxCount + 5 {
				if _, err := tx.Exec(t.Context(), `INSERT INTO report (id, received_at, channel, state, desk, organisation, chosen, raw_size, follow_until, verdict)
					VALUES ($1, $2, 'smtp', 'waiting', '', '', '', 1, 0, $3)`, database.NewID(tx.Now), i, []string{"spam", "scam"}[min(i/10, 1)]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			q    Query
			want int
		}{
			{Query{}, maxCount + 1},
			{Query{State: StateWaiting}, maxCount + 1},
			{Query{Verdict: verdict.Spam}, 10},
			{Query{Verdict: verdict.Spam, State: StateClosed}, 0},
			{Query{Verdict: verdict.Scam, State: StateWaiting}, maxCount - 5},
		} {
			if n, err := h.Capability.count(t.Context(), test.q); err != nil || n != test.want {
				t.Errorf("%+v: %d, %v, want %d", test.q, n, err, test.want)
			}
		}
	})
}

func TestStaffReport(t *testing.T) {
	d := newDoor(t, Options{Answers: toldAll{}})
	d.start()
	id := d.accept(mailed("ann@example.net", 1)).ID
	d.settle()
	for _, lang := range locale.Languages() {
		p := d.visit(account.Analyst, "GET", staffList+"/"+id.String(), "", nil, "Accept-Language", lang)
		p.inert(t, "report in "+lang)
		text := p.text()
		r := d.get(id)
		if len(r.Items) != 1 || len(r.Items[0].Assessment.Reasons) == 0 || len(r.Observables) == 0 {
			t.Fatalf("the sample is too tame: %+v", r)
		}
		for _, reason := range r.Items[0].Assessment.Reasons {
			if !strings.Contains(text, reason.Code) {
				t.Errorf("%s: the reason %s is missing", lang, reason.Code)
			}
		}
		for _, want := range []string{
			"Your account 1 is blocked", "Your Bank", "service[@]bank-1[.]example[.]com", "hxxp://evil-1[.]example[.]com/login", "ann@example.net",
			"suspicious@centre.example.org", "I got this strange letter this morning", "why in words", id.String(),
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is missing", lang, want)
			}
		}
		if strings.Contains(p.body, "http://evil") {
			t.Errorf("%s: a link is not defanged", lang)
		}
	}
	// What was found leads to the other reports in which it was seen.
	p := d.visit(account.Analyst, "GET", staffList+"/"+id.String(), "", nil)
	searched := 0
	for _, n := range p.elements("a") {
		if to := attribute(n, "href"); strings.HasPrefix(to, staffList+"?q=") {
			searched++
			if found := d.visit(account.Analyst, "GET", to, "", nil); !slices.Contains(found.rows(), id.String()) {
				t.Errorf("%s does not find the report", to)
			}
		}
	}
	if searched == 0 {
		t.Error("no value can be searched for")
	}
}

func TestAssessAgainOnThePage(t *testing.T) {
	d := newDoor(t, Options{})
	d.examine = fixed
	d.start()
	whole, broken := d.accept(note("whole")).ID, d.accept(note("broken")).ID
	d.settle()
	if err := d.db.Update(t.Context(), func(tx *database.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE report SET state = 'failed' WHERE id = $1", broken)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	path := staffList + "/" + broken.String()
	button := func(role account.Role) bool {
		return strings.Contains(d.visit(role, "GET", path, "", nil).body, `action="`+path+`/assess"`)
	}
	if !button(account.Admin) || button(account.Analyst) {
		t.Errorf("the button: admin %v, analyst %v", button(account.Admin), button(account.Analyst))
	}
	post := func(role account.Role, id database.ID, headers ...string) page {
		return d.visit(role, "POST", staffList+"/"+id.String()+"/assess", "application/x-www-form-urlencoded", nil, headers...)
	}
	for _, test := range []struct {
		name string
		page page
		code int
	}{
		{"nobody", post("", broken), http.StatusUnauthorized},
		{"analyst", post(account.Analyst, broken), http.StatusForbidden},
		{"another site", post(account.Admin, broken, "Sec-Fetch-Site", "cross-site"), http.StatusForbidden},
		{"a report that did not fail", post(account.Admin, whole), http.StatusConflict},
		{"none", post(account.Admin, 1), http.StatusNotFound},
	} {
		if test.page.code != test.code {
			t.Errorf("%s: %d, want %d", test.name, test.page.code, test.code)
		}
	}
	if s := d.get(broken).State; s != StateFailed {
		t.Fatalf("it is %s", s)
	}
	p := post(account.Admin, broken)
	if p.code != http.StatusSeeOther || p.header.Get("Location") != path+"?asked" {
		t.Fatalf("%d to %q", p.code, p.header.Get("Location"))
	}
	d.settle()
	if s := d.get(broken).State; s == StateFailed {
		t.Error("it was not assessed again")
	}
}

// nastiest is a mail with nasty words in every field that a page shows.
func nastiest() []byte {
	quoted := "=?utf-8?q?" + strings.NewReplacer(" ", "_", "?", "=3F", "=", "=3D", "_", "=5F", "\u202e", "=E2=80=AE").Replace(nasty) + "?="
	return []byte("From: " + quoted + " <evil\"><script>alert(1)</script>@bank.example.com>\r\nTo: victim@example.net\r\nSubject: " + quoted + "\r\n" +
		"Reply-To: \"<script>alert(1)</script>\" <a@free.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" +
		"<p>Your account is blocked, confirm your password within 24 hours! <script>alert(1)</script></p>" +
		"<a href=\"javascript:alert(1)\">&lt;script&gt;alert(1)&lt;/script&gt;</a>" +
		"<a href='https://evil.example.com/\"><script>alert(1)</script>'>https://www.bank.example/&lt;img src=x onerror=alert(1)&gt;</a>" +
		"<a href=\"data:text/html,<script>alert(1)</script>\">x</a>\r\n" +
		"--b\r\nContent-Type: application/x-msdownload\r\nContent-Disposition: attachment; filename=\"<script>alert(1)</script>.pdf.exe\"\r\n" +
		"Content-Transfer-Encoding: base64\r\n\r\nTVqQAAMAAAAEAAAA\r\n--b--\r\n")
}

// TestNoForeignWordRuns shows the nastiest mail on every page.
func TestNoForeignWordRuns(t *testing.T) {
	for _, examine := range []struct {
		name string
		f    func([]byte, analysis.Evidence) analysis.Examination
	}{
		{"as it is read", analysis.Examine},
		{"whatever reading lets through", func(content []byte, ev analysis.Evidence) analysis.Examination {
			x := fixed(content, ev)
			i := &x.Items[0]
			i.Original.Words = nasty + "\r\n⟦" + nasty
			i.Original.Message.Subject = nasty
			i.Original.Message.From[0].Name, i.Original.Message.From[0].Address = nasty, nasty
			i.Assessment.Brand, i.Assessment.Rules = nasty, nasty
			i.Assessment.Reasons = []verdict.Reason{
				{Code: nasty, Weight: 2, Evidence: nasty},
				{Code: "link-text-differs", Weight: 1, Params: map[string]string{"Shown": nasty, "Domain": "⟦" + nasty}, Evidence: nasty},
			}
			i.Observables = []observable.Observable{
				{Type: observable.URL, Value: "javascript:" + nasty, Raw: nasty, Where: nasty, Source: nasty, Text: nasty, Hidden: true, Count: 3},
				{Type: observable.Type(nasty), Value: nasty, Where: observable.InBody, Source: nasty, Text: nasty, Count: 1},
			}
			return x
		}},
	} {
		t.Run(examine.name, func(t *testing.T) {
			d := newDoor(t, Options{Answers: toldAll{}})
			d.examine = examine.f
			d.start()
			done := d.accept(Submission{
				Channel: Form, Content: nastiest(), Reporter: nasty, Language: "en",
				Envelope: Envelope{From: nasty, Helo: nasty, To: []string{nasty}},
			})
			d.settle()
			for _, lang := range locale.Languages() {
				for _, path := range []string{
					staffList, staffList + "/" + done.ID.String(), staffList + "?q=evil.example.com", "/follow/" + done.FollowToken,
					staffList + "?q=" + url.QueryEscape(nasty), "/?" + url.QueryEscape(nasty),
				} {
					p := d.visit(account.Analyst, "GET", path, "", nil, "Accept-Language", lang)
					if p.code != http.StatusOK && p.code != http.StatusUnprocessableEntity {
						t.Fatalf("%s: %d", path, p.code)
					}
					p.inert(t, path)
					for n := range p.root.Descendants() {
						if n.Type == html.TextNode && strings.ContainsRune(n.Data, '\u202e') {
							t.Errorf("%s: text changes its direction: %q", path, n.Data)
						}
					}
				}
			}
			if p := d.visit(account.Analyst, "GET", staffList+"/"+done.ID.String(), "", nil); !strings.Contains(p.text(), "<script>alert(1)</script>") {
				t.Error("the page does not show the words at all")
			}
		})
	}
}

func TestShown(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{"  a\tb\r\nc ", "a b  c"},
		{"x\u202efdp.exe", "x‹U+202E›f…"},
		{"a\u200bb\u00adc\x00d\x1b[31me\ufe0f", "abcd[31me"},
		{"\xff\xfe", "\uFFFD"},
		{"e\u0301\u0301\u0301\u0301\u0301\u0301", "e\u0301\u0301\u0301"},
		{strings.Repeat("ä", 30), strings.Repeat("ä", 10) + "…"},
		{strings.Repeat("\u202e", 1000), "‹U+202E›…"},
		{"<b>", "<b>"}, // escaping is the template's
	} {
		if got := shown(test.in, 10); got != test.want {
			t.Errorf("%q: %q, want %q", test.in, got, test.want)
		}
	}
	if got := shownLines("a\r\nb\u2028c", 10); got != "a\nb c" {
		t.Errorf("lines: %q", got)
	}
}

// TestSenders: the list shows who sent the message whose subject it shows.
func TestSenders(t *testing.T) {
	each(t, func(t *testing.T, db *database.DB) {
		h := newHouse(t, db, Options{})
		h.examine = func(content []byte, ev analysis.Evidence) analysis.Examination {
			x := fixed(content, ev)
			other := fixed(content, ev).Items[0]
			other.Original.Message.Subject, other.Original.Message.From[0].Address = "Another", "another@example.com"
			other.Assessment.Verdict = verdict.Legitimate
			x.Items = append([]analysis.Item{other}, x.Items...)
			return x
		}
		h.start()
		one, two := h.accept(note("one")).ID, h.accept(note("two")).ID
		h.settle()
		senders, err := h.senders(t.Context(), []database.ID{one, two, 7})
		if err != nil || len(senders) != 2 {
			t.Fatalf("%v, %v", senders, err)
		}
		for id, m := range senders {
			if m.From != "service@bank.example.com" {
				t.Errorf("report %v: %q", id, m.From)
			}
		}
	})
}
