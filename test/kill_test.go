package test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
)

// The kill test can run for as long as somebody wants it to:
//
//	BELFRY_KILL_ROUNDS=200 BELFRY_KILL_SEED=7 go test ./test -run Kill -v -timeout 2h
//
// With more than killRounds rounds, leases on PostgreSQL run out by themselves;
// in a short run the test moves them.
const killRounds = 6

func killSettings(t *testing.T) (rounds int, seed uint64) {
	t.Helper()
	rounds, seed = killRounds, uint64(time.Now().UnixNano())
	for name, set := range map[string]func(string) error{
		"BELFRY_KILL_ROUNDS": func(s string) (err error) { rounds, err = strconv.Atoi(s); return err },
		"BELFRY_KILL_SEED":   func(s string) (err error) { seed, err = strconv.ParseUint(s, 10, 64); return err },
	} {
		if s := os.Getenv(name); s != "" {
			if err := set(s); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	return rounds, seed
}

// TestKill kills the program at random moments while twenty senders hand in
// reports. What was taken is there in the end: once, assessed, and answered
// with one Message-ID. What was not taken is there once at most.
func TestKill(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		killTest(t, options{})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		killTest(t, options{database: databasetest.PostgresURL(t)})
	})
}

const (
	smtpSenders = 15
	apiSenders  = 5
)

func killTest(t *testing.T, o options) {
	rounds, seed := killSettings(t)
	t.Logf("BELFRY_KILL_SEED=%d BELFRY_KILL_ROUNDS=%d", seed, rounds)
	random := rand.New(rand.NewPCG(seed, 1))
	o.world = newWorld(t)
	p := start(t, o)
	o.data = p.o.data
	analyst, intake := p.token("analyst"), p.token("intake")

	target := &target{token: intake}
	target.point(p)
	var senders sync.WaitGroup
	var all []*sender
	for i := range smtpSenders + apiSenders {
		s := &sender{number: i, api: i >= smtpSenders, target: target, random: rand.New(rand.NewPCG(seed, uint64(i)+10))}
		all = append(all, s)
		senders.Go(s.run)
	}

	began := time.Now()
	for round := range rounds {
		time.Sleep(time.Duration(50+random.IntN(700)) * time.Millisecond)
		p.kill()
		if random.IntN(4) == 0 { // again while it is starting
			early := launch(t, o)
			early.waitReady(time.Duration(random.IntN(300)) * time.Millisecond)
			early.kill()
		}
		p = start(t, o)
		target.point(p)
		t.Logf("round %d: %d taken, %d tries failed", round+1, target.taken.Load(), target.failed.Load())
	}
	target.enough.Store(true)
	senders.Wait()
	p.kill()
	sent := time.Since(began)

	if o.database != "" && rounds <= killRounds {
		endLeases(t, o.database)
	}
	p = start(t, o)
	c := &client{t, p, analyst}
	reports := drained(t, c, o)
	checkKept(t, c, o.world, all, reports)
	// Answers were sent by now; nothing more may come.
	_, mails := o.world.addressees()
	p.stop()
	if _, again := o.world.addressees(); again != mails {
		t.Errorf("%d mails came while it was stopping", again-mails)
	}
	found := p.verify()
	if found.References < int64(len(reports)) {
		t.Errorf("verify saw %d references of %d reports", found.References, len(reports))
	}
	if strings.Contains(p.log.String(), proved) {
		t.Errorf("the log names a reporter:\n%s", p.log.String())
	}
	t.Logf("%d reports of 20 senders, sent in %v with %d kills; %d answers; %d tries failed",
		len(reports), sent.Round(time.Millisecond), rounds+1, mails, target.failed.Load())
}

// endLeases does what time does: the jobs of a process that is gone become
// free. Nothing else runs on the database.
func endLeases(t *testing.T, url string) {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("UPDATE job SET run_at = $1 WHERE leased = 1", time.Now().UnixMicro()); err != nil {
		t.Fatal(err)
	}
}

