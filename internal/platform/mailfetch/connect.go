package mailfetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// tlsMode says how a connection is protected.
type tlsMode string

const (
	tlsImplicit tlsMode = "implicit" // imaps: TLS from the first byte (RFC 8314)
	tlsRequired tlsMode = "required" // STARTTLS, or nothing
	tlsNone     tlsMode = "none"     // only to this very machine
)

// target is Options.Server, taken apart.
type target struct {
	host, port string
	mode       tlsMode
}

// CheckServer checks the text of Options.Server.
func CheckServer(raw string) error {
	_, err := parseServer(raw)
	return err
}

func parseServer(raw string) (target, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.Hostname() == "" || u.Scheme != "imap" && u.Scheme != "imaps" {
		return target{}, errors.New("mailfetch: the server is written imaps://host:993, or imap://host:143")
	}
	if u.User != nil || u.Path != "" && u.Path != "/" || u.Fragment != "" {
		return target{}, errors.New("mailfetch: the server's URL has neither user nor folder; they have settings of their own")
	}
	t := target{host: strings.ToLower(u.Hostname()), port: or(u.Port(), "993"), mode: tlsImplicit}
	if u.Scheme == "imap" {
		t.port, t.mode = or(u.Port(), "143"), tlsRequired
		if isLocal(t.host) {
			t.mode = tlsNone
		}
	}
	if n, err := strconv.Atoi(t.port); err != nil || n < 1 || n > 65535 {
		return target{}, errors.New("mailfetch: the port in the server's URL must be 1 to 65535")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return target{}, errors.New("mailfetch: the part after ? in the server's URL cannot be read")
	}
	for key, values := range query {
		switch mode := tlsMode(values[0]); {
		case key != "tls" || len(values) != 1 || mode != tlsRequired && mode != tlsNone:
			return target{}, errors.New("mailfetch: the server's URL knows one parameter, tls=required or tls=none")
		case t.mode == tlsImplicit:
			return target{}, errors.New("mailfetch: imaps:// is always TLS; leave ?tls= out")
		case mode == tlsNone && !isLocal(t.host):
			return target{}, errors.New("mailfetch: a password goes over checked TLS only; tls=none is for this very machine")
		default:
			t.mode = mode
		}
	}
	return t, nil
}

// isLocal reports whether the host is this very machine.
func isLocal(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// errTooMuch ends a connection on which the server sends more than what was
// asked for can be.
var errTooMuch = errors.New("the server sent more than was asked for")

// wire is a connection on which the server may say only so much. The client
// library reads whatever it is sent into memory; this is its limit.
type wire struct {
	net.Conn
	left atomic.Int64
	over atomic.Bool // it sent more
}

// allow lets the server send that many bytes from now on.
func (w *wire) allow(bytes int64) { w.left.Store(bytes) }

// cut ends the connection whatever is going on upon it.
func (w *wire) cut() { _ = w.Conn.Close() } // nobody waits for what it says

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if w.left.Add(int64(-n)) < 0 {
		w.over.Store(true)
		return 0, errTooMuch
	}
	return n, err
}

// errLogin is a server that does not let us in; trying at once again would
// not help, and may lock the account.
var errLogin = errors.New("the server did not let us in")

// Bytes that the server may send in answer.
const (
	shortReply = 1 << 20 // to everything but a fetch of a message
	replyRoom  = 1 << 18 // beside a message: other messages' news, and what TLS adds
)

// connect dials, protects the connection, and logs in. A token that is not
// taken is replaced once.
func (w *Watcher) connect() (*session, error) {
	secret, err := w.secret()
	if err != nil {
		return nil, err
	}
	for again := w.tokens != nil; ; again = false {
		s, err := w.dial()
		if err != nil {
			return nil, err
		}
		if err = s.authenticate(secret); err == nil {
			return s, nil
		}
		s.close()
		if w.tokens != nil {
			w.tokens.reject(secret)
		}
		if !again || !errors.Is(err, errRefused) {
			return nil, err
		}
		if secret, err = w.secret(); err != nil {
			return nil, err
		}
	}
}

// secret returns the password, or an access token.
func (w *Watcher) secret() (string, error) {
	if w.tokens == nil {
		return w.o.Login.Password.Reveal(), nil
	}
	token, err := w.tokens.get(w.closing)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errLogin, err)
	}
	return token, nil
}

