package test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/belfry-centre/belfry/internal/demo/zone"
	"github.com/belfry-centre/belfry/internal/platform/mailin"
)

// world is what stands around a centre: a DNS that proves who sends, and a
// mail server that takes the answers and remembers them.
type world struct {
	dns *zone.Server
	mx  *mailin.Server
	key *rsa.PrivateKey

	mu      sync.Mutex
	answers map[string][]mailTaken // by recipient
	refuse  error                  // what the mail server says to every mail; nil takes it
}

// mailTaken is one mail that the world got.
type mailTaken struct {
	messageID string
	header    mail.Header
	data      []byte
}

// proved is the domain whose senders are proved, by SPF for everything that
// comes from this machine and by DKIM for what is signed.
const proved = "citizens.example"

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{answers: map[string][]mailTaken{}}
	var err error
	if w.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&w.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	record := "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(public)
	w.dns = serveZone(t,
		proved+`. 60 IN TXT "v=spf1 ip4:127.0.0.1 -all"`,
		"_dmarc."+proved+`. 60 IN TXT "v=DMARC1; p=reject"`,
		fmt.Sprintf("test._domainkey.%s. 60 IN TXT \"%s\" \"%s\"", proved, record[:200], record[200:]),
		`unproved.example. 60 IN TXT "v=spf1 -all"`,
	)
	w.mx, err = mailin.New(mailin.Options{
		Addr: "127.0.0.1:0", Hostname: "mx." + proved,
		Recipient: func(string) bool { return true },
		Accept:    func(_ context.Context, e mailin.Envelope, data []byte) error { return w.take(e, data) },
		Limits:    mailin.Limits{ConnectionsPerIP: 500},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.mx.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = w.mx.Stop(ctx) // a killed program may have left a connection
	})
	return w
}

func (w *world) relay() string { return "smtp://" + w.mx.Addr().String() + "?tls=none" }

func (w *world) take(e mailin.Envelope, data []byte) error {
	msg, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		return w.refuse
	}
	for _, to := range e.To {
		w.answers[to] = append(w.answers[to], mailTaken{messageID: msg.Header.Get("Message-Id"), header: msg.Header, data: data})
	}
	return nil
}

// to returns the mails that somebody got.
func (w *world) to(address string) []mailTaken {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]mailTaken(nil), w.answers[address]...)
}

// addressees returns everybody who got mail, and how many mails there were.
func (w *world) addressees() (addresses []string, mails int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for a, all := range w.answers {
		addresses = append(addresses, a)
		mails += len(all)
	}
	return addresses, mails
}

// sign signs a mail as the provider of the proved domain does (RFC 6376).
func (w *world) sign(t testing.TB, message []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := dkim.Sign(&out, bytes.NewReader(message), &dkim.SignOptions{Domain: proved, Selector: "test", Signer: w.key}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// serveZone starts a name server for invented domains.
func serveZone(t testing.TB, lines ...string) *zone.Server {
	t.Helper()
	s, err := zone.Serve(lines...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// desk is the address to which the tests report: the one of a centre without
// configuration.
const desk = "suspicious@localhost"

// reportMail is the mail of somebody who forwards a suspicious mail as an
// attachment. subject is that of the suspicious one.
func reportMail(from, subject string, filler []byte) []byte {
	return reportOf(from, subject, fmt.Appendf(nil, "Return-Path: <info@pakket-herlevering.example>\r\n"+
		"From: \"bpost klantendienst\" <info@pakket-herlevering.example>\r\nTo: <%s>\r\nSubject: %s\r\n"+
		"Date: Fri, 20 Nov 2026 08:12:05 +0100\r\nMessage-ID: <%s@pakket-herlevering.example>\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: text/html; charset=utf-8\r\n\r\n<html><body><p>Beste klant,</p>\r\n"+
		"<p>Uw pakket wacht in ons depot. Betaal binnen 24 uur 1,99 euro verzendkosten, anders wordt uw pakket teruggestuurd.</p>\r\n"+
		"<p><a href=\"http://bpost.pakket-herlevering.example/betaling/login.php?id=83121\">https://track.bpost.be/betaling</a></p>\r\n"+
		"<!-- %s -->\r\n</body></html>\r\n", from, subject, strings.ReplaceAll(subject, " ", "-"), filler))
}

// reportOf is the mail of somebody who attaches a suspicious mail.
func reportOf(from, about string, original []byte) []byte {
	return fmt.Appendf(nil, "From: <%s>\r\nTo: <%s>\r\nSubject: Fwd: %s\r\nDate: Fri, 20 Nov 2026 09:00:00 +0100\r\n"+
		"Message-ID: <fwd-%s>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_t\"\r\n\r\n"+
		"--=_t\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nIs dit echt van bpost? Ik verwacht geen pakket.\r\n"+
		"--=_t\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename=\"message.eml\"\r\n\r\n%s\r\n--=_t--\r\n",
		from, desk, about, from, original)
}
