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
	To       []string   // forward-paths that Options.Recipient took, in order, at least one
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
	// reply. ctx ends when the client leaves no time to answer it, not when
	// it hangs up. data belongs to the callee.
	Accept func(ctx context.Context, e Envelope, data []byte) error

	// Recipient reports whether mail for the address is taken here. There is
	// no other way in: what it refuses gets 550, so the server cannot relay.
	Recipient func(address string) bool

	// Pace is asked once for each message, at MAIL FROM. The reply waits that
	// long; an error refuses the message for now by its kind. See Pacer.
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
	Recipients       int           // 100 in a message (RFC 5321, 4.5.3.1.8)
	CommandBytes     int           // 2,048 in a command line
	LineBytes        int           // MessageBytes: length of one line of a message
	Connections      int           // 1,000 at a time
	ConnectionsPerIP int           // 50 at a time from an IPv4 address or IPv6 /64
	Errors           int           // 10 refused commands, then 421
	CommandsWithout  int           // 100 commands since the last message, then 421
	Messages         int           // 10,000 on one connection, then 421
	CommandTimeout   time.Duration // 5 min to wait for a command (RFC 5321, 4.5.3.2.7)
	DataTimeout      time.Duration // 3 min to wait for the next bytes of a message
	WriteTimeout     time.Duration // 1 min for the client to take a reply
	SessionTimeout   time.Duration // 1 h for the whole connection
	AcceptTimeout    time.Duration // 1 min for Accept; then 451
	HandshakeTimeout time.Duration // 30 s for TLS and for the PROXY header
	BufferedBytes    int64         // 256 MiB of messages being read at a time, all connections together
}
