package app_test

import (
	"io"
	"log"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"github.com/belfry-centre/belfry/internal/app"
	"github.com/belfry-centre/belfry/internal/platform/config"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/report"
)

// mailboxServer is an IMAP server in this process with one user.
func mailboxServer(t *testing.T) (*imapmemserver.User, app.MailboxSettings) {
	t.Helper()
	u := imapmemserver.NewUser("desk@example.org", "secret")
	if err := u.Create("INBOX", nil); err != nil {
		t.Fatal(err)
	}
	mem := imapmemserver.New()
	mem.AddUser(u)
	s := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return mem.NewSession(), nil, nil
		},
		Caps:         imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIdle: {}, imap.CapUIDPlus: {}, imap.CapMove: {}},
		InsecureAuth: true, Logger: log.New(io.Discard, "", 0),
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() { defer close(served); _ = s.Serve(l) }() // ends with Close
	t.Cleanup(func() { _ = s.Close(); _ = l.Close(); <-served })
	return u, app.MailboxSettings{
		URL: "imap://" + l.Addr().String(), User: "desk@example.org", Password: config.NewSecret("secret"), Auth: "password",
		Folder: "INBOX", Processed: "Processed", Failed: "Failed", Poll: config.Duration(time.Second), TrustResults: true,
	}
}

type literal struct {
	io.Reader
	size int64
}

func (l literal) Size() int64 { return l.size }

func appendMail(t *testing.T, u *imapmemserver.User, raw string) {
	t.Helper()
	if _, err := u.Append("INBOX", literal{strings.NewReader(raw), int64(len(raw))}, &imap.AppendOptions{Time: time.Now()}); err != nil {
		t.Fatal(err)
	}
}

// reports waits until that many reports are there and assessed.
func reports(t *testing.T, a *app.App, n int) (all []report.Facts) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		all = nil
		var ids []database.ID
		err := a.Parts().DB.View(t.Context(), func(tx *database.Tx) error {
			rows, err := tx.Query(t.Context(), "SELECT id FROM report WHERE state <> 'accepted' ORDER BY id")
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var id database.ID
				if err := rows.Scan(&id); err != nil {
					return err
				}
				ids = append(ids, id)
			}
			return rows.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			f, err := a.Report().Facts(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, f)
		}
		if len(all) == n {
			return all
		}
	}
	t.Fatalf("%d reports, want %d", len(all), n)
	return nil
}

func TestMailboxSenders(t *testing.T) {
	const results = "Authentication-Results: mx.example.org; dmarc=pass header.from=citizens.example\r\n"
	const from = "From: An <an@citizens.example>\r\nTo: desk@example.org\r\nSubject: is this real?\r\n"
	const body = "\r\nhttp://bpost.pakket.example/login\r\n"
	for _, c := range []struct {
		name, raw string
		distrust  bool
		receivers []string
		proved    bool
		null      bool
	}{
		{name: "trusted receiver", raw: results + from + body, receivers: []string{"mx.example.org"}, proved: true},
		{name: "not named", raw: results + from + body, receivers: []string{"mx.other.example"}},
		{name: "switched off", raw: results + from + body, receivers: []string{"mx.example.org"}, distrust: true},
		{name: "below another's", raw: "Authentication-Results: mx.provider.example; none\r\n" + results + from + body, receivers: []string{"mx.example.org"}},
		{name: "null sender", raw: "Return-Path: <>\r\n" + from + body, null: true},
		{name: "a forged null sender", raw: "Received: from x by y; Fri, 20 Nov 2026 09:00:00 +0100\r\nReturn-Path: <>\r\n" + from + body},
		{name: "a broken header", raw: "Return-Path: <<<\r\n" + from + body},
	} {
		t.Run(c.name, func(t *testing.T) {
			u, m := mailboxServer(t)
			s := settings(t)
			m.TrustResults = !c.distrust
			s.Mailboxes = []app.MailboxSettings{m}
			s.Trust.Receivers = c.receivers
			appendMail(t, u, c.raw)
			f := reports(t, start(t, s), 1)[0]
			if f.Channel != report.IMAP || f.Proved != c.proved || f.Origin.NullSender != c.null {
				t.Errorf("channel %s, proved %v, null sender %v", f.Channel, f.Proved, f.Origin.NullSender)
			}
		})
	}
}

// TestMailboxMadeAnew: a server that numbers its messages anew under the same
// UIDVALIDITY loses nobody's report.
func TestMailboxMadeAnew(t *testing.T) {
	first, m := mailboxServer(t)
	s := settings(t)
	s.Mailboxes = []app.MailboxSettings{m}
	appendMail(t, first, "From: an@citizens.example\r\nSubject: one\r\n\r\nhttp://one.example/\r\n")
	a := start(t, s)
	reports(t, a, 1)
	stop(t, a)
	second, m := mailboxServer(t)
	s.Mailboxes = []app.MailboxSettings{m}
	appendMail(t, second, "From: bob@citizens.example\r\nSubject: two\r\n\r\nhttp://two.example/\r\n")
	reports(t, start(t, s), 2)
}

func TestMailboxSettings(t *testing.T) {
	const good = "[[mailbox]]\nurl = \"imaps://imap.example.org\"\nuser = \"desk\"\npassword = \"secret\"\n"
	if got := problems(t, good); got != nil {
		t.Errorf("got %q", got)
	}
	for extra, want := range map[string]string{
		"url = \"pop3://imap.example.org\"\nuser = \"x\"\npassword = \"secret\"\n":                    "mailbox[0].url",
		"url = \"imaps://imap.example.org\"\npassword = \"secret\"\n":                                 "mailbox[0].user",
		"url = \"imaps://imap.example.org\"\nuser = \"x\"\n":                                          "mailbox[0].password",
		"url = \"imaps://imap.example.org\"\nuser = \"x\"\nauth = \"ntlm\"\n":                         "mailbox[0].auth",
		"url = \"imaps://imap.example.org\"\nuser = \"x\"\nauth = \"xoauth2\"\n":                      "mailbox[0].token_url",
		"url = \"imaps://imap.example.org\"\nuser = \"x\"\npassword = \"secret\"\ndesk = \"a@b.c\"\n": "mailbox[0].desk",
		"url = \"imaps://imap.example.org\"\nuser = \"x\"\npassword = \"secret\"\nfailed = \"*\"\n":   "mailbox[0].folder",
		"url = \"imaps://imap.example.org\"\nuser = \"x\"\npassword = \"secret\"\npoll = \"1ms\"\n":   "mailbox[0].poll",
	} {
		if got := strings.Join(problems(t, "[[mailbox]]\n"+extra), "\n"); !strings.Contains(got, want) || strings.Contains(got, "secret\"") {
			t.Errorf("%s: got %q, want %q", extra, got, want)
		}
	}
	if got := strings.Join(problems(t, good+good), "\n"); !strings.Contains(got, "mailbox[1].url: the same folder stands twice") {
		t.Errorf("got %q", got)
	}
}
