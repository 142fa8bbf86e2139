package answer

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/belfry-centre/belfry/internal/analysis"
	"github.com/belfry-centre/belfry/internal/analysis/message"
	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/analysis/verdict/reference"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
	"github.com/belfry-centre/belfry/internal/platform/locale"
	"github.com/belfry-centre/belfry/internal/platform/mailout"
)

var (
	received = time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)
	contacts = []Contact{
		{After: []string{"bank", "paid"}, EN: "Card service, day and night: 0000.", NL: "Kaartdienst, dag en nacht: 0000.", FR: "Service des cartes, jour et nuit : 0000.", DE: "Kartendienst, Tag und Nacht: 0000."},
		{After: []string{"password"}, EN: "Help desk of the centre: 1111."},
	}
)

// writing is a house that only writes.
func writing(t testing.TB, o Options) *house {
	t.Helper()
	return build(t, databasetest.Open(t, database.Options{}, schemas...), o)
}

func phishing() Item {
	return Item{
		Verdict: verdict.Phishing, Automatic: true, Brand: "Example Bank", Title: "Uw kaart vervalt", Sender: "bank@evil.example",
		Reasons: []verdict.Reason{
			{
				Code: "link-text-differs", Weight: 2, Evidence: "Klik hier: https://www.examplebank.example/kaart",
				Params: map[string]string{"Shown": "www.examplebank.example", "Target": "https://evil.example/x.php"},
			},
			{Code: "not-worded", Weight: 1.9, Evidence: "secret"},
			{Code: "words-bank", Weight: 1.5, Evidence: "uw nieuwe bankkaart ligt klaar, bel +32 470 12 34 56"},
			{Code: "links-own", Weight: -1, Params: map[string]string{"Domain": "examplebank.example"}},
			{Code: "words-urgency", Weight: 1, Evidence: "binnen 24 uur"},
		},
	}
}

func full() Subject {
	return Subject{
		Report: 7, ReceivedAt: received, Channel: "smtp", Desk: "suspicious@centre.example",
		Address: "jan@public.example", Proved: true, MessageID: "<a1@public.example>", References: []string{"<a0@public.example>"},
		Title: "Fwd: Uw kaart vervalt", Items: []Item{phishing()},
		FollowURL: "https://belfry.centre.example/follow/7.abcdefghijklmnop", FollowExpires: received.AddDate(0, 3, 0),
	}
}

