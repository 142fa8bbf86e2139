package test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/belfry-centre/belfry/internal/platform/mailfetch/dovecottest"
)

// mailbox is the setting that makes Belfry fetch from the server.
func mailbox(addr string) string {
	return fmt.Sprintf("[[mailbox]]\nurl = \"imap://%s\"\nuser = %q\npassword = %q\n", addr, dovecottest.User, dovecottest.Password)
}

// TestIMAP: a mail that lies in a mailbox, read or not, is a report, and its
// reporter gets an answer.
func TestIMAP(t *testing.T) {
	t.Parallel()
	d := dovecottest.Start(t, dovecottest.Options{})
	w := newWorld(t)
	box := d.Client()
	an, bob := "an@"+proved, "bob@"+proved
	dovecottest.Append(t, box, "INBOX", w.sign(t, reportMail(an, "Uw pakket wacht", nil)), "\\Seen")
	p := start(t, options{world: w, config: mailbox(d.IMAP)})
	c := p.api("analyst")
	c.settled(1)
	dovecottest.Append(t, box, "INBOX", w.sign(t, reportMail(bob, "Uw tweede pakket wacht", nil)))
	for _, r := range c.settled(2) {
		if r.Channel != "imap" || !c.report(r.ID).Proved {
			t.Errorf("report %s: channel %s, proved %v", r.ID, r.Channel, c.report(r.ID).Proved)
		}
	}
	for _, who := range []string{an, bob} {
		eventually(t, func() error {
			if n := len(w.to(who)); n != 1 {
				return fmt.Errorf("%s got %d mails", who, n)
			}
			return nil
		})
	}
	eventually(t, func() error { return holds(d, "Processed", 2) })
	eventually(t, func() error { return holds(d, "INBOX", 0) })
	p.stop()
}

// holds checks how many messages are in a folder.
func holds(d *dovecottest.Server, folder string, want int) error {
	c := d.Client()
	defer c.Close()
	if n := dovecottest.Count(c, folder); n != want {
		return fmt.Errorf("%s holds %d messages, want %d", folder, n, want)
	}
	return nil
}

// TestIMAPKilledBetweenCommitAndMove: the mail still lies in the mailbox when
// the program comes back, and is recognised.
func TestIMAPKilledBetweenCommitAndMove(t *testing.T) {
	t.Parallel()
	d := dovecottest.Start(t, dovecottest.Options{})
	w := newWorld(t)
	between := newMoveStopper(t, d.IMAP)
	const many = 20
	box := d.Client()
	for n := range many {
		dovecottest.Append(t, box, "INBOX", w.sign(t, reportMail(fmt.Sprintf("an%d@%s", n, proved), fmt.Sprint("Pakket ", n), nil)))
	}
	p := start(t, options{world: w, config: mailbox(between.addr)})
	<-between.stopped // a batch is committed, and nothing is moved
	p.kill()
	if err := holds(d, "INBOX", many); err != nil {
		t.Error(err)
	}
	between.open()
	p = p.restart()
	eventually(t, func() error { return holds(d, "Processed", many) })
	if all := p.api("analyst").settled(many); len(all) != many {
		t.Errorf("%d reports of %d mails", len(all), many)
	}
	for n := range many {
		who := fmt.Sprintf("an%d@%s", n, proved)
		eventually(t, func() error {
			if got := len(w.to(who)); got != 1 {
				return fmt.Errorf("%s got %d mails", who, got)
			}
			return nil
		})
	}
	if err := holds(d, "INBOX", 0); err != nil {
		t.Error(err)
	}
	p.stop()
}

// moveStopper stands between Belfry and its mailbox and lets no MOVE pass.
type moveStopper struct {
	addr    string
	stopped chan struct{} // closed at the first MOVE
	once    sync.Once
	mu      sync.Mutex
	pass    bool
}

func newMoveStopper(t *testing.T, to string) *moveStopper {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &moveStopper{addr: l.Addr().String(), stopped: make(chan struct{})}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go m.forward(c, to)
		}
	}()
	return m
}

func (m *moveStopper) open() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pass = true
}

func (m *moveStopper) forward(c net.Conn, to string) {
	defer c.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(c, server) // ends with the connections
		_ = c.Close()
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := c.Read(buffer)
		m.mu.Lock()
		pass := m.pass
		m.mu.Unlock()
		if !pass && bytes.Contains(buffer[:n], []byte("UID MOVE")) {
			m.once.Do(func() { close(m.stopped) })
			continue
		}
		if _, werr := server.Write(buffer[:n]); err != nil || werr != nil {
			return
		}
	}
}

// TestIMAPSettingsAreChecked: what cannot work is told at the start, and no
// secret with it.
func TestIMAPSettingsAreChecked(t *testing.T) {
	t.Parallel()
	p := launch(t, options{config: "[[mailbox]]\nurl = \"imap://imap.example.org?tls=none\"\nuser = \"x\"\npassword = \"hush hush\"\n"})
	<-p.ended
	if p.err == nil || !strings.Contains(p.log.String(), "mailbox[0].url") || strings.Contains(p.log.String(), "hush") {
		t.Errorf("%v: %s", p.err, p.log.String())
	}
}
