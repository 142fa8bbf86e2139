package mailin

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// session is one connection and where its conversation stands.
type session struct {
	server *Server
	id     string
	conn   *timedConn // the TCP connection
	tls    *tls.Conn  // over it, after STARTTLS
	r      *bufio.Reader
	w      *bufio.Writer
	ip     netip.Addr

	helo  string // "" before HELO or EHLO
	begun bool   // MAIL was taken
	size  int64  // what MAIL declared; 0 when nothing
	env   Envelope

	errors   int // refused commands
	without  int // commands since the last message
	messages int // accepted
}

// errQuit ends a session whose last reply is written.
var errQuit = errors.New("mailin: the session is over")

func newSession(s *Server, c net.Conn) *session {
	conn := &timedConn{
		Conn:  c,
		write: s.limits.WriteTimeout,
		last:  time.Now().Add(s.limits.SessionTimeout),
		read:  s.limits.CommandTimeout,
	}
	return &session{
		server: s,
		id:     sessionID(),
		conn:   conn,
		r:      bufio.NewReaderSize(conn, max(s.limits.CommandBytes, 8<<10)),
		w:      bufio.NewWriter(conn),
	}
}

// run holds the conversation until its end.
func (c *session) run() {
	defer func() {
		if v := recover(); v != nil {
			c.logPanic(v)
			c.reply(421, "4.3.0", "Something went wrong on our side; closing")
			c.w.Flush()
		}
	}()
	if err := c.identify(); err != nil {
		c.server.metrics.turnedAway("proxy")
		c.server.log.Warn("smtp: a trusted proxy sent no proper PROXY header", "session", c.id)
		return
	}
	if !c.server.enter(c.ip) {
		c.server.metrics.turnedAway("per-ip")
		c.reply(421, "4.7.0", "Too many connections from your network")
		c.w.Flush()
		return
	}
	defer c.server.leave(c.ip)

	c.say(220, c.server.opt.Hostname+" ESMTP")
	for {
		err := c.turn()
		if err == nil {
			continue
		}
		var timeout net.Error
		switch {
		case errors.Is(err, errQuit), errors.Is(err, io.EOF):
		case errors.Is(err, errDraining) || c.conn.stopping():
			c.reply(421, "4.3.2", "The server is stopping; try again later")
		case errors.As(err, &timeout) && timeout.Timeout():
			c.reply(421, "4.4.2", "Waited too long; closing")
		}
		c.w.Flush()
		return
	}
}

// identify finds out who the client is, from a trusted proxy's header when
// the peer is one.
func (c *session) identify() error {
	c.ip = addressOf(c.conn.RemoteAddr())
	if !c.server.trusted(c.ip) {
		return nil
	}
	c.conn.expect(c.server.limits.HandshakeTimeout, false)
	h, err := proxyproto.Read(c.r)
	if err != nil {
		return err
	}
	if h.Command.IsLocal() || h.SourceAddr == nil {
		return nil // the proxy speaks for itself: a health check
	}
	if c.ip = addressOf(h.SourceAddr); !c.ip.IsValid() {
		return errors.New("mailin: the PROXY header names no IP address")
	}
	return nil
}

