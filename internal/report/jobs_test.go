package report

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/belfry-centre/belfry/internal/analysis"
	"github.com/belfry-centre/belfry/internal/analysis/message"
	"github.com/belfry-centre/belfry/internal/analysis/observable"
	"github.com/belfry-centre/belfry/internal/analysis/original"
	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/job"
	"github.com/belfry-centre/belfry/internal/platform/mailauth"
	"github.com/belfry-centre/belfry/internal/platform/raw"
	"github.com/belfry-centre/belfry/internal/report/keep"
)

func TestTheStateFollowsTheAssessment(t *testing.T) {
	h := newHouse(t, databasetest.Open(t, database.Options{}, schemas...), Options{})
	h.examine = fixed
	h.start()
	sure, unsure := h.accept(note("sure")), h.accept(note("UNSURE"))
	h.settle()
	for id, want := range map[database.ID]State{sure.ID: StateAssessed, unsure.ID: StateWaiting} {
		if r := h.get(id); r.State != want || r.Verdict != verdict.Phishing || r.Score != 0.97 {
			t.Errorf("state %q, verdict %q, score %v, want %q", r.State, r.Verdict, r.Score, want)
		}
	}
	mark := func(id database.ID) {
		t.Helper()
		if err := h.db.Update(t.Context(), func(tx *database.Tx) error { return h.MarkAnswered(t.Context(), tx, id) }); err != nil {
			t.Fatal(err)
		}
	}
	mark(sure.ID)
	mark(sure.ID)
	mark(unsure.ID)
	if r := h.get(sure.ID); r.State != StateAnswered {
		t.Errorf("state %q after its answer", r.State)
	}
	if r := h.get(unsure.ID); r.State != StateWaiting {
		t.Errorf("an acknowledgement settled it: %q", r.State)
	}
	r := h.get(sure.ID)
	if len(r.Items) != 1 || r.Items[0].Words != "please look" || len(r.Items[0].Assessment.Reasons) != 1 || *r.Items[0].Assessment.Reasons[0].Span != (verdict.Span{Part: "body", Start: 1, End: 6}) {
		t.Errorf("messages = %+v", r.Items)
	}
}

func TestWhatCannotBeExaminedIsKeptAndListed(t *testing.T) {
	each(t, func(t *testing.T, db *database.DB) {
		h := newHouse(t, db, Options{})
		h.examine, h.patience = fixed, 50*time.Millisecond
		h.start()
		panics, forever, fine := h.accept(note("PANIC")), h.accept(note("FOREVER")), h.accept(note("fine"))
		h.settle()
		if r := h.get(fine.ID); r.State != StateAssessed {
			t.Errorf("the one beside them: %q", r.State)
		}
		page, err := h.List(t.Context(), analyst, Query{State: StateFailed})
		if err != nil || len(page.Items) != 2 {
			t.Fatalf("%d failed reports, %v", len(page.Items), err)
		}
		for _, id := range []database.ID{panics.ID, forever.ID} {
			r := h.get(id)
			if r.State != StateFailed || r.Verdict != verdict.Unclear || !r.RawKept || h.assessedTimes(id) != 1 {
				t.Errorf("state %q, verdict %q, told %d times", r.State, r.Verdict, h.assessedTimes(id))
			}
			if _, err := h.Raw(t.Context(), analyst, id); err != nil {
				t.Error(err)
			}
		}
		dead, err := h.queue.DeadLetters(t.Context(), 0, 10)
		if err != nil || len(dead) != 2 {
			t.Fatalf("%d dead letters, %v", len(dead), err)
		}
		// Mended, both ways of running them again settle them.
		h.stop()
		h2 := newHouse(t, db, Options{}, func(p *parts.Parts) { p.Raw = h.raw })
		h2.examine = func([]byte, analysis.Evidence) analysis.Examination {
			return fixed([]byte("Subject: mended\r\n\r\n"), analysis.Evidence{})
		}
		if err := h2.queue.Rerun(t.Context(), dead[0].ID); err != nil {
			t.Fatal(err)
		}
		if err := h2.AssessAgain(t.Context(), analyst, forever.ID); !fault.Is(err, fault.Forbidden) {
			t.Errorf("an analyst ran it again: %v", err)
		}
		for _, id := range []database.ID{panics.ID, forever.ID} {
			if err := h2.AssessAgain(t.Context(), admin, id); err != nil {
				t.Fatal(err)
			}
		}
		h2.start()
		h2.settle()
		for _, id := range []database.ID{panics.ID, forever.ID} {
			if r := h2.get(id); r.State != StateAssessed || r.Verdict != verdict.Phishing {
				t.Errorf("run again: state %q, verdict %q", r.State, r.Verdict)
			}
			if n := h2.count("SELECT count(*) FROM assessment WHERE report_id = $1", id); n != 1 {
				t.Errorf("%d assessments, want 1", n)
			}
		}
		if err := h2.AssessAgain(t.Context(), admin, fine.ID); !fault.Is(err, fault.Conflict) {
			t.Errorf("one that has not failed: %v", err)
		}
	})
}

