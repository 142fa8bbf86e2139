package mailout

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// relayServer is an SMTP server of another hand (emersion/go-smtp) that keeps
// what it gets.
type relayServer struct {
	*smtp.Server
	addr        string
	connections atomic.Int64

	mu   sync.Mutex
	from []string
	to   [][]string
	data []string
	tls  []bool
	user []string
}

func serve(t testing.TB, change func(*smtp.Server)) *relayServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &relayServer{addr: l.Addr().String()}
	s.Server = smtp.NewServer(s)
	s.EnableSMTPUTF8 = true
	s.ErrorLog = nopLog{}
	if change != nil {
		change(s.Server)
	}
	var running sync.WaitGroup
	running.Go(func() { s.Serve(l) })
	t.Cleanup(func() { s.Close(); running.Wait() })
	return s
}

type nopLog struct{}

func (nopLog) Printf(string, ...any) {}
func (nopLog) Println(...any)        {}

func (s *relayServer) NewSession(c *smtp.Conn) (smtp.Session, error) {
	_, secure := c.TLSConnectionState()
	s.connections.Add(1)
	return &relaySession{server: s, tls: secure}, nil
}

type relaySession struct {
	server *relayServer
	tls    bool
	user   string
	from   string
	to     []string
}

func (s *relaySession) Reset()        { s.from, s.to = "", nil }
func (s *relaySession) Logout() error { return nil }

func (s *relaySession) AuthMechanisms() []string { return []string{"LOGIN", "PLAIN"} }

func (s *relaySession) Auth(mech string) (sasl.Server, error) {
	check := func(user, password string) error {
		if user != "belfry" || password != "hunter2" {
			return smtp.ErrAuthFailed
		}
		s.user = mech + " " + user
		return nil
	}
	return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
}

func (s *relaySession) Mail(from string, _ *smtp.MailOptions) error { s.from = from; return nil }

func (s *relaySession) Rcpt(to string, _ *smtp.RcptOptions) error {
	switch {
	case strings.HasPrefix(to, "unknown"):
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no " + to}
	case strings.HasPrefix(to, "later"):
		return &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 1}, Message: "greylisted"}
	}
	s.to = append(s.to, to)
	return nil
}

func (s *relaySession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if bytes.Contains(b, []byte("reject me")) {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "spam"}
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.from = append(s.server.from, s.from)
	s.server.to = append(s.server.to, s.to)
	s.server.data = append(s.server.data, string(b))
	s.server.tls = append(s.server.tls, s.tls)
	s.server.user = append(s.server.user, s.user)
	return nil
}