// turn reads one command and answers it. Replies to pipelined commands leave
// together (RFC 2920, section 3.2).
func (c *session) turn() error {
	if c.r.Buffered() == 0 {
		if err := c.w.Flush(); err != nil {
			return err
		}
	}
	c.conn.expect(c.server.limits.CommandTimeout, false)
	line, err := readCommand(c.r, c.server.limits.CommandBytes)
	if err != nil && !errors.Is(err, errSyntax) {
		return err
	}
	if c.conn.stopping() {
		return errDraining
	}
	c.without++
	if c.without > c.server.limits.CommandsWithout || c.messages >= c.server.limits.Messages {
		c.reply(421, "4.7.0", "Enough for one connection; closing")
		return errQuit
	}
	if err != nil {
		return c.refuse(500, "5.5.2", "Not a command line: "+err.Error())
	}
	verb, arg, _ := strings.Cut(line, " ")
	arg = strings.TrimSpace(arg)
	switch strings.ToUpper(verb) {
	case "EHLO":
		return c.hello(arg, true)
	case "HELO":
		return c.hello(arg, false)
	case "MAIL":
		return c.mail(arg)
	case "RCPT":
		return c.rcpt(arg)
	case "DATA":
		return c.data(arg)
	case "RSET":
		c.reset()
		return c.reply(250, "2.0.0", "Reset")
	case "NOOP":
		return c.reply(250, "2.0.0", "Fine")
	case "QUIT":
		c.reply(221, "2.0.0", "Good day")
		return errQuit
	case "STARTTLS":
		return c.startTLS(arg)
	case "VRFY", "EXPN":
		return c.refuse(502, "5.5.1", "Addresses are not confirmed here")
	case "GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT":
		// A browser that somebody made post to our port.
		c.refuse(421, "4.7.0", "This is a mail server; closing")
		return errQuit
	default:
		return c.refuse(500, "5.5.1", "No such command")
	}
}

// hello is RFC 5321, section 4.1.1.1.
func (c *session) hello(name string, extended bool) error {
	name, _, _ = strings.Cut(name, " ")
	if name == "" || len(name) > 255 {
		return c.refuse(501, "5.5.4", "Say your name with it")
	}
	c.reset()
	c.helo = name
	host := c.server.opt.Hostname
	if !extended {
		return c.say(250, host)
	}
	lines := []string{
		host,
		"PIPELINING",
		fmt.Sprintf("SIZE %d", c.server.limits.MessageBytes),
		"8BITMIME",
		"SMTPUTF8",
		"ENHANCEDSTATUSCODES",
	}
	if c.server.tls != nil && c.tls == nil {
		lines = append(lines, "STARTTLS")
	}
	return c.say(250, lines...)
}

// mail is RFC 5321, section 4.1.1.2.
func (c *session) mail(arg string) error {
	switch {
	case c.helo == "":
		return c.refuse(503, "5.5.1", "Say EHLO first")
	case c.begun:
		return c.refuse(503, "5.5.1", "There is a sender already")
	}
	from, params, err := parsePath(arg, "FROM:")
	if err != nil {
		return c.refuse(501, "5.1.7", "Cannot read the sender: "+err.Error())
	}
	env := Envelope{Session: c.id, From: from, RemoteIP: c.ip, Helo: c.helo, TLS: c.tls != nil}
	size, utf8, refusal := mailParams(params, c.server.limits.MessageBytes)
	if refusal != nil {
		return c.refuse(refusal.code, refusal.enhanced, refusal.text)
	}
	if !utf8 && !ascii(from) {
		return c.refuse(553, "5.6.7", "Such an address needs SMTPUTF8")
	}
	if ok, err := c.pace(from); !ok {
		return err
	}
	env.UTF8 = utf8
	c.env, c.size, c.begun = env, size, true
	return c.reply(250, "2.1.0", "Sender taken")
}

// pace lets the client wait as Options.Pace says. It reports whether the
// message may go on; when not, the client has been told.
func (c *session) pace(from string) (bool, error) {
	if c.server.opt.Pace == nil {
		return true, nil
	}
	delay, err := c.server.opt.Pace(c.server.ctx, from, c.ip)
	if err != nil {
		code, enhanced := smtpCode(err)
		c.server.metrics.refused(code)
		return false, c.reply(code, enhanced, fault.Message(err))
	}
	if delay <= 0 {
		return true, nil
	}
	if err := c.w.Flush(); err != nil {
		return false, err
	}
	t := time.NewTimer(delay)
	defer t.Stop()
	select {
	case <-t.C:
		return true, nil
	case <-c.server.done:
		return false, errDraining
	}
}

