package mailfetch_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-sasl"
	"go.uber.org/goleak"

	"github.com/belfry-centre/belfry/internal/platform/config"
	"github.com/belfry-centre/belfry/internal/platform/mailfetch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	user     = "desk@example.org"
	password = "a secret that nobody logs"
)

// everything is what a modern server offers.
var everything = imap.CapSet{
	imap.CapIMAP4rev1: {}, imap.CapMove: {}, imap.CapUIDPlus: {}, imap.CapIdle: {}, imap.CapNamespace: {}, imap.CapSASLIR: {},
}

func without(caps ...imap.Cap) imap.CapSet {
	set := everything.Copy()
	for _, c := range caps {
		delete(set, c)
	}
	return set
}

// server is a mail server in this process, with one user.
type server struct {
	t      *testing.T
	addr   string
	scheme string
	user   *imapmemserver.User
	roots  *x509.CertPool

	mu       sync.Mutex
	token    string // the access token that is good now
	listener net.Listener
	imap     *imapserver.Server
	options  imapserver.Options
}

type serverOptions struct {
	caps     imap.CapSet // nil: everything
	implicit bool        // TLS from the first byte
	starttls bool
}

func newServer(t *testing.T, o serverOptions) *server {
	t.Helper()
	s := &server{t: t, scheme: "imap", user: imapmemserver.NewUser(user, password)}
	if err := s.user.Create("INBOX", nil); err != nil {
		t.Fatal(err)
	}
	mem := imapmemserver.New()
	mem.AddUser(s.user)
	if o.caps == nil {
		o.caps = everything
	}
	s.options = imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return &memSession{Session: mem.NewSession(), server: s}, nil, nil
		},
		Caps: o.caps, InsecureAuth: !o.starttls, Logger: log.New(io.Discard, "", 0),
	}
	var certificate *tls.Config
	if o.implicit || o.starttls {
		certificate, s.roots = newCertificate(t)
	}
	if o.starttls {
		s.options.TLSConfig = certificate
	}
	var err error
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	s.addr = s.listener.Addr().String()
	if o.implicit {
		s.scheme, s.listener = "imaps", tls.NewListener(s.listener, certificate)
	}
	s.serve()
	t.Cleanup(s.stop)
	return s
}

func (s *server) serve() {
	imap, listener := imapserver.New(&s.options), s.listener
	s.imap = imap
	go func() { _ = imap.Serve(listener) }() // ends with Close
}

func (s *server) stop() {
	_ = s.imap.Close()
	_ = s.listener.Close() // where Serve had not begun
}

// restart cuts every connection and listens again at the same address.
func (s *server) restart() {
	s.t.Helper()
	s.stop()
	var err error
	if s.listener, err = net.Listen("tcp", s.addr); err != nil {
		s.t.Fatal(err)
	}
	s.serve()
}

func (s *server) url() string { return s.scheme + "://" + s.addr }

// memSession adds XOAUTH2 to the server of the library, and takes a message
// away between its being listed and being fetched.
type memSession struct {
	imapserver.Session
	server *server
}

func (m *memSession) AuthenticateMechanisms() []string { return []string{"PLAIN", "XOAUTH2"} }

func (m *memSession) Authenticate(mechanism string) (sasl.Server, error) {
	if mechanism == "PLAIN" {
		return sasl.NewPlainServer(func(_, user, password string) error { return m.Login(user, password) }), nil
	}
	return xoauth2(func(text string) error {
		m.server.mu.Lock()
		defer m.server.mu.Unlock()
		if text != "user="+user+"\x01auth=Bearer "+m.server.token+"\x01\x01" {
			return imapserver.ErrAuthFailed
		}
		return m.Login(user, password)
	}), nil
}

func (m *memSession) Move(w *imapserver.MoveWriter, set imap.NumSet, dest string) error {
	return m.Session.(imapserver.SessionMove).Move(w, set, dest)
}

func (m *memSession) Namespace() (*imap.NamespaceData, error) {
	return m.Session.(imapserver.SessionNamespace).Namespace()
}

