package mailin

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inbox is an Accept that keeps what it gets.
type inbox struct {
	mu   sync.Mutex
	envs []Envelope
	data []string
	err  error
}

func (b *inbox) accept(_ context.Context, e Envelope, data []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return b.err
	}
	b.envs = append(b.envs, e)
	b.data = append(b.data, string(data))
	return nil
}

func (b *inbox) only(t *testing.T) (Envelope, string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.envs) != 1 {
		t.Fatalf("%d messages were accepted, want 1", len(b.envs))
	}
	return b.envs[0], b.data[0]
}

func (b *inbox) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.envs)
}

func isDesk(a string) bool {
	return strings.EqualFold(a, "desk@belfry.example") || strings.EqualFold(a, "postmaster") || a == "börse@belfry.example"
}

// start runs a server for the test. Unset fields of opt are filled in.
func start(t testing.TB, opt Options) (*Server, *inbox) {
	t.Helper()
	box := &inbox{}
	if opt.Accept == nil {
		opt.Accept = box.accept
	}
	if opt.Recipient == nil {
		opt.Recipient = isDesk
	}
	opt.Hostname = "mx.belfry.example"
	s, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	return s, box
}

// peer is the client's end of a conversation.
type peer struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

func dial(t testing.TB, s *Server) *peer {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(5 * time.Second))
	return &peer{t, c, bufio.NewReader(c)}
}

func (p *peer) send(s string) {
	p.t.Helper()
	if _, err := io.WriteString(p.conn, s); err != nil {
		p.t.Fatalf("sending %.60q: %v", s, err)
	}
}

// reply reads one reply, all of its lines.
func (p *peer) reply() (string, error) {
	var all strings.Builder
	for {
		l, err := p.r.ReadString('\n')
		all.WriteString(l)
		if err != nil {
			return all.String(), err
		}
		if len(l) < 4 || l[3] != '-' {
			return all.String(), nil
		}
	}
}

func (p *peer) expect(prefix string) string {
	p.t.Helper()
	got, err := p.reply()
	if err != nil || !strings.HasPrefix(got, prefix) {
		p.t.Fatalf("got %q (%v), want %q", got, err, prefix)
	}
	return got
}

func (p *peer) expectClosed() {
	p.t.Helper()
	if b, err := io.ReadAll(p.r); len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Fatalf("the connection is not closed: %q, %v", b, err)
	}
}

// talk plays a script: lines that begin with "> " are sent with CR LF, lines
// that begin with "< " are the beginning of a reply, "!" is the end of the
// connection. {{N}} is the letter a, N times.
func (p *peer) talk(script string) {
	p.t.Helper()
	for l := range strings.Lines(script) {
		l = strings.Trim(l, "\n\t")
		if before, rest, ok := strings.Cut(l, "{{"); ok {
			var n int
			number, after, _ := strings.Cut(rest, "}}")
			fmt.Sscan(number, &n)
			l = before + strings.Repeat("a", n) + after
		}
		switch {
		case l == "":
		case l == "!":
			p.expectClosed()
		case strings.HasPrefix(l, "> "):
			p.send(l[2:] + "\r\n")
		case strings.HasPrefix(l, "< "):
			p.expect(l[2:])
		default:
			p.t.Fatalf("bad line in the script: %q", l)
		}
	}
}

// ready brings the conversation to the 354 of DATA.
func (p *peer) ready() *peer {
	p.t.Helper()
	p.talk(`
		< 220
		> EHLO client.example
		< 250
		> MAIL FROM:<ann@sender.example>
		< 250 2.1.0
		> RCPT TO:<desk@belfry.example>
		< 250 2.1.5
		> DATA
		< 354
	`)
	return p
}

// selfSigned writes a certificate for localhost and its key.
func selfSigned(t testing.TB, dir, name string) (TLS, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := TLS{Certificate: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	for file, block := range map[string]*pem.Block{
		files.Certificate: {Type: "CERTIFICATE", Bytes: der},
		files.Key:         {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return files, pool
}