func TestEachReportIsAssessedOnceByTwoNodes(t *testing.T) {
	url := databasetest.PostgresURL(t)
	one := newHouse(t, databasetest.Open(t, database.Options{URL: url}, schemas...), Options{})
	two := newHouse(t, databasetest.Open(t, database.Options{URL: url}, schemas...), Options{}, func(p *parts.Parts) { p.Raw = one.raw })
	one.examine, two.examine = fixed, fixed
	one.start()
	two.start()
	const n = 120
	ids := make([]database.ID, 0, n)
	for i := range n {
		node := one
		if i%2 == 1 {
			node = two
		}
		ids = append(ids, node.accept(note(fmt.Sprintf("report %d", i))).ID)
	}
	one.settle()
	for _, id := range ids {
		if r := one.get(id); r.State != StateAssessed || len(r.Observables) != 2 {
			t.Errorf("state %q, %d observables", r.State, len(r.Observables))
		}
		if got := one.assessedTimes(id) + two.assessedTimes(id); got != 1 {
			t.Errorf("told %d times", got)
		}
	}
	if got := one.count("SELECT count(*) FROM assessment"); got != n {
		t.Errorf("%d assessments of %d reports", got, n)
	}
	if got := one.count("SELECT count(*) FROM observable"); got != 2 {
		t.Errorf("%d observables, want 2", got)
	}
	if got := one.count("SELECT count(*) FROM sighting"); got != 2*n {
		t.Errorf("%d sightings, want %d", got, 2*n)
	}
}

func TestReassessment(t *testing.T) {
	each(t, func(t *testing.T, db *database.DB) {
		h := newHouse(t, db, Options{})
		h.examine = fixed
		h.start()
		unsure, sure := h.accept(note("UNSURE")), h.accept(note("sure"))
		h.settle()
		h.stop()
		h2 := newHouse(t, db, Options{}, func(p *parts.Parts) { p.Raw = h.raw })
		h2.examine = func(content []byte, ev analysis.Evidence) analysis.Examination {
			x := fixed([]byte(strings.ReplaceAll(string(content), "UNSURE", "now it is")), ev)
			x.Items[0].Assessment.Rules = "2"
			return x
		}
		if err := h2.ReassessOpen(t.Context(), analyst); !fault.Is(err, fault.Forbidden) {
			t.Errorf("an analyst may: %v", err)
		}
		if err := h2.ReassessOpen(t.Context(), admin); err != nil {
			t.Fatal(err)
		}
		h2.start()
		h2.settle()
		if r := h2.get(unsure.ID); r.State != StateAssessed || r.Items[0].Assessment.Rules != "2" {
			t.Errorf("state %q under rules %q", r.State, r.Items[0].Assessment.Rules)
		}
		if n := h2.count("SELECT count(*) FROM assessment WHERE report_id = $1", unsure.ID); n != 2 {
			t.Errorf("%d assessments, want both", n)
		}
		if n := h2.assessedTimes(unsure.ID); n != 1 {
			t.Errorf("told %d times of the change", n)
		}
		if r := h2.get(sure.ID); r.Items[0].Assessment.Rules != "1" || h2.assessedTimes(sure.ID) != 0 {
			t.Error("what is settled was assessed again")
		}
	})
}

// proof is a check of senders that always says the same.
type proof mailauth.Result

func (p proof) Check(context.Context, mailauth.CheckInput) mailauth.Result { return mailauth.Result(p) }

