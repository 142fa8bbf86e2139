package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/report"
)

// viewer is an analyst who looks on.
var viewer = account.System("demo")

// sentScene is a scene with the mail that was sent for it.
type sentScene struct {
	scene
	mail   []byte
	report report.Report // once it has been assessed
}

// send sends the story's mails, one connection for each person.
func (d *demo) send(ctx context.Context) error {
	now := time.Now()
	for i, s := range story {
		var originals [][]byte
		for _, name := range s.originals {
			b, err := sample(name)
			if err != nil {
				return err
			}
			originals = append(originals, b)
		}
		id := fmt.Sprintf("demo-%d-%d", now.Unix(), i)
		var mail []byte
		if s.redirect {
			mail = redirected(s.who, id, now, originals[0])
		} else {
			mail = append([]byte(s.headers), mailOf(s.who, id, s.subject, s.words, now, originals...)...)
		}
		if s.signed && !s.redirect {
			var err error
			if mail, err = d.signers[s.who.domain()].sign(mail); err != nil {
				return fmt.Errorf("signing: %w", err)
			}
		}
		if err := d.deliver(s.who, mail); err != nil {
			return fmt.Errorf("mail %d: %w", i+1, err)
		}
		d.sent = append(d.sent, sentScene{scene: s, mail: mail})
		what := s.subject
		if s.redirect {
			what = "(redirected) Factuur 2026-1182 - laatste herinnering"
		}
		d.printer.say("%-32s → %-26s %s", s.who.address, s.who.desk, short(what, 40))
	}
	d.printer.say("All %d got 250: they are on disk.", len(story))
	return nil
}

// deliver speaks SMTP with the centre, as a provider's mail server does.
func (d *demo) deliver(p person, mail []byte) error {
	c, err := smtp.Dial(d.app.SMTP())
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Hello("mx." + p.domain()); err != nil {
		return err
	}
	if err := c.SendMail(p.address, []string{p.desk}, bytes.NewReader(mail)); err != nil {
		return err
	}
	return c.Quit()
}

// list returns all reports through the capability, oldest first.
func (d *demo) list(ctx context.Context) ([]report.Summary, error) {
	page, err := d.app.Report().List(ctx, viewer, report.Query{Limit: report.MaxPage})
	slices.Reverse(page.Items)
	return page.Items, err
}

func ids(all []report.Summary) []database.ID {
	var out []database.ID
	for _, s := range all {
		out = append(out, s.ID)
	}
	return out
}

