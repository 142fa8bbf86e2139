package mailin

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/belfry-centre/belfry/internal/platform/fault"
)

func textLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func TestNewRefuses(t *testing.T) {
	accept := func(context.Context, Envelope, []byte) error { return nil }
	for name, opt := range map[string]Options{
		"no Accept":    {Recipient: isDesk},
		"no Recipient": {Accept: accept},
		"host name":    {Accept: accept, Recipient: isDesk, Hostname: "x\r\n220 y"},
		"no key":       {Accept: accept, Recipient: isDesk, TLS: TLS{Certificate: "cert.pem"}},
		"no file":      {Accept: accept, Recipient: isDesk, TLS: TLS{Certificate: "none.pem", Key: "none.pem"}},
	} {
		if _, err := New(opt); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestConnectionLimits(t *testing.T) {
	s, _ := start(t, Options{Limits: Limits{Connections: 2}})
	first := dial(t, s)
	first.expect("220")
	dial(t, s).expect("220")
	dial(t, s).talk(`
		< 421 4.3.2
		!`)
	first.talk(`
		> QUIT
		< 221
		!`)
	waitFor(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.sessions) == 1 })
	dial(t, s).expect("220")
}

func TestConnectionsPerAddress(t *testing.T) {
	s, _ := start(t, Options{
		Limits:         Limits{ConnectionsPerIP: 1},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	for _, c := range []struct{ ip, want string }{
		{"192.0.2.1", "220"},
		{"192.0.2.1", "421 4.7.0"},
		{"192.0.2.2", "220"},
		{"2001:db8::1", "220"},
		{"2001:db8::ffff", "421 4.7.0"}, // the same /64
		{"2001:db8:0:1::1", "220"},
	} {
		p := dial(t, s)
		family := "TCP4"
		if strings.Contains(c.ip, ":") {
			family = "TCP6"
		}
		p.send(fmt.Sprintf("PROXY %s %s %s 1234 25\r\n", family, c.ip, c.ip))
		p.expect(c.want)
	}
}

func TestProxyProtocol(t *testing.T) {
	v2, err := proxyproto.HeaderProxyFromAddrs(2,
		&net.TCPAddr{IP: net.ParseIP("2001:db8::7"), Port: 1}, &net.TCPAddr{IP: net.ParseIP("2001:db8::8"), Port: 25}).Format()
	if err != nil {
		t.Fatal(err)
	}
	local, err := (&proxyproto.Header{Version: 2, Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC}).Format()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, header, want string }{
		{"version 1", "PROXY TCP4 192.0.2.7 198.51.100.1 4321 25\r\n", "192.0.2.7"},
		{"version 2", string(v2), "2001:db8::7"},
		{"unknown", "PROXY UNKNOWN\r\n", "127.0.0.1"},
		{"health check", string(local), "127.0.0.1"},
		{"none", "EHLO x\r\n", ""},
		{"broken", "PROXY TCP4 nonsense\r\n", ""},
		{"endless", "PROXY " + strings.Repeat("x", 5000) + "\r\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, box := start(t, Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
			p := dial(t, s)
			p.send(c.header)
			if c.want == "" {
				p.expectClosed()
				return
			}
			p.ready().talk(`
				> .
				< 250`)
			if env, _ := box.only(t); env.RemoteIP.String() != c.want {
				t.Errorf("client %v, want %s", env.RemoteIP, c.want)
			}
		})
	}
}

func TestProxyHeaderFromAnybodyIsNoCommand(t *testing.T) {
	s, box := start(t, Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	p := dial(t, s)
	p.send("PROXY TCP4 203.0.113.9 198.51.100.1 4321 25\r\n")
	p.talk(`
		< 220
		< 500 5.5.1
		> EHLO x
		< 250
		> MAIL FROM:<>
		< 250
		> RCPT TO:<desk@belfry.example>
		< 250
		> DATA
		< 354
		> .
		< 250`)
	if env, _ := box.only(t); env.RemoteIP.String() != "127.0.0.1" {
		t.Errorf("client %v", env.RemoteIP)
	}
}

func TestSessionLimits(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits Limits
		script string
	}{
		{"commands without a message", Limits{CommandsWithout: 3}, `
			< 220
			> NOOP
			< 250
			> NOOP
			< 250
			> RSET
			< 250
			> NOOP
			< 421 4.7.0
			!`},
		{"messages", Limits{Messages: 1}, `
			< 220
			> HELO x
			< 250
			> MAIL FROM:<>
			< 250
			> RCPT TO:<desk@belfry.example>
			< 250
			> DATA
			< 354
			> .
			< 250
			> MAIL FROM:<>
			< 421 4.7.0
			!`},
		{"silence", Limits{CommandTimeout: 30 * time.Millisecond}, `
			< 220
			< 421 4.4.2
			!`},
		{"the whole session", Limits{SessionTimeout: 30 * time.Millisecond}, `
			< 220
			!`},
		{"silence in the message", Limits{DataTimeout: 30 * time.Millisecond}, `
			< 220
			> HELO x
			< 250
			> MAIL FROM:<>
			< 250
			> RCPT TO:<desk@belfry.example>
			< 250
			> DATA
			< 354
			> half
			< 421 4.4.2
			!`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := start(t, Options{Limits: c.limits})
			dial(t, s).talk(c.script)
		})
	}
}