func TestWhoReported(t *testing.T) {
	db := databasetest.Open(t, database.Options{}, schemas...)
	h := newHouse(t, db, Options{Senders: proof{Proved: true, How: mailauth.HowDKIM, From: "Ann@example.net", Domain: "example.net"}})
	h.start()
	s := mailed("bounce-17@mailer.example.net", 1)
	s.Content = letter("Ann <Ann@example.net>", 1)
	id := h.accept(s).ID
	forged := h.accept(mailed("eve@example.com", 2)).ID
	form := h.accept(Submission{Channel: Form, Reporter: "ann@example.net", Content: letter("service@bank.example.com", 3), Language: "fr"}).ID
	h.settle()
	f, err := h.Facts(t.Context(), id)
	if err != nil || !f.Proved || f.Reporter != "Ann@example.net" {
		t.Errorf("proved %v, reporter %q, %v", f.Proved, f.Reporter, err)
	}
	if f, err = h.Facts(t.Context(), forged); err != nil || f.Proved || f.Reporter != "eve@example.com" {
		t.Errorf("another address counts as proved: %+v, %v", f, err)
	}
	if f, err = h.Facts(t.Context(), form); err != nil || f.Proved || f.Reporter != "ann@example.net" || f.Languages[0] != "fr" {
		t.Errorf("form: %+v, %v", f, err)
	}
	if r, err := h.Get(t.Context(), account.Viewer{Account: 9, Roles: []account.Role{account.Intake}}, id); !fault.Is(err, fault.Forbidden) {
		t.Errorf("intake reads: %+v, %v", r, err)
	}
}

func TestAutomaticMail(t *testing.T) {
	h := newHouse(t, databasetest.Open(t, database.Options{}, schemas...), Options{})
	h.start()
	for want, mail := range map[Class]string{
		AutoReply: "From: ann@example.net\r\nAuto-Submitted: auto-replied\r\nSubject: Away\r\n\r\nI am away.\r\n",
		List:      "From: ann@example.net\r\nList-Id: <news.example.net>\r\nSubject: News\r\n\r\nNews.\r\n",
		Own:       "From: suspicious@centre.example.org\r\nSubject: Re\r\n\r\nHello.\r\n",
		Loop:      strings.Repeat("Received: from a by b\r\n", 60) + "From: ann@example.net\r\nSubject: x\r\n\r\nx\r\n",
		Bounce:    "From: mailer-daemon@example.net\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nNo.\r\n--b--\r\n",
	} {
		s := Submission{Channel: SMTP, Content: []byte(mail)}
		asMail := h.accept(s).ID
		s.Channel = API
		asMessage := h.accept(s).ID
		h.settle()
		r := h.get(asMail)
		if r.Class != want {
			t.Errorf("class %q, want %q", r.Class, want)
		}
		if closed := r.State == StateClosed; closed != (want != List) {
			t.Errorf("%s: state %q", want, r.State)
		}
		if r := h.get(asMessage); r.Class != Personal {
			t.Errorf("what came as the message itself has class %q", r.Class)
		}
	}
}

func TestTheReporterIsNoSuspect(t *testing.T) {
	var f findings
	f.reporter = "Ann@example.net"
	seen := []observable.Observable{
		{Type: observable.Email, Value: "ann@example.net", Where: observable.InHeader},
		{Type: observable.Domain, Value: "example.net", Where: observable.InHeader},
		{Type: observable.Domain, Value: "example.net", Where: observable.InBody},
		{Type: observable.Email, Value: "eve@example.com", Where: observable.InHeader},
	}
	f.addSightings(0, analysis.Item{Original: original.Original{How: original.Itself, Message: &message.Message{}}, Observables: seen})
	if len(f.sightings) != 2 {
		t.Errorf("itself: %d sightings, want 2", len(f.sightings))
	}
	f.sightings = nil
	f.addSightings(0, analysis.Item{Original: original.Original{How: original.Attached, Message: &message.Message{}}, Observables: seen})
	if len(f.sightings) != 4 {
		t.Errorf("attached: %d sightings, want all", len(f.sightings))
	}
}

func TestManyObservables(t *testing.T) {
	each(t, func(t *testing.T, db *database.DB) {
		h := newHouse(t, db, Options{})
		h.examine = func(content []byte, ev analysis.Evidence) analysis.Examination {
			x := fixed(content, ev)
			for i := range 1000 {
				x.Items[0].Observables = append(x.Items[0].Observables, observable.Observable{
					Type: observable.Domain, Value: fmt.Sprintf("d%d.example.com", i%700), Where: observable.InBody, Count: 1,
				})
			}
			return x
		}
		h.start()
		id := h.accept(note("many")).ID
		other := h.accept(note("many more")).ID
		h.settle()
		if r := h.get(id); len(r.Observables) != maxSightings {
			t.Errorf("%d observables, want %d", len(r.Observables), maxSightings)
		}
		if n := h.count("SELECT count(*) FROM observable"); n != maxSightings {
			t.Errorf("%d distinct values, want %d", n, maxSightings)
		}
		found, err := h.Search(t.Context(), analyst, "hxxps://evil[.]example[.]com/login", 0, 1)
		if err != nil || len(found.Items) != 1 || found.Items[0].ID != other || found.Next != other {
			t.Fatalf("Search = %+v, %v", found, err)
		}
		found, err = h.Search(t.Context(), analyst, "evil.example.com/login", found.Next, 1)
		if err != nil || len(found.Items) != 1 || found.Items[0].ID != id || found.Next != 0 {
			t.Errorf("second page = %+v, %v", found, err)
		}
		if none, err := h.Search(t.Context(), analyst, "example.org", 0, 0); err != nil || len(none.Items)+len(none.Observables) != 0 {
			t.Errorf("never seen = %+v, %v", none, err)
		}
	})
}