// wait polls until ok, which returns an error that says what is still missing.
func wait(ctx context.Context, ok func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := ok()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %v: %w", patience, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// assessed waits for the verdicts and compares them with the story.
func (d *demo) assessed(ctx context.Context) error {
	var all []report.Summary
	err := wait(ctx, func() (err error) {
		if all, err = d.list(ctx); err != nil {
			return err
		}
		if len(all) != len(story) {
			return fmt.Errorf("%d reports of %d mails", len(all), len(story))
		}
		for _, s := range all {
			if s.State == report.StateAccepted || s.State == report.StateAssessed {
				return fmt.Errorf("report %v is still %s", s.ID, s.State)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var faults error
	for i := range d.sent {
		s := &d.sent[i]
		if s.report, err = d.app.Report().Get(ctx, viewer, all[i].ID); err != nil {
			return err
		}
		d.printVerdict(s)
		r := s.report
		switch {
		case r.Verdict.Malicious() != s.want.malicious:
			faults = errors.Join(faults, fmt.Errorf("mail %d is %s", i+1, r.Verdict))
		case !slices.Contains(s.want.states, r.State):
			faults = errors.Join(faults, fmt.Errorf("mail %d is %s", i+1, r.State))
		case len(r.Items) != s.messages:
			faults = errors.Join(faults, fmt.Errorf("mail %d held %d messages, %d were found", i+1, s.messages, len(r.Items)))
		case s.want.malicious && len(r.Items[0].Assessment.Reasons) == 0:
			faults = errors.Join(faults, fmt.Errorf("mail %d has no reason", i+1))
		}
	}
	return faults
}

func (d *demo) printVerdict(s *sentScene) {
	for _, m := range s.report.Items {
		a := m.Assessment
		sure := "a person will look"
		if a.Automatic {
			sure = "sure enough to act"
		}
		d.printer.say("%-10s %.2f  %-42s %s, %s", a.Verdict, a.Score, short(m.Subject, 42), m.How, sure)
		for i, r := range a.Reasons {
			if i == 2 || r.Weight <= 0 {
				break
			}
			d.printer.say("                 - %s", d.app.Parts().Text.Text("en", "reason."+r.Code, r.Params))
		}
	}
}

// answered waits for the mails and compares them with the story.
func (d *demo) answered(ctx context.Context) error {
	want := map[string]int{}
	for _, s := range d.sent {
		if s.want.answer != "none" {
			want[s.who.address]++
		}
	}
	err := wait(ctx, func() error {
		for address, n := range want {
			if got := len(d.mailbox.to(address)); got != n {
				return fmt.Errorf("%s has %d answers, not %d", address, got, n)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var faults error
	for address := range want {
		for _, m := range d.mailbox.to(address) {
			if m.header.Get("Auto-Submitted") != "auto-replied" {
				faults = errors.Join(faults, fmt.Errorf("the answer to %s is not marked as automatic", address))
			}
		}
	}
	for _, m := range d.mailbox.to(nobody.address) {
		if strings.Contains(m.text, "inheritance") || strings.Contains(m.text, "Johnson") {
			faults = errors.Join(faults, errors.New("the answer to a sender who is not proved repeats foreign words"))
		}
	}
	for _, p := range []person{an, luc, greta, tom, ines, nobody} {
		for _, m := range d.mailbox.to(p.address) {
			d.printer.say("%-32s %s", p.address, m.subject)
		}
	}
	d.printer.say("The robot got none. The sender who was not proved got a text without a foreign word. An Peeters reads:")
	if mine := d.mailbox.to(an.address); len(mine) > 0 {
		d.printer.quote(mine[0].text)
	}
	return faults
}

// sendAgain repeats a mail whose 250 was lost on the way.
func (d *demo) sendAgain(ctx context.Context) error {
	answers := d.mailbox.count()
	if err := d.deliver(d.sent[0].who, d.sent[0].mail); err != nil {
		return err
	}
	time.Sleep(500 * time.Millisecond) // an answer would have come by now
	all, err := d.list(ctx)
	if err != nil {
		return err
	}
	if len(all) != len(story) || d.mailbox.count() != answers {
		return fmt.Errorf("%d reports and %d more answers", len(all), d.mailbox.count()-answers)
	}
	d.printer.say("It got 250 again. There is still one report, and one answer.")
	return nil
}

var link = regexp.MustCompile(`https?://\S+/follow/\S+`)

// follow opens the page to which the answer leads.
func (d *demo) follow(ctx context.Context) error {
	mine := d.mailbox.to(an.address)
	if len(mine) == 0 {
		return errors.New("there is no answer")
	}
	u := link.FindString(mine[0].text)
	if u == "" {
		return errors.New("the answer holds no link")
	}
	body, err := d.get(ctx, u, nil)
	if err != nil {
		return err
	}
	if !strings.Contains(body, "<main") {
		return errors.New("the page is empty")
	}
	if strings.Contains(body, fmt.Sprintf("%.2f", d.sent[0].report.Score)) {
		return errors.New("the page shows the score")
	}
	d.printer.say("%s says what it is and what to do; no score, no code. Opening it changed nothing.", u)
	return nil
}

// form reports an SMS as somebody without an account would.
func (d *demo) form(ctx context.Context) error {
	const sms = "itsme: uw account verloopt vandaag. Bevestig uw gegevens binnen 24 uur via https://itsme-bevestigen.example/login"
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, value := range map[string]string{"text": sms, "language": "nl"} {
		if err := w.WriteField(name, value); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url("/report"), &body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	page, final, err := d.do(req)
	if err != nil {
		return err
	}
	if !strings.Contains(final, "/follow/") {
		return fmt.Errorf("the form led to %s: %s", final, short(page, 300))
	}
	d.later++
	err = wait(ctx, func() error {
		all, err := d.list(ctx)
		if err != nil {
			return err
		}
		if n := len(all); n != len(story)+d.later {
			return fmt.Errorf("%d reports", n)
		}
		last := all[len(all)-1]
		if last.State == report.StateAccepted || last.State == report.StateAssessed {
			return fmt.Errorf("it is still %s", last.State)
		}
		if last.Channel != report.Form || !last.Verdict.Malicious() {
			return fmt.Errorf("it came by %s and is %s", last.Channel, last.Verdict)
		}
		return nil
	})
	if err != nil {
		return err
	}
	d.printer.say("Its follow page: %s", final)
	return nil
}

// askAPI hands a report in and reads the list, as another program would.
func (d *demo) askAPI(ctx context.Context) error {
	mail, err := sample("parcel-nl.eml")
	if err != nil {
		return err
	}
	var first struct{ ID, Follow string }
	for try := range 2 { // a second try under one key is the same report
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url("/api/v1/reports"), bytes.NewReader(mail))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "message/rfc822")
		req.Header.Set("Authorization", "Bearer "+d.token)
		req.Header.Set("Idempotency-Key", "demo-"+d.o.Data)
		body, _, err := d.do(req)
		if err != nil {
			return err
		}
		var got struct{ ID, Follow string }
		if err := json.Unmarshal([]byte(body), &got); err != nil || got.ID == "" {
			return fmt.Errorf("it answered %s", short(body, 300))
		}
		if try == 1 && got.ID != first.ID {
			return errors.New("one key made two reports")
		}
		first = got
	}
	d.later++
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url("/api/v1/reports?limit=100"), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+d.token)
	body, _, err := d.do(req)
	if err != nil {
		return err
	}
	var list struct {
		Items []struct{ ID string } `json:"items"`
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		return err
	}
	if len(list.Items) != len(story)+d.later {
		return fmt.Errorf("the list holds %d reports", len(list.Items))
	}
	d.printer.say("curl -H 'Authorization: Bearer …' %s", d.url("/api/v1/reports?limit=100"))
	d.printer.say("%d reports, the newest has the id %s.", len(list.Items), list.Items[0].ID)
	return nil
}

// get fetches a page.
func (d *demo) get(ctx context.Context, address string, h http.Header) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	for name, values := range h {
		req.Header[name] = values
	}
	body, _, err := d.do(req)
	return body, err
}

// do returns the body and the address of the page where it ended.
func (d *demo) do(req *http.Request) (body, final string, err error) {
	resp, err := d.client.Do(req)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return "", "", err
	}
	if resp.StatusCode >= 400 {
		return "", "", fmt.Errorf("%s %s: %s: %s", req.Method, req.URL.Path, resp.Status, short(string(b), 300))
	}
	u := *resp.Request.URL
	u.RawQuery = ""
	return string(b), (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String(), nil
}
