package mailout

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"time"
)

// Options say how to reach the relay. URL is required.
type Options struct {
	// URL is smtp://host[:25] or smtps://host[:465], with user and password
	// where the relay wants them. ?tls= says what smtp:// does: "required"
	// (the default, except to loopback), "opportunistic" (STARTTLS when it is
	// offered; the certificate is not checked, RFC 7435) or "none".
	URL string

	Connections int            // at a time; 0 is 4
	Hostname    string         // our name in EHLO; "" is "localhost"
	DKIM        DKIM           // the zero value signs nothing
	RootCAs     *x509.CertPool // nil: the system's

	Timeout     time.Duration // for one reply; 0 is 1 min
	DataTimeout time.Duration // for the reply to the message; 0 is 10 min (RFC 5321, 4.5.3.2.6)
	IdleTimeout time.Duration // an unused connection is closed after it; 0 is 30 s
	Messages    int           // on one connection; 0 is 100
	MaxBytes    int64         // of one message; 0 is 25 MiB

	Log *slog.Logger // nil discards
}

// DKIM says how to sign (RFC 6376).
type DKIM struct {
	Domain   string        // d=
	Selector string        // s=
	KeyFile  string        // PEM, PKCS #8 or PKCS #1: RSA of 2,048 bits or more, or Ed25519
	Key      crypto.Signer // instead of KeyFile
}

// Error is what Send returns: why a message did not go out.
type Error struct {
	Permanent bool   // trying again is of no use: the relay said 5xx, or the message is not sendable
	Code      int    // of the relay's reply; 0 when there was none
	Enhanced  string // "5.1.1" (RFC 3463), when the relay gave one
	Text      string // the relay's words, cleaned and shortened; they may hold an address: do not log
	Err       error  // the cause, when it was not a reply
}

func (e *Error) Error() string {
	switch {
	case e.Code != 0 && e.Enhanced != "":
		return fmt.Sprintf("mailout: the relay answered %d %s", e.Code, e.Enhanced)
	case e.Code != 0:
		return fmt.Sprintf("mailout: the relay answered %d", e.Code)
	case e.Err != nil:
		return "mailout: " + e.Err.Error()
	default:
		return "mailout: " + e.Text
	}
}

func (e *Error) Unwrap() error { return e.Err }

// Relay sends messages through one SMTP server over a pool of connections. It
// is safe for concurrent use.
type Relay struct{ opt Options }

// New reads the URL and the key. It does not connect.
func New(opt Options) (*Relay, error) { return &Relay{opt: opt}, nil }

// Send signs the message and hands it to the relay for all recipients or
// none. from may be empty: the null sender. The error is an *Error.
func (r *Relay) Send(ctx context.Context, from string, to []string, msg []byte) error {
	return &Error{Err: errors.New("not connected")}
}

// Close closes the connections. A Send under way ends first.
func (r *Relay) Close() error { return nil }

// String names the relay without user and password.
func (r *Relay) String() string { return "" }

// Mail is a message to compose. From, To, Subject, MessageID and Text are
// required.
type Mail struct {
	From       mail.Address
	To         []mail.Address
	ReplyTo    mail.Address // the zero value leaves it out
	Subject    string
	Date       time.Time // zero is now
	MessageID  string    // with or without angle brackets
	InReplyTo  string    // same; one that is not a message id is left out
	References []string  // same; the last twenty are kept
	Text       string
	HTML       string   // "" composes text/plain only
	Language   string   // Content-Language (RFC 3282), e.g. "nl"
	Headers    []Header // e.g. Auto-Submitted: auto-replied (RFC 3834)
}

// Header is one more header field.
type Header struct{ Name, Value string }

// Compose writes the message: text and HTML as multipart/alternative, in
// UTF-8 and quoted-printable, in lines of at most 76 bytes that end in CRLF. The same
// Mail always gives the same bytes.
func Compose(m Mail) ([]byte, error) { return nil, errors.New("mailout: nothing to compose") }