// drained waits until every report has come as far as it gets by itself, and
// every answer has gone out.
func drained(t *testing.T, c *client, o options) (all []listed) {
	t.Helper()
	end := time.Now().Add(4 * time.Minute)
	mails, since := -1, time.Now()
	for {
		all = c.list(500, "")
		open := 0
		for _, r := range all {
			if r.State == "accepted" || r.State == "assessed" {
				open++
			}
		}
		_, n := o.world.addressees()
		if n != mails {
			mails, since = n, time.Now()
		}
		if open == 0 && n >= len(all) && time.Since(since) > 300*time.Millisecond {
			return all
		}
		if time.Now().After(end) {
			out, _, _ := c.p.belfry("job", "dead")
			t.Fatalf("%d of %d reports are not settled, %d mails; dead letters:\n%s", open, len(all), n, out)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// checkKept holds what is there against what the senders know.
func checkKept(t *testing.T, c *client, w *world, senders []*sender, reports []listed) {
	t.Helper()
	there := map[string]int{}
	byID := map[string]detail{}
	for _, r := range reports {
		d := c.report(r.ID)
		if _, twice := byID[r.ID]; twice {
			t.Errorf("report %s stands twice in the list", r.ID)
		}
		byID[r.ID] = d
		there[d.Reporter]++
		if len(d.Messages) != 1 {
			t.Errorf("report %s has %d messages, want 1", r.ID, len(d.Messages))
		}
		if r.Verdict == "" || d.Answer == nil || d.Answer.State != "sent" {
			t.Errorf("report %s is %s, its verdict %q, its answer %+v", r.ID, r.State, r.Verdict, d.Answer)
		}
	}
	known := map[string]bool{}
	taken := 0
	for _, s := range senders {
		for _, m := range s.sent {
			known[m.from] = true
			if m.taken {
				taken++
			}
			switch n := there[m.from]; {
			case m.taken && n != 1:
				t.Errorf("the report of %s was taken and is there %d times", m.from, n)
			case n > 1:
				t.Errorf("the report of %s was given up by its sender and is there %d times", m.from, n)
			case m.id != "" && byID[m.id].Reporter != m.from:
				t.Errorf("the API gave %s the id %s, which is the report of %q", m.from, m.id, byID[m.id].Reporter)
			}
			ids := map[string]bool{}
			for _, a := range w.to(m.from) {
				ids[a.messageID] = true
			}
			if len(ids) != there[m.from] {
				t.Errorf("%s has %d reports and got answers with %d Message-IDs", m.from, there[m.from], len(ids))
			}
		}
	}
	for from := range there {
		if !known[from] {
			t.Errorf("there is a report of %q, who sent none", from)
		}
	}
	if taken < 50 {
		t.Errorf("only %d reports were taken: the test shows nothing", taken)
	}
}

// target is where the senders send to: the program that runs now.
type target struct {
	at            atomic.Pointer[server]
	token         string
	enough        atomic.Bool
	taken, failed atomic.Int64
}

func (g *target) point(p *server) { g.at.Store(p) }

// sender sends one report after the other and comes again with each until it
// is taken, as mail servers do. It gives some up.
type sender struct {
	number int
	api    bool
	target *target
	random *rand.Rand
	sent   []submitted
}

type submitted struct {
	from  string
	taken bool
	id    string // when the API told it
}

func (s *sender) run() {
	for i := 0; !s.target.enough.Load(); i++ {
		m := submitted{from: fmt.Sprintf("p%d-%d@%s", s.number, i, proved)}
		body := s.body(m.from)
		for {
			var err error
			if s.api {
				m.id, err = s.post(m.from, body)
			} else {
				err = s.mail(m.from, body)
			}
			if err == nil {
				m.taken = true
				s.target.taken.Add(1)
				break
			}
			s.target.failed.Add(1)
			if s.random.IntN(20) == 0 {
				break // given up: it may be there or not
			}
			time.Sleep(time.Duration(20+s.random.IntN(80)) * time.Millisecond)
		}
		s.sent = append(s.sent, m)
		// A pace that two busy processors can follow to the end in time.
		time.Sleep(time.Duration(20+s.random.IntN(200)) * time.Millisecond)
	}
}

// body makes a report of 2 to 30 kB that resembles no other one.
func (s *sender) body(from string) []byte {
	filler := make([]byte, 1000+s.random.IntN(20_000))
	for i := range filler {
		filler[i] = byte(s.random.Uint32())
	}
	subject := "Uw pakket " + from[:strings.IndexByte(from, '@')]
	encoded := wrapped(base64.StdEncoding.EncodeToString(filler))
	if !s.api {
		return reportMail(from, subject, encoded)
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.SetBoundary("boundary-of-the-test")
	for _, f := range [][2]string{{"text", subject + "\n\n" + string(encoded)}, {"email", from}, {"language", "nl"}} {
		_ = w.WriteField(f[0], f[1]) // to memory
	}
	_ = w.Close()
	return b.Bytes()
}

func wrapped(s string) []byte {
	var b bytes.Buffer
	for len(s) > 76 {
		b.WriteString(s[:76] + "\r\n")
		s = s[76:]
	}
	b.WriteString(s)
	return b.Bytes()
}

func (s *sender) mail(from string, body []byte) error {
	conn, err := net.DialTimeout("tcp", s.target.at.Load().smtp, time.Second)
	if err != nil {
		return err
	}
	c := smtp.NewClient(conn)
	defer c.Close()
	c.CommandTimeout, c.SubmissionTimeout = patience, patience
	if err := c.Hello("mx." + proved); err != nil {
		return err
	}
	return c.SendMail(from, []string{desk}, bytes.NewReader(body))
}

func (s *sender) post(from string, body []byte) (id string, err error) {
	c := &client{p: s.target.at.Load(), token: s.target.token}
	a, err := c.try(context.Background(), http.MethodPost, "/api/v1/reports", body,
		"Content-Type", "multipart/form-data; boundary=boundary-of-the-test", "Idempotency-Key", "key of "+from)
	if err != nil {
		return "", err
	}
	if a.status != http.StatusCreated {
		return "", fmt.Errorf("%d %s", a.status, a.body)
	}
	_, id, _ = strings.Cut(a.header.Get("Location"), "/api/v1/reports/")
	return id, nil
}