// xoauth2 is the server's side: it explains a refusal in a challenge, as the
// large providers do.
type xoauth2 func(string) error

func (x xoauth2) Next(response []byte) (challenge []byte, done bool, err error) {
	if response == nil {
		return []byte{}, false, nil
	}
	if err := x(string(response)); err != nil {
		return []byte(`{"status":"401","schemes":"bearer"}`), false, nil
	}
	return nil, true, nil
}

// put puts a message into a folder.
func (s *server) put(folder, raw string, flags ...imap.Flag) {
	s.t.Helper()
	s.putAt(folder, raw, time.Now(), flags...)
}

func (s *server) putAt(folder, raw string, at time.Time, flags ...imap.Flag) {
	s.t.Helper()
	_, err := s.user.Append(folder, literal{strings.NewReader(raw), int64(len(raw))}, &imap.AppendOptions{Flags: flags, Time: at})
	if err != nil {
		s.t.Fatal(err)
	}
}

type literal struct {
	io.Reader
	size int64
}

func (l literal) Size() int64 { return l.size }

// count returns how many messages are in a folder; -1 without the folder.
func (s *server) count(folder string) int {
	data, err := s.user.Status(folder, &imap.StatusOptions{NumMessages: true})
	if err != nil {
		return -1
	}
	return int(*data.NumMessages)
}

// client is somebody else who works in the mailbox.
func (s *server) client() *imapclient.Client {
	s.t.Helper()
	return login(s.t, s.addr, user)
}

func login(t *testing.T, addr, user string) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialInsecure(addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // the server may have hung up
	if err := c.Login(user, password).Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

// desk is who accepts.
type desk struct {
	mu     sync.Mutex
	taken  map[string][]byte // by key: what an idempotent receiver holds
	offers int
	refuse func(mailfetch.Fetched) error
}

func (d *desk) accept(_ context.Context, f mailfetch.Fetched) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.offers++
	if d.refuse != nil {
		if err := d.refuse(f); err != nil {
			return err
		}
	}
	if d.taken == nil {
		d.taken = map[string][]byte{}
	}
	key := fmt.Sprint(f.Mailbox, f.UIDValidity, f.UID)
	if before, twice := d.taken[key]; twice && !bytes.Equal(before, f.Raw) {
		return fmt.Errorf("%s is another message now", key)
	}
	d.taken[key] = bytes.Clone(f.Raw)
	return nil
}

func (d *desk) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.taken)
}

func (d *desk) offered() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.offers
}

// bodies returns what was taken, in order of the text.
func (d *desk) bodies() (all []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, raw := range d.taken {
		all = append(all, string(raw))
	}
	slices.Sort(all)
	return all
}

// options are those of a watcher that has no time to lose.
func options(url string, d *desk) mailfetch.Options {
	return mailfetch.Options{
		Server: url, Login: mailfetch.Login{User: user, Password: config.NewSecret(password)}, Accept: d.accept,
		Poll: 50 * time.Millisecond,
		Limits: mailfetch.Limits{
			RetryMin: 20 * time.Millisecond, RetryMax: 200 * time.Millisecond, Patience: 10 * time.Second, Transfer: 10 * time.Second,
		},
	}
}

func watch(t *testing.T, o mailfetch.Options) *mailfetch.Watcher {
	t.Helper()
	if o.Log == nil {
		l := &logged{}
		o.Log = l.logger()
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("the log:\n%s", l.String()[:min(len(l.String()), 4000)])
			}
		})
	}
	w, err := mailfetch.New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.Start()
	t.Cleanup(func() { stop(t, w) })
	return w
}

func stop(t *testing.T, w *mailfetch.Watcher) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	if err := w.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// eventually waits for what other goroutines bring about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// logged is a log that tests read.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func newCertificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "imap.example.org"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, roots
}

func message(n int) string {
	return fmt.Sprintf("From: somebody%d@citizens.example\r\nSubject: number %d\r\n\r\nIs this real?\r\n", n, n)
}
