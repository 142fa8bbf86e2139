package mailout

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// client is one SMTP connection (RFC 5321).
type client struct {
	relay *Relay
	conn  net.Conn
	r     *bufio.Reader
	limit *io.LimitedReader // below r: how much one reply may hold
	w     *bufio.Writer
	ext   map[string]string // of EHLO: SIZE, PIPELINING, …

	sent  int       // messages
	since time.Time // when it was last used
	timer *time.Timer
}

const maxReply = 64 << 10 // bytes of one reply

// dial connects, goes over to TLS and authenticates, as the URL says. None of
// its errors is about a message, so none is permanent.
func (r *Relay) dial(ctx context.Context) (*client, error) {
	c, err := r.connect(ctx, r.target.mode)
	if err != nil && r.target.mode == tlsOpportunistic && errors.As(err, new(*handshakeError)) {
		c, err = r.connect(ctx, tlsNone) // RFC 7435: some protection most of the time
	}
	var reply *Error
	if errors.As(err, &reply) {
		reply.Permanent = false
		return nil, reply
	}
	if err != nil {
		return nil, &Error{Err: err}
	}
	return c, nil
}

// handshakeError is a TLS handshake that failed.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return "TLS with the relay: " + e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

func (r *Relay) connect(ctx context.Context, mode tlsMode) (_ *client, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.opt.Timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(r.target.host, r.target.port))
	if err != nil {
		return nil, fmt.Errorf("cannot reach the relay: %w", err)
	}
	c := &client{relay: r}
	defer func() {
		if err != nil {
			c.conn.Close()
		}
	}()
	c.attach(conn)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if mode == tlsImplicit {
		if err := c.secure(ctx, true); err != nil {
			return nil, err
		}
	}
	if _, err := c.read(220, r.opt.Timeout); err != nil {
		return nil, err
	}
	if err := c.hello(); err != nil {
		return nil, err
	}
	_, offered := c.ext["STARTTLS"]
	switch {
	case mode == tlsRequired && !offered:
		return nil, errors.New("the relay offers no STARTTLS, and tls is required")
	case mode == tlsRequired, mode == tlsOpportunistic && offered:
		if _, err := c.command(220, "STARTTLS"); err != nil {
			return nil, err
		}
		if c.r.Buffered() > 0 { // CVE-2011-0411, the other way round
			return nil, errors.New("the relay sent something behind STARTTLS")
		}
		if err := c.secure(ctx, mode == tlsRequired); err != nil {
			return nil, err
		}
		if err := c.hello(); err != nil {
			return nil, err
		}
	}
	return c, c.authenticate()
}

// attach talks over conn from now on.
func (c *client) attach(conn net.Conn) {
	c.conn = conn
	c.limit = &io.LimitedReader{R: conn}
	c.r = bufio.NewReader(c.limit)
	c.w = bufio.NewWriterSize(conn, 16<<10)
}

