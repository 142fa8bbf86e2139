package mailin

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Envelope is what the SMTP conversation told about one message, apart from
// the message itself (RFC 5321, section 2.3.1).
type Envelope struct {
	Session  string     // random id of the connection, the same in every log line about it
	From     string     // reverse-path without angle brackets; "" is the null sender of a bounce
	To       []string   // forward-paths that Options.Recipient took, in order, each once, at least one
	RemoteIP netip.Addr // the client, or what a trusted proxy says it is; IPv4 is never mapped
	Helo     string     // the client's own name, unproved
	TLS      bool       // the message came over TLS
	UTF8     bool       // the client asked for SMTPUTF8 (RFC 6531)
}

// Options say how a Server works. Accept and Recipient are required; the zero
// value of everything else is useful.
type Options struct {
	Addr     string // host:port to listen on; port 0 picks one; "" is 127.0.0.1:0
	Hostname string // our name in the greeting; "" is "localhost"

	// TLS switches STARTTLS on.
	TLS TLS

	// Accept takes one message and returns nil once it is safe; only then does
	// the client see 250. The kind of an error (package fault) decides the
	// reply; a panic is answered like an error without a kind. ctx ends after
	// Limits.AcceptTimeout, or when Stop runs out of patience. data belongs to
	// the callee.
	Accept func(ctx context.Context, e Envelope, data []byte) error

	// Recipient reports whether mail for the address is taken here. There is
	// no other way in: what it refuses gets 550, so the server cannot relay.
	Recipient func(address string) bool

	// Pace is asked once for each message, at MAIL FROM. The reply waits that
	// long; an error refuses the message for now by its kind. The caller
	// chooses what to count by; see Pacer.
	Pace func(ctx context.Context, from string, ip netip.Addr) (time.Duration, error)

	// TrustedProxies are the peers that must speak the PROXY protocol, version
	// 1 or 2, before anything else. From all others such a header is an
	// unknown command.
	TrustedProxies []netip.Prefix

	Limits  Limits
	Log     *slog.Logger          // nil discards
	Metrics prometheus.Registerer // nil counts nothing
}

// TLS names the PEM files of the certificate chain and its key. They are read
// again when they change, so a renewed certificate needs no restart.
type TLS struct {
	Certificate string
	Key         string
}

// Limits bound what clients can make the server do. A zero field takes the
// default that stands beside it.
type Limits struct {
	MessageBytes     int64         // 25 MiB; a bigger message is refused with 552
	BufferedBytes    int64         // 512 MiB of messages in memory, all connections together, and a quarter of it for one client; then 451
	LineBytes        int           // MessageBytes: one line of a message
	CommandBytes     int           // 2,048 in a command line, at least 512 (RFC 5321, 4.5.3.1.4)
	Recipients       int           // 100 in a message (RFC 5321, 4.5.3.1.8); then 452
	Connections      int           // 1,000 at a time; then 421
	ConnectionsPerIP int           // 50 at a time from an IPv4 address or IPv6 /64; then 421
	Errors           int           // 10 refused commands on a connection; then 421
	CommandsWithout  int           // 200 commands since the last message; then 421
	Messages         int           // 10,000 on a connection; then 421
	CommandTimeout   time.Duration // 5 min until the next command (RFC 5321, 4.5.3.2.7)
	DataTimeout      time.Duration // 3 min until the next bytes of a message (RFC 5321, 4.5.3.2.5)
	WriteTimeout     time.Duration // 1 min for the client to take a reply
	HandshakeTimeout time.Duration // 30 s for TLS, and for the PROXY header
	AcceptTimeout    time.Duration // 1 min for Accept
	SessionTimeout   time.Duration // 1 h for the whole connection
}

// withDefaults fills the zero fields.
func (l Limits) withDefaults() Limits {
	size := func(v *int64, d int64) {
		if *v <= 0 {
			*v = d
		}
	}
	count := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	span := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	size(&l.MessageBytes, 25<<20)
	size(&l.BufferedBytes, 512<<20)
	count(&l.LineBytes, int(l.MessageBytes))
	count(&l.CommandBytes, 2048)
	l.CommandBytes = max(l.CommandBytes, 512)
	count(&l.Recipients, 100)
	count(&l.Connections, 1000)
	count(&l.ConnectionsPerIP, 50)
	count(&l.Errors, 10)
	count(&l.CommandsWithout, 200)
	count(&l.Messages, 10_000)
	span(&l.CommandTimeout, 5*time.Minute)
	span(&l.DataTimeout, 3*time.Minute)
	span(&l.WriteTimeout, time.Minute)
	span(&l.HandshakeTimeout, 30*time.Second)
	span(&l.AcceptTimeout, time.Minute)
	span(&l.SessionTimeout, time.Hour)
	return l
}