func (w *Watcher) dial() (*session, error) {
	s := &session{w: w, news: make(chan struct{}, 1)}
	dialer := net.Dialer{Timeout: min(w.o.Limits.Patience, 30*time.Second)}
	conn, err := dialer.DialContext(w.closing, "tcp", net.JoinHostPort(w.at.host, w.at.port))
	if err != nil {
		return nil, err
	}
	s.wire = &wire{Conn: conn}
	if err := s.ask(w.closing, "the greeting", shortReply, w.o.Limits.Patience, s.greet); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// greet makes the client on the protected connection, and waits for the
// server's first word.
func (s *session) greet() error {
	config := &tls.Config{
		ServerName: s.w.at.host, RootCAs: s.w.o.Roots, MinVersion: tls.VersionTLS12,
		ClientSessionCache: nil, NextProtos: nil, // not every server knows the name "imap"
	}
	options := &imapclient.Options{TLSConfig: config, UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Expunge: s.expunged,
		Mailbox: func(d *imapclient.UnilateralDataMailbox) {
			if d.NumMessages != nil {
				s.tell(*d.NumMessages)
			}
		},
	}}
	var err error
	switch s.w.at.mode {
	case tlsImplicit:
		protected := tls.Client(s.wire, config)
		if err := protected.Handshake(); err != nil {
			return err
		}
		s.client = imapclient.New(protected, options)
	case tlsRequired:
		if s.client, err = imapclient.NewStartTLS(s.wire, options); err != nil {
			s.client = nil
			return fmt.Errorf("STARTTLS: %w", err)
		}
	default:
		s.client = imapclient.New(s.wire, options)
	}
	if err := s.client.WaitGreeting(); err != nil {
		return err
	}
	if s.client.State() != imap.ConnStateNotAuthenticated {
		return errors.New("it takes us for somebody before we said who we are")
	}
	return nil
}

// initial is a SASL mechanism that says everything at once. A challenge is
// the server's way to explain an error; we hang up upon it.
type initial struct {
	mechanism string
	response  []byte
}

func (i initial) Start() (string, []byte, error) { return i.mechanism, i.response, nil }

func (i initial) Next([]byte) ([]byte, error) { return nil, errRefused }

// errRefused is a server that does not take what we said of ourselves.
var errRefused = errors.New("refused")

// authenticate logs in with the password or the token. Its errors hold
// nothing that the server said but the response code: it knows the secret now.
func (s *session) authenticate(secret string) error {
	err := s.ask(s.w.closing, "logging in", shortReply, s.w.o.Limits.Patience, func() error {
		caps := s.client.Caps()
		if caps == nil {
			return errors.New("the server does not tell what it can do")
		}
		user := s.w.o.Login.User
		mechanisms := caps.AuthMechanisms()
		var err error
		switch ir := caps.Has(imap.CapSASLIR); {
		case s.w.tokens != nil && !(ir && slices.Contains(mechanisms, "XOAUTH2")):
			return errors.New("the server does not offer XOAUTH2 with an initial response")
		case s.w.tokens != nil:
			err = s.client.Authenticate(initial{"XOAUTH2", []byte("user=" + user + "\x01auth=Bearer " + secret + "\x01\x01")})
		case ir && slices.Contains(mechanisms, "PLAIN"):
			err = s.client.Authenticate(initial{"PLAIN", []byte("\x00" + user + "\x00" + secret)})
		case caps.Has(imap.CapLoginDisabled):
			return errors.New("the server does not take passwords on this connection")
		case strings.ContainsFunc(user+secret, func(r rune) bool { return r < ' ' || r > '~' }):
			return errors.New("the server takes user and password in ASCII only: it offers no AUTHENTICATE PLAIN with an initial response")
		default:
			err = s.client.Login(user, secret).Wait()
		}
		switch e, answered := errors.AsType[*imap.Error](err); {
		case err == nil || errors.Is(err, errRefused):
			return err
		case answered:
			return fmt.Errorf("%w: %s %s", errRefused, e.Type, clean(string(e.Code)))
		default:
			return errors.New("the connection broke, or the answer cannot be understood")
		}
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errLogin, err)
	}
	return nil
}

// ask has one conversation with the server, in which it may send that many
// bytes and take that long. When that or ctx is over, the connection is cut,
// which ends f.
func (s *session) ask(ctx context.Context, what string, reply int64, patience time.Duration, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s.wire.allow(reply)
	stop := context.AfterFunc(ctx, s.wire.cut)
	err := f()
	if !stop() {
		err = errors.Join(ctx.Err(), err)
	}
	if s.wire.over.Load() { // the client library hides why the connection broke
		err = errors.Join(errTooMuch, err)
	}
	if e, ok := errors.AsType[*imap.Error](err); ok {
		return &refusal{what: what, err: e}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// refusal is the server's NO or BAD. Its text is foreign.
type refusal struct {
	what string
	err  *imap.Error
}

func (r *refusal) Error() string {
	return fmt.Sprintf("%s: the server said %s [%s] %q", r.what, r.err.Type, clean(string(r.err.Code)), clean(r.err.Text))
}

// no reports whether the server refused, but understood.
func no(err error) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && r.err.Type == imap.StatusResponseTypeNo
}

// clean makes a server's words fit for a log.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '.'
		}
		return r
	}, s[:min(len(s), 480)])
	if runes := []rune(s); len(runes) > 120 {
		s = string(runes[:120])
	}
	return s
}
