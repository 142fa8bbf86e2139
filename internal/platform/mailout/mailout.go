package mailout

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"log/slog"
	"time"
)

// Options say how to reach the relay. URL is required; the zero value of
// everything else is useful.
type Options struct {
	// URL is smtp://host[:25] or smtps://host[:465], with user:password@ where
	// the relay wants them. ?tls= says what smtp:// does:
	//
	//	required       STARTTLS with a checked certificate, or nothing; the default
	//	opportunistic  STARTTLS when it is offered, unchecked (RFC 7435); the
	//	               default to this very machine
	//	none           plain text
	//
	// A password goes over checked TLS only, except to this very machine.
	URL string

	Connections int            // at a time; 0 is 4
	Hostname    string         // our name in EHLO; "" is "localhost"
	DKIM        DKIM           // the zero value signs nothing
	RootCAs     *x509.CertPool // nil: the system's

	Timeout     time.Duration // to connect, and for one reply; 0 is 1 min
	DataTimeout time.Duration // for the reply to a message; 0 is 10 min (RFC 5321, 4.5.3.2.6)
	IdleTimeout time.Duration // an unused connection is closed after it; 0 is 30 s
	Messages    int           // on one connection; 0 is 100
	MaxBytes    int           // of one message; 0 is 25 MiB

	Log *slog.Logger // nil discards
}

// DKIM says how to sign (RFC 6376): relaxed/relaxed, SHA-256, with the fields
// a reader sees signed once more than they stand there, so that nobody can
// add one.
type DKIM struct {
	Domain   string        // d=
	Selector string        // s=
	KeyFile  string        // PEM, PKCS #8 or PKCS #1: RSA of 2,048 bits or more (RFC 8301), or Ed25519 (RFC 8463)
	Key      crypto.Signer // instead of KeyFile
}

// Error is what Send returns: why a message did not go out.
type Error struct {
	Permanent bool   // trying again is of no use
	Code      int    // of the relay's reply; 0 when there was none
	Enhanced  string // "5.1.1" (RFC 3463), when the relay gave one
	Text      string // the relay's words, cleaned and shortened; they may hold an address: do not log
	Err       error  // the cause, when it was not a reply
}

// Error leaves Text out.
func (e *Error) Error() string {
	switch {
	case e.Code != 0 && e.Enhanced != "":
		return fmt.Sprintf("mailout: the relay answered %d %s", e.Code, e.Enhanced)
	case e.Code != 0:
		return fmt.Sprintf("mailout: the relay answered %d", e.Code)
	case e.Err != nil:
		return "mailout: " + e.Err.Error()
	default:
		return "mailout: not sent"
	}
}

func (e *Error) Unwrap() error { return e.Err }