func (h *house) write(t testing.TB, s Subject, hist History, lang string) mailout.Mail {
	t.Helper()
	d := decide(s, hist, h.rules)
	m, err := h.mail(row{
		id: 42, report: s.Report, decision: d, language: lang, messageID: h.messageID(42), content: h.pick(s, d.Page), createdAt: received,
	}, s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWordsInFourLanguages(t *testing.T) {
	h := writing(t, Options{Contacts: contacts})
	careful := full()
	careful.Items[0].Automatic = false
	several := full()
	several.Items = append(several.Items, Item{Verdict: verdict.Spam, Automatic: true, Title: "Re: Goedkope schoenen"},
		Item{Verdict: verdict.Unclear, Title: "Hallo"})
	several.Total = 5
	unproved := full()
	unproved.Proved = false
	for _, lang := range locale.Languages() {
		t.Run(lang, func(t *testing.T) {
			var b strings.Builder
			for _, c := range []struct {
				name string
				s    Subject
			}{{"full", full()}, {"careful", careful}, {"several", several}, {"acknowledgement", unproved}} {
				m := h.write(t, c.s, History{}, lang)
				fmt.Fprintf(&b, "===== %s\nSubject: %s\n\n%s\n", c.name, m.Subject, m.Text)
				if c.name == "full" {
					golden(t, lang+".html", m.HTML)
				}
			}
			golden(t, lang+".golden", b.String())
		})
	}
}

// TestEveryVerdictHasWords composes each verdict and each Ask in each language.
func TestEveryVerdictHasWords(t *testing.T) {
	h := writing(t, Options{Contacts: contacts})
	for _, lang := range locale.Languages() {
		w := h.writer(lang)
		for _, v := range []verdict.Verdict{
			verdict.Phishing, verdict.Malware, verdict.Scam, verdict.Spam, verdict.Legitimate, verdict.Exercise, verdict.Unclear, "other",
		} {
			for _, sure := range []bool{true, false} {
				c := w.compose(told{Kind: Full, Items: []toldItem{{Verdict: v, Sure: sure, Brand: "X", Asks: asks}}})
				if text := c.Title + c.Plain(); locale.Broken(text) || len(c.Sections) < 2 {
					t.Errorf("%s %s %v: %s", lang, v, sure, text)
				}
				c = w.compose(told{Kind: Full, More: 1, Items: []toldItem{{Verdict: v, Sure: sure}, {Verdict: verdict.Scam, Sure: true}}})
				if locale.Broken(c.Title + c.Plain()) {
					t.Errorf("%s %s %v in several: %s", lang, v, sure, c.Plain())
				}
			}
		}
		for _, a := range asks {
			if len(w.all("after."+string(a))) == 0 {
				t.Errorf("%s: no steps after %s", lang, a)
			}
		}
		for _, why := range Whys() {
			if s := w.say("why."+string(why), nil); locale.Broken(s) {
				t.Errorf("%s: %s", lang, s)
			}
		}
		for _, s := range []State{Pending, Sent, Unsent, Failed, Withheld} {
			if text := w.say("state."+string(s), nil); locale.Broken(text) {
				t.Errorf("%s: %s", lang, text)
			}
		}
	}
}

// TestAsksAreOfKnownReasons: a code that verdict does not have would never ask
// anything.
func TestAsksAreOfKnownReasons(t *testing.T) {
	table := map[string]bool{}
	for _, r := range verdict.Table() {
		table[r.Code] = true
	}
	for code := range asksOfCode {
		if !table[code] {
			t.Errorf("no reason has the code %q", code)
		}
	}
}

// TestReasons: only what speaks for the verdict is told, and only in words.
func TestReasons(t *testing.T) {
	h := writing(t, Options{})
	legitimate := phishing()
	legitimate.Verdict, legitimate.Automatic, legitimate.Decided = verdict.Legitimate, false, true
	codes := func(i Item) (all []string) {
		for _, r := range h.pick(Subject{Items: []Item{i}}, Full).Items[0].Reasons {
			all = append(all, r.Code)
		}
		return all
	}
	if got := fmt.Sprint(codes(phishing())); got != "[link-text-differs words-bank words-urgency]" {
		t.Errorf("phishing: %s", got)
	}
	if got := fmt.Sprint(codes(legitimate)); got != "[links-own]" {
		t.Errorf("legitimate: %s", got)
	}
	unsure := phishing()
	unsure.Automatic = false
	if got := fmt.Sprint(codes(unsure)); got != "[link-text-differs words-bank]" {
		t.Errorf("unsure: %s", got)
	}
}

// TestWording: a parameter that is missing leaves the reason out, and words
// that the sentence quotes are not quoted again.
func TestWording(t *testing.T) {
	h := writing(t, Options{})
	i := Item{Verdict: verdict.Phishing, Automatic: true, Brand: reference.Brands()[0].ID, Reasons: []verdict.Reason{
		{Code: "link-text-differs", Weight: 3, Params: map[string]string{"Shown": "a", "Target": "\u200b"}},
		{Code: "words-delivery", Weight: 2, Params: map[string]string{"Words": "your parcel"}, Evidence: "your parcel"},
	}}
	m := h.write(t, Subject{Proved: true, Channel: "smtp", Address: "jan@public.example", Items: []Item{i}}, History{}, "en")
	if strings.Contains(m.Text, "The link shows") {
		t.Errorf("a sentence with a hole:\n%s", m.Text)
	}
	if strings.Count(m.Text, "your parcel") != 1 {
		t.Errorf("quoted twice, or not at all:\n%s", m.Text)
	}
	if !strings.Contains(m.Text, "come from "+reference.Brands()[0].Name()+".") {
		t.Errorf("the brand's name is missing:\n%s", m.Text)
	}
}

// TestRealWording: every reason there is can be told in every language.
func TestRealWording(t *testing.T) {
	catalogue, err := locale.Load(Locales, verdict.Wording)
	if err != nil {
		t.Fatal(err)
	}
	h := writing(t, Options{})
	h.text = catalogue
	for _, r := range verdict.Table() {
		v := verdict.Phishing
		if r.Weight < 0 {
			v = verdict.Legitimate
		}
		names, _ := catalogue.Placeholders("reason." + r.Code)
		params := map[string]string{}
		for _, n := range names {
			params[n] = "x.example"
		}
		content := h.pick(Subject{Items: []Item{{Verdict: v, Automatic: true, Reasons: []verdict.Reason{
			{Code: r.Code, Weight: r.Weight, Params: params},
		}}}}, Full)
		for _, lang := range locale.Languages() {
			if c := h.writer(lang).compose(content); len(c.Sections[0].Points) != 1 {
				t.Errorf("%s: %s is not told", lang, r.Code)
			}
		}
	}
}

func TestManyMessages(t *testing.T) {
	h := writing(t, Options{})
	s := full()
	for range 500 {
		s.Items = append(s.Items, phishing())
	}
	s.Total = 2000
	m := h.write(t, s, History{}, "en")
	if !strings.Contains(m.Text, "Message 5 of 2000") || strings.Contains(m.Text, "Message 6") || !strings.Contains(m.Text, "1,995 more messages") {
		t.Errorf("wrong bound:\n%s", m.Text)
	}
	if len(m.Text) > 8<<10 {
		t.Errorf("%d bytes of text", len(m.Text))
	}
}

func alternatives(t *testing.T, m *mail.Message) (text, html string) {
	t.Helper()
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := parts.NextRawPart()
		if err == io.EOF {
			return text, html
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") {
			html = string(b)
		} else {
			text = string(b)
		}
	}
}

func TestHeaders(t *testing.T) {
	h := writing(t, Options{})
	msg, err := mailout.Compose(h.write(t, full(), History{}, "nl"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := mailout.Compose(h.write(t, full(), History{}, "nl"))
	if err != nil || !bytes.Equal(msg, again) {
		t.Error("the same answer came out in other bytes")
	}
	m, err := mail.ReadMessage(bytes.NewReader(msg))
	if err != nil {
		t.Fatal(err)
	}
	subject, _ := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	for name, want := range map[string]string{
		"To": "<jan@public.example>", "In-Reply-To": "<a1@public.example>", "References": "<a0@public.example> <a1@public.example>",
		"Auto-Submitted": "auto-replied", "X-Auto-Response-Suppress": "All", Header: "centre.example", "Content-Language": "nl",
		"Precedence": "", "Date": "Sat, 21 Nov 2026 09:30:00 +0000", "Message-Id": h.messageID(42),
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if want := "Uw melding: dit is phishing – “Uw kaart vervalt”"; subject != want {
		t.Errorf("Subject: %q, want %q", subject, want)
	}
	if from := m.Header.Get("From"); !strings.Contains(from, "noreply@centre.example") {
		t.Errorf("From: %q", from)
	}
	if !strings.HasSuffix(h.messageID(42), "@centre.example>") || h.messageID(42) == h.messageID(43) {
		t.Errorf("Message-ID: %q", h.messageID(42))
	}
}

// TestComesBack: an answer that comes back is known for ours, and decides to
// nothing.
func TestComesBack(t *testing.T) {
	h := writing(t, Options{})
	msg, err := mailout.Compose(h.write(t, full(), History{}, "de"))
	if err != nil {
		t.Fatal(err)
	}
	s := full()
	s.Robot = Robot(analysis.Classify(message.Parse(msg, message.Limits{})))
	if d := decide(s, History{}, h.rules); d.Why != WhyOwn || d.Mail != None {
		t.Errorf("decided %v", d)
	}
}

// TestClasses: what analysis calls automatic mail is what is refused here.
func TestClasses(t *testing.T) {
	for class, want := range map[analysis.Class]Why{
		analysis.Personal: WhySure, analysis.Bounce: WhyBounce, analysis.AutoReply: WhyAutoReply,
		analysis.List: WhyList, analysis.Own: WhyOwn, analysis.Loop: WhyLoop,
	} {
		s := full()
		s.Robot = Robot(class)
		if d := decide(s, History{}, testRules()); d.Why != want {
			t.Errorf("%q: %v", class, d)
		}
	}
}

func TestForeignLinkIsLeftOut(t *testing.T) {
	h := writing(t, Options{})
	for _, url := range []string{
		"", "https://evil.example/follow/1", "https://belfry.centre.example.evil.example/x", "javascript:alert(1)",
		"https://belfry.centre.example/\" onclick=x", "https://belfry.centre.example/a\r\nb", "https://belfry.centre.example@evil.example/",
	} {
		s := full()
		s.FollowURL = url
		if m := h.write(t, s, History{}, "en"); strings.Contains(m.HTML, "href") || strings.Contains(m.Text, "follow your report") {
			t.Errorf("%q was taken for ours", url)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{PerDay: -1, KeepDays: -2}, "per_day: is under zero\nkeep_days"},
		{Options{From: "not an address"}, "is not a mail address"},
		{Options{Contacts: []Contact{{After: []string{"paid"}}}}, "no sentence"},
		{Options{Contacts: []Contact{{EN: "x"}}}, "never be told"},
		{Options{Contacts: []Contact{{EN: "x", After: []string{"payed"}}}}, `"payed"`},
		{Options{}, ""},
	} {
		tt.o.Reports = &desk{}
		c := New(tt.o)
		c.centre = centre()
		err := c.prepare()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%+v: %v, want %q", tt.o, err, tt.want)
		}
	}
}

// BenchmarkCompose writes and signs answers as they go out.
func BenchmarkCompose(b *testing.B) {
	h := writing(b, Options{Contacts: contacts})
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	s := full()
	d := decide(s, History{}, h.rules)
	content := h.pick(s, d.Page)
	for b.Loop() {
		m, err := h.mail(row{id: 42, decision: d, language: "nl", messageID: h.messageID(42), content: content, createdAt: received}, s)
		if err != nil {
			b.Fatal(err)
		}
		msg, err := mailout.Compose(m)
		if err != nil {
			b.Fatal(err)
		}
		if err := dkim.Sign(io.Discard, bytes.NewReader(msg), &dkim.SignOptions{
			Domain: "centre.example", Selector: "s", Signer: key,
			HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
		}); err != nil {
			b.Fatal(err)
		}
	}
}