func (c *client) secure(ctx context.Context, check bool) error {
	conn := tls.Client(c.conn, &tls.Config{
		ServerName:         c.relay.target.host,
		RootCAs:            c.relay.opt.RootCAs,
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: !check,
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		return &handshakeError{err}
	}
	c.attach(conn)
	return nil
}

// hello says EHLO, and HELO to who does not know that.
func (c *client) hello() error {
	c.ext = make(map[string]string)
	lines, err := c.command(250, "EHLO "+c.relay.opt.Hostname)
	if e, ok := errors.AsType[*Error](err); ok && e.Code/100 == 5 {
		_, err = c.command(250, "HELO "+c.relay.opt.Hostname)
		return err
	}
	if err != nil {
		return err
	}
	for _, l := range lines[1:] {
		key, value, _ := strings.Cut(l, " ")
		c.ext[strings.ToUpper(key)] = value
	}
	return nil
}

// authenticate is RFC 4954 with PLAIN (RFC 4616) or LOGIN. parseURL has seen
// to it that a password does not go where it must not.
func (c *client) authenticate() error {
	t := c.relay.target
	if t.user == "" {
		return nil
	}
	encode := base64.StdEncoding.EncodeToString
	offered := strings.Fields(strings.ToUpper(c.ext["AUTH"]))
	has := func(m string) bool {
		for _, o := range offered {
			if o == m {
				return true
			}
		}
		return false
	}
	switch {
	case has("PLAIN"):
		_, err := c.command(235, "AUTH PLAIN "+encode([]byte("\x00"+t.user+"\x00"+t.password)))
		return err
	case has("LOGIN"):
		if _, err := c.command(334, "AUTH LOGIN"); err != nil {
			return err
		}
		if _, err := c.command(334, encode([]byte(t.user))); err != nil {
			return err
		}
		_, err := c.command(235, encode([]byte(t.password)))
		return err
	default:
		return errors.New("the relay offers neither AUTH PLAIN nor AUTH LOGIN")
	}
}

// send hands over one message. told reports whether the relay may have got
// all of it: then it must not be sent again at once.
func (c *client) send(ctx context.Context, from string, to []string, msg []byte) (told bool, err error) {
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	defer stop()

	commands, err := c.envelope(from, to, msg)
	if err != nil {
		return false, err
	}
	// With one recipient, a refusal of it is a refusal of DATA; so all three
	// commands go in one packet (RFC 2920, section 3.1).
	_, pipelining := c.ext["PIPELINING"]
	if pipelining && len(to) == 1 {
		commands = append(commands, "DATA")
	}
	if err := c.batch(commands, pipelining); err != nil {
		return false, err
	}
	if !pipelining || len(to) != 1 {
		if _, err := c.command(354, "DATA"); err != nil {
			return false, err
		}
	}
	c.conn.SetWriteDeadline(time.Now().Add(c.relay.opt.DataTimeout))
	if err := c.writeData(msg); err != nil {
		return false, err
	}
	_, err = c.read(250, c.relay.opt.DataTimeout)
	c.sent++
	return true, err
}

// envelope writes MAIL and RCPT for what the relay can do.
func (c *client) envelope(from string, to []string, msg []byte) ([]string, error) {
	mail := "MAIL FROM:<" + from + ">"
	if size, ok := c.ext["SIZE"]; ok {
		if limit, err := strconv.Atoi(size); err == nil && limit > 0 && len(msg) > limit {
			return nil, &Error{Permanent: true, Err: errors.New("the message is larger than the relay takes")}
		}
		mail += fmt.Sprintf(" SIZE=%d", len(msg))
	}
	if _, ok := c.ext["8BITMIME"]; ok && !isASCII(msg) {
		mail += " BODY=8BITMIME"
	}
	if !isASCII([]byte(from + strings.Join(to, ""))) {
		if _, ok := c.ext["SMTPUTF8"]; !ok {
			return nil, &Error{Permanent: true, Err: errors.New("the relay takes no such address: it has no SMTPUTF8")}
		}
		mail += " SMTPUTF8"
	}
	commands := []string{mail}
	for _, t := range to {
		commands = append(commands, "RCPT TO:<"+t+">")
	}
	return commands, nil
}

// batch runs commands, all in one packet when pipelining, and returns the
// first refusal. After a refusal in the middle all replies have been read.
func (c *client) batch(commands []string, pipelining bool) error {
	var first error
	data := false // the relay waits for a message
	if pipelining {
		c.conn.SetWriteDeadline(time.Now().Add(c.relay.opt.Timeout))
		for _, cmd := range commands {
			c.w.WriteString(cmd + "\r\n")
		}
		if err := c.w.Flush(); err != nil {
			return err
		}
	}
	for _, cmd := range commands {
		want := 250
		if cmd == "DATA" {
			want = 354
		}
		var err error
		if pipelining {
			_, err = c.read(want, c.relay.opt.Timeout)
		} else {
			_, err = c.command(want, cmd)
		}
		if _, ok := errors.AsType[*Error](err); err != nil && !ok {
			return err // the connection broke
		}
		if err != nil && first == nil {
			first = err
			if !pipelining {
				return first
			}
		}
		data = want == 354 && err == nil
	}
	if first != nil && data {
		c.conn.Close() // it would take anything for the message
	}
	return first
}

// writeData writes the message with its dots stuffed, and the end.
func (c *client) writeData(msg []byte) error {
	for len(msg) > 0 {
		line := msg
		if i := bytes.IndexByte(msg, '\n'); i >= 0 {
			line = msg[:i+1]
		}
		if line[0] == '.' {
			c.w.WriteByte('.')
		}
		if _, err := c.w.Write(line); err != nil {
			return err
		}
		msg = msg[len(line):]
	}
	c.w.WriteString(".\r\n")
	return c.w.Flush()
}

// command sends one line and reads the reply to it.
func (c *client) command(want int, line string) ([]string, error) {
	c.conn.SetWriteDeadline(time.Now().Add(c.relay.opt.Timeout))
	c.w.WriteString(line + "\r\n")
	if err := c.w.Flush(); err != nil {
		return nil, err
	}
	return c.read(want, c.relay.opt.Timeout)
}

// read reads one reply. Another code than the wanted one is an *Error.
func (c *client) read(want int, timeout time.Duration) ([]string, error) {
	c.conn.SetReadDeadline(time.Now().Add(timeout))
	c.limit.N = maxReply
	var lines []string
	code := 0
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			if c.limit.N <= 0 {
				err = errors.New("the relay's reply does not end")
			}
			return nil, err
		}
		line = strings.TrimRight(line, "\r\n")
		n, err := strconv.Atoi(line[:min(3, len(line))])
		if err != nil || n < 200 || n > 599 || len(lines) > 0 && n != code || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
			return nil, errors.New("the relay does not speak SMTP")
		}
		code = n
		lines = append(lines, strings.TrimSpace(line[min(4, len(line)):]))
		if len(line) < 4 || line[3] == ' ' {
			break
		}
		if len(lines) > 1000 {
			return nil, errors.New("the relay's reply does not end")
		}
	}
	if code == want || want == 250 && code == 251 {
		return lines, nil
	}
	return lines, replyError(code, lines)
}

// replyError reads a refusal. 530, 534, 535 and 538 are about the way we came
// (RFC 4954, section 6), 421 about the connection: all of these pass.
func replyError(code int, lines []string) *Error {
	e := &Error{Code: code, Text: cleanLine(strings.Join(lines, " "), 500)}
	e.Permanent = code/100 == 5 && code != 530 && code != 534 && code != 535 && code != 538
	first, _, _ := strings.Cut(lines[0], " ")
	if parts := strings.Split(first, "."); len(parts) == 3 && len(first) <= 9 {
		e.Enhanced = first
		for _, p := range parts {
			if _, err := strconv.ParseUint(p, 10, 10); err != nil {
				e.Enhanced = ""
			}
		}
	}
	return e
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