func connect(t testing.TB, opt Options) *Relay {
	t.Helper()
	if opt.Timeout == 0 {
		opt.Timeout = 3 * time.Second
	}
	r, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

const small = "From: a@b.example\r\nSubject: x\r\n\r\nhello\r\n"

func TestSendReusesConnections(t *testing.T) {
	s := serve(t, nil)
	r := connect(t, Options{URL: "smtp://" + s.addr, Connections: 3})
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			if err := r.Send(t.Context(), "", []string{fmt.Sprintf("p%d@sender.example", i)}, []byte(small)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if len(s.data) != 60 || s.connections.Load() > 3 {
		t.Errorf("%d messages over %d connections", len(s.data), s.connections.Load())
	}
	if s.from[0] != "" || s.data[0] != small {
		t.Errorf("from %q: %q", s.from[0], s.data[0])
	}
}

func TestMessagesOnAConnection(t *testing.T) {
	s := serve(t, nil)
	r := connect(t, Options{URL: "smtp://" + s.addr, Connections: 1, Messages: 2})
	for range 5 {
		if err := r.Send(t.Context(), "x@belfry.example", []string{"ann@sender.example"}, []byte(small)); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.connections.Load(); got != 3 {
		t.Errorf("%d connections, want 3", got)
	}
}

func TestErrorsSayWhetherToTryAgain(t *testing.T) {
	s := serve(t, func(s *smtp.Server) { s.MaxMessageBytes = 5000 })
	var log strings.Builder
	r := connect(t, Options{URL: "smtp://" + s.addr, Connections: 1, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for _, c := range []struct {
		name, from, to, msg string
		permanent           bool
		code                int
		enhanced            string
	}{
		{"unknown", "", "unknown@sender.example", small, true, 550, "5.1.1"},
		{"greylisted", "", "later@sender.example", small, false, 450, "4.2.1"},
		{"rejected", "", "ann@sender.example", small + "reject me", true, 554, "5.7.1"},
		{"too large", "", "ann@sender.example", strings.Repeat("x\r\n", 3000), true, 0, ""},
		{"injection", "", "ann@sender.example>\r\nRCPT TO:<b@c.example", small, true, 0, ""},
		{"sender", "x y@z.example", "ann@sender.example", small, true, 0, ""},
		{"nobody", "", "", small, true, 0, ""},
	} {
		err := r.Send(t.Context(), c.from, strings.Fields(c.to), []byte(c.msg))
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Permanent != c.permanent || e.Code != c.code || e.Enhanced != c.enhanced {
			t.Errorf("%s: %#v", c.name, err)
		}
		if err := r.Send(t.Context(), "", []string{"ann@sender.example"}, []byte(small)); err != nil {
			t.Errorf("after %s: %v", c.name, err)
		}
	}
	if err := r.Send(t.Context(), "", []string{"ann@sender.example", "unknown@sender.example"}, []byte(small)); err == nil {
		t.Error("one of two recipients was refused, and Send said nothing")
	}
	if len(s.data) != 7 {
		t.Errorf("%d messages arrived, want 7", len(s.data))
	}
	if strings.Contains(log.String(), "@") {
		t.Errorf("an address is in the log: %s", log.String())
	}
}

func TestUnreachableIsTemporary(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	r := connect(t, Options{URL: "smtp://" + l.Addr().String()})
	err = r.Send(t.Context(), "", []string{"ann@sender.example"}, []byte(small))
	if e, ok := errors.AsType[*Error](err); !ok || e.Permanent {
		t.Errorf("%#v", err)
	}
}

func TestClose(t *testing.T) {
	s := serve(t, nil)
	r := connect(t, Options{URL: "smtp://" + s.addr})
	if err := r.Send(t.Context(), "", []string{"ann@sender.example"}, []byte(small)); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if err := r.Send(t.Context(), "", []string{"ann@sender.example"}, []byte(small)); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestTLSAndAuthentication(t *testing.T) {
	config, pool := certificate(t)
	withTLS := func(s *smtp.Server) { s.TLSConfig = config }
	plainAuth := func(s *smtp.Server) { s.AllowInsecureAuth = true }
	for _, c := range []struct {
		name, url string // HOST is 127.0.0.1:port
		server    func(*smtp.Server)
		pool      *x509.CertPool
		tls       bool
		fails     bool
	}{
		{name: "required", url: "smtp://HOST?tls=required", server: withTLS, pool: pool, tls: true},
		{name: "required, with password", url: "smtp://belfry:hunter2@HOST?tls=required", server: withTLS, pool: pool, tls: true},
		{name: "required, wrong password", url: "smtp://belfry:wrong@HOST?tls=required", server: withTLS, pool: pool, fails: true},
		{name: "required, unknown certificate", url: "smtp://HOST?tls=required", server: withTLS, fails: true},
		{name: "required, not offered", url: "smtp://HOST?tls=required", fails: true},
		{name: "opportunistic", url: "smtp://HOST", server: withTLS, tls: true},
		{name: "opportunistic, not offered", url: "smtp://HOST"},
		{name: "none", url: "smtp://HOST?tls=none", server: withTLS},
		{name: "password to this machine", url: "smtp://belfry:hunter2@HOST?tls=none", server: plainAuth},
		{name: "no authentication there", url: "smtp://belfry:hunter2@HOST?tls=none", fails: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, c.server)
			r := connect(t, Options{URL: strings.Replace(c.url, "HOST", s.addr, 1), RootCAs: c.pool})
			err := r.Send(t.Context(), "", []string{"ann@sender.example"}, []byte(small))
			if c.fails {
				e, ok := errors.AsType[*Error](err)
				if !ok || e.Permanent || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s.tls[0] != c.tls {
				t.Errorf("TLS: %v", s.tls[0])
			}
			if wantUser := strings.Contains(c.url, "belfry:"); (s.user[0] != "") != wantUser {
				t.Errorf("user %q", s.user[0])
			}
		})
	}
}

func TestSMTPS(t *testing.T) {
	config, pool := certificate(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	s := &relayServer{}
	s.Server = smtp.NewServer(s)
	s.ErrorLog = nopLog{}
	var running sync.WaitGroup
	running.Go(func() { s.Serve(l) })
	t.Cleanup(func() { s.Close(); running.Wait() })
	r := connect(t, Options{URL: "smtps://" + l.Addr().String(), RootCAs: pool})
	if err := r.Send(t.Context(), "", []string{"ann@sender.example"}, []byte(small)); err != nil || !s.tls[0] {
		t.Errorf("%v", err)
	}
}

// script plays a relay: for each connection, replies in order. A reply to
// nothing (the greeting) comes first; "" closes.
func script(t *testing.T, connections ...[]string) (addr string, heard func() string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all strings.Builder
	var running sync.WaitGroup
	running.Go(func() {
		for _, replies := range connections {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(5 * time.Second))
			r := bufio.NewReader(c)
			io.WriteString(c, replies[0]+"\r\n")
			for _, reply := range replies[1:] {
				line, err := r.ReadString('\n')
				if err != nil {
					break
				}
				for reply == "data" {
					if line == ".\r\n" {
						reply = "250 2.0.0 ok"
						break
					}
					if line, err = r.ReadString('\n'); err != nil {
						break
					}
				}
				mu.Lock()
				all.WriteString(line)
				mu.Unlock()
				if reply == "" {
					break
				}
				io.WriteString(c, reply+"\r\n")
			}
			c.Close()
		}
	})
	t.Cleanup(func() { l.Close(); running.Wait() })
	return l.Addr().String(), func() string { mu.Lock(); defer mu.Unlock(); return all.String() }
}

func TestStaleConnectionIsReplaced(t *testing.T) {
	good := []string{"220 x", "250 x", "250 ok", "250 ok", "354 go", "data"}
	addr, _ := script(t, good, good)
	r := connect(t, Options{URL: "smtp://" + addr, Connections: 1})
	for range 2 { // the second finds the first connection closed
		if err := r.Send(t.Context(), "", []string{"ann@sender.example"}, []byte(small)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOddRelays(t *testing.T) {
	for _, c := range []struct {
		name      string
		replies   []string
		permanent bool
		code      int
	}{
		{"refuses to talk", []string{"554 5.7.1 go away"}, false, 554},
		{"no SMTP", []string{"HTTP/1.1 400 Bad Request"}, false, 0},
		{"endless reply", []string{"220-" + strings.Repeat("x", maxReply)}, false, 0},
		{"endless lines", []string{strings.Repeat("220-x\r\n", 1100)}, false, 0},
		{"busy", []string{"220 x", "250 x", "421 4.3.2 stopping"}, false, 421},
		{"wants a password", []string{"220 x", "250 x", "530 5.7.0 authenticate"}, false, 530},
		{"closes", []string{"220 x", "250 x", ""}, false, 0},
		{"HELO only", []string{"220 x", "500 what", "250 x", "550 5.7.1 no"}, true, 550},
		{"takes DATA after refusing", []string{"220 x", "250-x\r\n250 PIPELINING", "250 ok", "550 5.1.1 no", "354 go"}, true, 550},
		{"closes after the message", []string{"220 x", "250 x", "250 ok", "250 ok", "354 go", ""}, false, 0},
		{"escape codes", []string{"220 x", "250 x", "550 5.1.1 \x1b[2J\u202eno"}, true, 550},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr, _ := script(t, c.replies)
			r := connect(t, Options{URL: "smtp://" + addr})
			err := r.Send(t.Context(), "", []string{"ann@sender.example"}, []byte(small))
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Permanent != c.permanent || e.Code != c.code || strings.ContainsFunc(e.Text, hidden) {
				t.Errorf("%#v", err)
			}
		})
	}
}

func TestAuthLogin(t *testing.T) {
	addr, heard := script(t, []string{
		"220 x", "250-x\r\n250 AUTH CRAM-MD5 LOGIN", "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 ok", "250 ok", "250 ok", "354 go", "data",
	})
	r := connect(t, Options{URL: "smtp://belfry:hunter2@" + addr + "?tls=none", Hostname: "belfry.example"})
	if err := r.Send(t.Context(), "", []string{"ann@sender.example"}, []byte(small)); err != nil {
		t.Fatal(err)
	}
	want := "EHLO belfry.example\r\nAUTH LOGIN\r\nYmVsZnJ5\r\naHVudGVyMg==\r\nMAIL FROM:<>\r\nRCPT TO:<ann@sender.example>\r\nDATA\r\n"
	if !strings.HasPrefix(heard(), want) {
		t.Errorf("%q", heard())
	}
}

func TestContextEndsASend(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := connect(t, Options{URL: "smtp://" + l.Addr().String()})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	err = r.Send(ctx, "", []string{"ann@sender.example"}, []byte(small))
	if e, ok := errors.AsType[*Error](err); !ok || e.Permanent || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestIdleConnectionsClose(t *testing.T) {
	s := serve(t, nil)
	r := connect(t, Options{URL: "smtp://" + s.addr, IdleTimeout: 10 * time.Millisecond})
	if err := r.Send(t.Context(), "", []string{"ann@sender.example"}, []byte(small)); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		r.mu.Lock()
		n := len(r.idle)
		r.mu.Unlock()
		if n == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("the connection is still open")
}

// What goes over the wire has CR LF only, and its dots come back.
func TestLineEnds(t *testing.T) {
	s := serve(t, nil)
	r := connect(t, Options{URL: "smtp://" + s.addr})
	msg := "Subject: x\n\n.\n..\r\r\n.\r\nRSET\nlast"
	if err := r.Send(t.Context(), "", []string{"ann@sender.example"}, []byte(msg)); err != nil {
		t.Fatal(err)
	}
	if want := "Subject: x\r\n\r\n.\r\n..\r\n\r\n.\r\nRSET\r\nlast\r\n"; s.data[0] != want {
		t.Errorf("%q, want %q", s.data[0], want)
	}
}

func TestDKIM(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaPublic, err := x509.MarshalPKIXPublicKey(rsaKey.Public())
	if err != nil {
		t.Fatal(err)
	}
	edPKCS8, err := x509.MarshalPKCS8PrivateKey(edKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, record string
		block        *pem.Block
	}{
		{
			"RSA, PKCS #1", "v=DKIM1; p=" + base64.StdEncoding.EncodeToString(rsaPublic),
			&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey)},
		},
		{
			"Ed25519, PKCS #8", "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(edPublic),
			&pem.Block{Type: "PRIVATE KEY", Bytes: edPKCS8},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "key.pem")
			if err := os.WriteFile(file, pem.EncodeToMemory(c.block), 0o600); err != nil {
				t.Fatal(err)
			}
			s := serve(t, nil)
			r := connect(t, Options{URL: "smtp://" + s.addr, DKIM: DKIM{Domain: "belfry.example", Selector: "s1", KeyFile: file}})
			m := example()
			m.Subject = strings.Repeat("Vérifié 🔔 ", 30)
			msg, err := Compose(m)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Send(t.Context(), "", []string{"ann@sender.example"}, msg); err != nil {
				t.Fatal(err)
			}
			verify := func(msg string) error {
				v, err := dkim.VerifyWithOptions(strings.NewReader(msg), &dkim.VerifyOptions{
					LookupTXT: func(name string) ([]string, error) {
						if name != "s1._domainkey.belfry.example" {
							t.Errorf("asked for %s", name)
						}
						return []string{c.record}, nil
					},
				})
				if err != nil || len(v) != 1 {
					t.Fatalf("%v, %v", v, err)
				}
				return v[0].Err
			}
			if err := verify(s.data[0]); err != nil {
				t.Errorf("%v in\n%s", err, s.data[0])
			}
			for _, added := range []string{"From: evil@elsewhere.example\r\n", "Subject: other\r\n", "Reply-To: evil@elsewhere.example\r\n"} {
				if err := verify(added + s.data[0]); err == nil {
					t.Errorf("the signature lets %q be added", added)
				}
			}
			for line := range strings.SplitSeq(s.data[0], "\r\n") {
				if len(line) > 998 {
					t.Errorf("a line of %d bytes", len(line))
				}
			}
		})
	}
}

func TestDKIMRefuses(t *testing.T) {
	dir := t.TempDir()
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	notPEM := filepath.Join(dir, "x.pem")
	if err := os.WriteFile(notPEM, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]DKIM{
		"no selector": {Domain: "belfry.example", KeyFile: notPEM},
		"no file":     {Domain: "belfry.example", Selector: "s", KeyFile: filepath.Join(dir, "none")},
		"not PEM":     {Domain: "belfry.example", Selector: "s", KeyFile: notPEM},
		"weak key":    {Domain: "belfry.example", Selector: "s", Key: weak},
	} {
		if _, err := New(Options{URL: "smtp://localhost", DKIM: d}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// BenchmarkSend sends answers of the usual size with RSA-2048 signatures over
// four connections to a server in the same process.
func BenchmarkSend(b *testing.B) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	s := serve(b, nil)
	r := connect(b, Options{URL: "smtp://" + s.addr, DKIM: DKIM{Domain: "belfry.example", Selector: "s1", Key: key}})
	m := example()
	m.Text = strings.Repeat("Dit is phishing, want de link wijst elders heen.\n", 60)
	m.HTML = "<p>" + m.Text + "</p>"
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			msg, err := Compose(m)
			if err != nil {
				b.Error(err)
			}
			if err := r.Send(b.Context(), "", []string{"ann@sender.example"}, msg); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
}