func TestReadings(t *testing.T) {
	sum := strings.Repeat("AB", 32)
	for in, want := range map[string][]string{
		"hxxps://Evil[.]Example[.]com/a": {"url https://evil.example.com/a"},
		"Evil[.]Example[.]com.":          {"domain evil.example.com"},
		"evil.example.com/a":             {"url https://evil.example.com/a", "url http://evil.example.com/a"},
		"Eve[@]Example.com":              {"email eve@example.com"},
		"::ffff:192.0.2.1":               {"ip 192.0.2.1"},
		"[2001:db8::1]":                  {"ip 2001:db8::1"},
		sum:                              {"sha256 " + strings.ToLower(sum)},
		"+32 (0)470/12.34.56":            {"phone +32470123456"},
		"be68 5390 0754 7034":            {"iban BE68539007547034"},
		"":                               nil,
		"two words":                      nil,
		"localhost":                      nil,
		strings.Repeat("a", maxSearch+1): nil,
		"\x00":                           nil,
	} {
		var got []string
		for _, o := range readings(in) {
			got = append(got, string(o.Type)+" "+o.Value)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("readings(%.40q) = %q, want %q", in, got, want)
		}
	}
}

func TestAssessingOutlivesAShortage(t *testing.T) {
	db := databasetest.Open(t, database.Options{}, schemas...)
	h := newHouse(t, db, Options{})
	h.examine = fixed
	id := h.accept(note("x")).ID
	flaky := &flakyStore{Store: h.raw, left: 1}
	h.Capability.raw = flaky
	// The task fails with what may pass, and stays in the queue.
	h.start()
	deadline := time.Now().Add(20 * time.Second)
	for h.get(id).State == StateAccepted && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if r := h.get(id); r.State != StateAssessed {
		t.Errorf("state %q after a passing shortage", r.State)
	}
}

// flakyStore cannot be read the first times.
type flakyStore struct {
	raw.Store
	left int
}

func (s *flakyStore) Get(ctx context.Context, ref raw.Ref) ([]byte, error) {
	if s.left > 0 {
		s.left--
		return nil, fault.Wrap(fault.Busy, errors.New("slow disk"), "")
	}
	return s.Store.Get(ctx, ref)
}

var _ Senders = (*mailauth.Checker)(nil)

func TestAProcessThatDiesEachTimeEnds(t *testing.T) {
	h := newHouse(t, databasetest.Open(t, database.Options{}, schemas...), Options{})
	h.examine = func([]byte, analysis.Evidence) analysis.Examination {
		t.Error("it was examined again")
		return analysis.Examination{}
	}
	id := h.accept(note("x")).ID
	// As freeLeases leaves it after that many deaths.
	if err := h.db.Update(t.Context(), func(tx *database.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE job SET attempt = $1 WHERE kind = $2", assessAttempts, kindAssess)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	h.start()
	h.settle()
	if r := h.get(id); r.State != StateFailed {
		t.Errorf("state %q", r.State)
	}
	var _ job.Handler = h.assess
}

func TestErasureDuringAnExamination(t *testing.T) {
	at := newClock()
	h := newHouse(t, databasetest.Open(t, database.Options{Clock: at.Now}, schemas...), Options{})
	id := h.accept(note("x")).ID
	p, err := h.load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Erase(t.Context(), admin, keep.Person{Report: id}); err != nil {
		t.Fatal(err)
	}
	err = h.db.Update(t.Context(), func(tx *database.Tx) error {
		return h.storeFindings(t.Context(), tx, p, findings{state: StateWaiting, reporter: "ann@example.net"})
	})
	if !errors.Is(err, errChanged) {
		t.Errorf("the findings were stored over the erasure: %v", err)
	}
}
