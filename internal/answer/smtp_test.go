package answer

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/emersion/go-smtp"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/database/databasetest"
	"github.com/belfry-centre/belfry/internal/platform/mailout"
)

// server is a real SMTP server; its sessions refuse the first of each
// recipient as a greylisting one would, and "gone@" for good.
type server struct {
	mu   sync.Mutex
	seen map[string]bool
	got  map[string][]string // recipient → messages
	from []string
}

type session struct {
	*server
	to string
}

func (s *server) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{server: s}, nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from = append(s.from, from)
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = to
	if strings.HasPrefix(to, "gone@") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "<" + to + "> unknown"}
	}
	if !s.seen[to] {
		s.seen[to] = true
		return &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 0}, Message: "try again, <" + to + ">"}
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got[s.to] = append(s.got[s.to], string(b))
	return nil
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

// TestThroughRealSMTP sends through mailout to a server that greylists, with a
// DKIM signature that holds.
func TestThroughRealSMTP(t *testing.T) {
	eachClock(t, func(t *testing.T, db *database.DB, c *clock) {
		s := &server{seen: map[string]bool{}, got: map[string][]string{}}
		srv := smtp.NewServer(s)
		srv.Domain = "relay.example"
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(l) }()
		t.Cleanup(func() { srv.Close(); <-served })
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		relay, err := mailout.New(mailout.Options{
			URL: "smtp://" + l.Addr().String() + "?tls=none", DKIM: mailout.DKIM{Domain: "centre.example", Selector: "s1", Key: key},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = relay.Close() })
		h := build(t, db, Options{Sender: relay})
		h.start(t)
		ids := map[string]database.ID{}
		for i, who := range []string{"jan", "els", "gone"} {
			sub := full()
			sub.Report, sub.Address = database.ID(i+1), who+"@public.example"
			ids[who] = h.desk.put(sub)
			h.assess(t, sub.Report)
		}
		if e := h.wait(t); e.Report != ids["gone"] || e.State != Failed {
			t.Errorf("settled: %+v", e)
		}
		waitFor(t, func() bool { return h.count(t, "answer") == 3 })
		waitFor(t, func() bool {
			return h.row(t, ids["jan"]).attempts == 1 && h.row(t, ids["els"]).attempts == 1 && h.leased(t) == 0
		})
		c.pass(2 * time.Minute)
		for range 2 {
			if e := h.wait(t); e.State != Sent {
				t.Errorf("settled: %+v", e)
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if strings.Join(s.from, "") != "" {
			t.Errorf("reverse-paths: %q", s.from)
		}
		got := s.got["jan@public.example"]
		if len(got) != 1 || len(s.got) != 2 {
			t.Fatalf("%d mails to %d people", len(got), len(s.got))
		}
		public, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		found, err := dkim.VerifyWithOptions(strings.NewReader(got[0]), &dkim.VerifyOptions{LookupTXT: func(string) ([]string, error) {
			return []string{"v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(public)}, nil
		}})
		if err != nil || len(found) != 1 || found[0].Err != nil || found[0].Domain != "centre.example" {
			t.Errorf("DKIM: %+v, %v", found, err)
		}
		m, err := mail.ReadMessage(strings.NewReader(got[0]))
		if err != nil {
			t.Fatal(err)
		}
		if id := m.Header.Get("Message-Id"); id != h.row(t, ids["jan"]).messageID {
			t.Errorf("Message-ID: %s", id)
		}
		text, page := alternatives(t, m)
		if !strings.Contains(text, "This message is phishing.") || !strings.Contains(page, "<html lang=\"en\">") {
			t.Errorf("the mail came out as\n%s\n%s", text, page)
		}
	})
}

// TestManyAtOnce sends a day's share through the queue.
func TestManyAtOnce(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		r := &relay{}
		h := build(t, db, Options{Sender: r})
		const n = 200
		ids := make([]database.ID, n)
		for i := range ids {
			s := full()
			s.Report, s.Address = database.ID(i+1), fmt.Sprintf("p%d@public.example", i)
			ids[i] = h.desk.put(s)
		}
		h.start(t)
		h.assess(t, ids...)
		for range n {
			if e := h.wait(t); e.State != Sent {
				t.Fatalf("settled: %+v", e)
			}
		}
		seen := map[string]bool{}
		for _, p := range r.all() {
			m, err := mail.ReadMessage(bytes.NewReader([]byte(p.msg)))
			if err != nil {
				t.Fatal(err)
			}
			if m.Header.Get("To") != "<"+p.to[0]+">" || seen[m.Header.Get("Message-Id")] {
				t.Errorf("mail to %s has To %s, Message-ID %s", p.to[0], m.Header.Get("To"), m.Header.Get("Message-Id"))
			}
			seen[m.Header.Get("Message-Id")] = true
		}
		if len(seen) != n {
			t.Errorf("%d mails for %d reports", len(seen), n)
		}
	}, schemas...)
}