func TestSTARTTLS(t *testing.T) {
	files, pool := selfSigned(t, t.TempDir(), "first")
	s, box := start(t, Options{TLS: files})
	p := dial(t, s)
	p.expect("220")
	p.send("EHLO x\r\n")
	if got := p.expect("250"); !strings.Contains(got, "STARTTLS") {
		t.Fatalf("not offered: %q", got)
	}
	p.talk(`
		> MAIL FROM:<before@tls.example>
		< 250
		> STARTTLS now
		< 501
		> STARTTLS
		< 220 2.0.0`)
	p.secure(pool)
	p.talk(`
		> MAIL FROM:<>
		< 503 5.5.1
		> EHLO y
		< 250-mx
		> STARTTLS
		< 503
		> MAIL FROM:<>
		< 250
		> RCPT TO:<desk@belfry.example>
		< 250
		> DATA
		< 354
		> secret
		> .
		< 250
		> QUIT
		< 221
		!`)
	env, data := box.only(t)
	if !env.TLS || env.Helo != "y" || data != "secret\r\n" {
		t.Errorf("%+v %q", env, data)
	}
}

// secure goes over to TLS and returns the common name of the certificate.
func (p *peer) secure(pool *x509.CertPool) string {
	p.t.Helper()
	c := tls.Client(p.conn, &tls.Config{RootCAs: pool, ServerName: "localhost"})
	if err := c.Handshake(); err != nil {
		p.t.Fatal(err)
	}
	p.conn, p.r = c, bufio.NewReader(c)
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// CVE-2011-0411: commands that a man in the middle puts behind STARTTLS must
// not be taken as if they had come over TLS.
func TestNothingIsSmuggledBehindSTARTTLS(t *testing.T) {
	files, _ := selfSigned(t, t.TempDir(), "x")
	s, _ := start(t, Options{TLS: files})
	p := dial(t, s)
	p.expect("220")
	p.send("STARTTLS\r\nEHLO evil\r\nMAIL FROM:<>\r\n")
	p.expect("421 4.7.0")
}

func TestBrokenHandshake(t *testing.T) {
	files, pool := selfSigned(t, t.TempDir(), "x")
	s, _ := start(t, Options{TLS: files, Limits: Limits{HandshakeTimeout: 50 * time.Millisecond}})
	for _, garbage := range []string{"EHLO x\r\n", ""} {
		p := dial(t, s)
		p.talk(`
			< 220
			> STARTTLS
			< 220`)
		p.send(garbage)
		io.Copy(io.Discard, p.r) // a TLS alert at most
	}
	p := dial(t, s)
	p.talk(`
		< 220
		> STARTTLS
		< 220`)
	p.secure(pool)
}

func TestCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	files, pool := selfSigned(t, dir, "first")
	s, _ := start(t, Options{TLS: files})
	name := func(pool *x509.CertPool) string {
		p := dial(t, s)
		p.talk(`
			< 220
			> STARTTLS
			< 220`)
		return p.secure(pool)
	}
	if got := name(pool); got != "first" {
		t.Errorf("certificate %q", got)
	}
	later := func() { // a second has passed
		s.certificate.mu.Lock()
		s.certificate.checked = time.Time{}
		s.certificate.mu.Unlock()
	}
	_, pool = selfSigned(t, dir, "second, renewed")
	later()
	if got := name(pool); got != "second, renewed" {
		t.Errorf("after the renewal: certificate %q", got)
	}
	if err := os.WriteFile(files.Key, []byte("half written"), 0o600); err != nil {
		t.Fatal(err)
	}
	later()
	if got := name(pool); got != "second, renewed" {
		t.Errorf("after a broken renewal: certificate %q", got)
	}
}

func TestStopLetsMessagesEnd(t *testing.T) {
	s, box := start(t, Options{})
	idle := dial(t, s)
	idle.expect("220")
	half := dial(t, s)
	half.talk(`
		< 220
		> EHLO x
		< 250
		> MAIL FROM:<>
		< 250`)
	busy := dial(t, s).ready()
	busy.send("first half\r\n")

	stopped := make(chan error)
	go func() { stopped <- s.Stop(t.Context()) }()
	idle.talk(`
		< 421 4.3.2
		!`)
	half.talk(`
		< 421 4.3.2
		!`)
	if c, err := net.Dial("tcp", s.Addr().String()); err == nil {
		c.Close()
		t.Error("a connection was taken while stopping")
	}
	select {
	case <-stopped:
		t.Fatal("Stop did not wait for the message")
	case <-time.After(20 * time.Millisecond):
	}
	busy.talk(`
		> second half
		> .
		< 250
		< 421 4.3.2
		!`)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, data := box.only(t); data != "first half\r\nsecond half\r\n" {
		t.Errorf("%q", data)
	}
}