// rcpt is RFC 5321, section 4.1.1.3.
func (c *session) rcpt(arg string) error {
	if !c.begun {
		return c.refuse(503, "5.5.1", "Name the sender first")
	}
	to, params, err := parsePath(arg, "TO:")
	switch {
	case err != nil:
		return c.refuse(501, "5.1.3", "Cannot read the recipient: "+err.Error())
	case to == "":
		return c.refuse(501, "5.1.3", "There is no recipient in it")
	case len(params) > 0:
		return c.refuse(555, "5.5.4", "No such parameter")
	case !c.env.UTF8 && !ascii(to):
		return c.refuse(553, "5.6.7", "Such an address needs SMTPUTF8")
	case len(c.env.To) >= c.server.limits.Recipients:
		return c.refuse(452, "4.5.3", "Too many recipients")
	case !c.server.opt.Recipient(to):
		return c.refuse(550, "5.1.1", "There is no such mailbox here")
	}
	known := false
	for _, t := range c.env.To {
		known = known || t == to
	}
	if !known {
		c.env.To = append(c.env.To, to)
	}
	return c.reply(250, "2.1.5", "Recipient taken")
}

// startTLS is RFC 3207. What the client sent before the handshake is
// forgotten, and nothing of it may stand in the buffer (CVE-2011-0411).
func (c *session) startTLS(arg string) error {
	switch {
	case c.server.tls == nil:
		return c.refuse(502, "5.5.1", "There is no TLS here")
	case c.tls != nil:
		return c.refuse(503, "5.5.1", "TLS is on already")
	case arg != "":
		return c.refuse(501, "5.5.4", "STARTTLS takes no parameter")
	case c.r.Buffered() > 0:
		c.refuse(421, "4.7.0", "Nothing may follow STARTTLS; closing")
		return errQuit
	}
	c.reply(220, "2.0.0", "Go ahead")
	if err := c.w.Flush(); err != nil {
		return err
	}
	c.conn.expect(c.server.limits.HandshakeTimeout, false)
	secure := tls.Server(c.conn, c.server.tls)
	ctx, cancel := context.WithTimeout(c.server.ctx, c.server.limits.HandshakeTimeout)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		c.server.metrics.refused(454)
		c.server.log.Debug("smtp: TLS handshake failed", "session", c.id)
		c.w.Reset(io.Discard)
		return errQuit
	}
	c.tls = secure
	c.r.Reset(secure)
	c.w.Reset(secure)
	c.reset()
	c.helo = ""
	return nil
}

// reset forgets the message that is being prepared.
func (c *session) reset() { c.env, c.size, c.begun = Envelope{}, 0, false }

// say writes a reply without an enhanced code, one line for each text.
func (c *session) say(code int, lines ...string) error {
	for i, l := range lines {
		sep := "-"
		if i == len(lines)-1 {
			sep = " "
		}
		if _, err := fmt.Fprintf(c.w, "%d%s%s\r\n", code, sep, l); err != nil {
			return err
		}
	}
	return nil
}

// reply writes one line with an enhanced code (RFC 2034).
func (c *session) reply(code int, enhanced, text string) error {
	_, err := fmt.Fprintf(c.w, "%d %s %s\r\n", code, enhanced, replyText(text))
	return err
}

// refuse is reply for a command that failed by the client's fault. Too many
// of them end the session.
func (c *session) refuse(code int, enhanced, text string) error {
	c.server.metrics.refused(code)
	if err := c.reply(code, enhanced, text); err != nil {
		return err
	}
	if c.errors++; c.errors >= c.server.limits.Errors {
		c.reply(421, "4.7.0", "Too many errors; closing")
		return errQuit
	}
	return nil
}

// smtpCode returns the codes for an error's kind.
func smtpCode(err error) (int, string) {
	code, e := fault.KindOf(err).SMTP()
	return code, fmt.Sprintf("%d.%d.%d", e[0], e[1], e[2])
}

// logPanic tells what broke, without values that may come from a message.
func (c *session) logPanic(v any) {
	what := fmt.Sprintf("%T", v)
	if err, ok := v.(interface {
		error
		RuntimeError()
	}); ok {
		what = err.Error()
	}
	c.server.log.Error("smtp: panic", "session", c.id, "panic", what, "stack", string(debug.Stack()))
}