func TestStopLosesPatience(t *testing.T) {
	entered := make(chan struct{})
	s, _ := start(t, Options{Accept: func(ctx context.Context, _ Envelope, _ []byte) error {
		close(entered)
		<-ctx.Done()
		return ctx.Err()
	}})
	p := dial(t, s).ready()
	p.send(".\r\n")
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Stop(ctx); err == nil {
		t.Error("no error")
	}
	if got, _ := p.reply(); strings.HasPrefix(got, "250") {
		t.Errorf("accepted: %q", got)
	}
}

func TestAcceptTimeout(t *testing.T) {
	s, _ := start(t, Options{
		Limits: Limits{AcceptTimeout: 10 * time.Millisecond},
		Accept: func(ctx context.Context, _ Envelope, _ []byte) error { <-ctx.Done(); return ctx.Err() },
	})
	p := dial(t, s).ready()
	p.send(".\r\n")
	p.expect("451 4.3.2")
}

func TestPace(t *testing.T) {
	asked := ""
	answers := []struct {
		delay time.Duration
		err   error
	}{{0, nil}, {60 * time.Millisecond, nil}, {0, fault.New(fault.RateLimited, "Slowly, please.")}}
	s, _ := start(t, Options{Pace: func(_ context.Context, from string, ip netip.Addr) (time.Duration, error) {
		asked = from + " " + ip.String()
		a := answers[0]
		answers = answers[1:]
		return a.delay, a.err
	}})
	p := dial(t, s)
	p.talk(`
		< 220
		> EHLO x
		< 250
		> MAIL FROM:<ann@sender.example>
		< 250
		> RSET
		< 250`)
	begin := time.Now()
	p.talk(`
		> MAIL FROM:<ann@sender.example>
		< 250
		> RSET
		< 250`)
	if took := time.Since(begin); took < 60*time.Millisecond {
		t.Errorf("the reply came after %v", took)
	}
	p.talk(`
		> MAIL FROM:<ann@sender.example>
		< 451 4.7.1 Slowly, please.
		> RCPT TO:<desk@belfry.example>
		< 503`)
	if asked != "ann@sender.example 127.0.0.1" {
		t.Errorf("asked about %q", asked)
	}
}

// The log of a whole session with trouble names nobody.
func TestLogNamesNobody(t *testing.T) {
	var log strings.Builder
	s, box := start(t, Options{Log: textLog(&log)})
	box.err = fault.New(fault.Invalid, "ann@sender.example is not welcome")
	p := dial(t, s).ready()
	p.send("Subject: private\r\n.\r\n")
	p.talk(`
		< 554
		> RCPT TO:<nobody@belfry.example>
		< 503
		> QUIT
		< 221
		!`)
	s.Stop(t.Context())
	for _, secret := range []string{"ann", "sender.example", "nobody", "private", "127.0.0.1", "client.example"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %q: %s", secret, log.String())
		}
	}
	if !strings.Contains(log.String(), "554") {
		t.Errorf("the log is %q", log.String())
	}
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatal("it did not happen")
}

// FuzzSession feeds a whole conversation to a session. It must end, answer
// 250 to exactly the messages that were accepted, and take mail for us only.
func FuzzSession(f *testing.F) {
	f.Add([]byte("EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<desk@belfry.example>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n"))
	f.Add([]byte("HELO x\r\nMAIL FROM:<> SIZE=3 BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<x@y.example>\r\nDATA\r\nRSET\r\nSTARTTLS\r\n"))
	f.Add([]byte("EHLO x\nVRFY a\r\nEXPN b\r\nNOOP\r\nAUTH LOGIN\r\nPOST / HTTP/1.1\r\n"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		accepted := 0
		s, err := New(Options{
			Recipient: isDesk,
			Limits:    Limits{MessageBytes: 4096, CommandTimeout: time.Second, DataTimeout: time.Second},
			Accept: func(_ context.Context, e Envelope, data []byte) error {
				accepted++
				if len(e.To) == 0 || len(data) > 4096 {
					t.Errorf("accepted %+v with %d bytes", e, len(data))
				}
				for _, to := range e.To {
					if !isDesk(to) {
						t.Errorf("accepted mail for %q", to)
					}
				}
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		wire := &recorded{in: bytes.NewReader(sent)}
		newSession(s, wire).run()
		if n := strings.Count(wire.out.String(), "250 2.0.0 Accepted in session"); n != accepted {
			t.Errorf("%d accepted, %d told", accepted, n)
		}
		if s.buffered.Load() != 0 {
			t.Error("memory is still counted")
		}
		if len(s.perIP) != 0 {
			t.Error("the connection is still counted")
		}
	})
}

// recorded is a connection to a client that has sent everything already.
type recorded struct {
	net.Conn
	in  *bytes.Reader
	out bytes.Buffer
}

func (r *recorded) Read(b []byte) (int, error)       { return r.in.Read(b) }
func (r *recorded) Write(b []byte) (int, error)      { return r.out.Write(b) }
func (r *recorded) Close() error                     { return nil }
func (r *recorded) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)} }
func (r *recorded) SetDeadline(time.Time) error      { return nil }
func (r *recorded) SetReadDeadline(time.Time) error  { return nil }
func (r *recorded) SetWriteDeadline(time.Time) error { return nil }
