package mailin

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/fault"
)

// errHuge ends a session whose client goes on sending far beyond the limit.
var errHuge = errors.New("mailin: the message does not end")

// data is RFC 5321, section 4.1.1.4.
func (c *session) data(arg string) error {
	switch {
	case arg != "":
		return c.refuse(501, "5.5.4", "DATA takes no parameter")
	case !c.begun:
		return c.refuse(503, "5.5.1", "Name the sender first")
	case len(c.env.To) == 0:
		return c.refuse(554, "5.5.1", "No recipient was taken")
	}
	c.conn.expect(c.server.limits.DataTimeout, true)
	c.say(354, "Go ahead; end with CR LF . CR LF")
	if err := c.w.Flush(); err != nil {
		return err
	}

	b := body{server: c.server, from: network(c.ip), size: c.size}
	defer b.free()
	err := b.read(c.r)
	if errors.Is(err, errHuge) {
		c.server.metrics.message(552, 0)
		c.reply(552, "5.3.4", "The message is too large; closing")
		return errQuit
	}
	if err != nil {
		return err // the connection broke: there is nobody to tell
	}

	begin := time.Now()
	env := c.env
	c.reset()
	err = b.fault
	if err == nil {
		err = c.accept(env, b.bytes.Bytes())
	}
	took := time.Since(begin)
	if err == nil {
		c.messages++
		c.without = 0
		c.server.metrics.message(250, took)
		return c.reply(250, "2.0.0", "Accepted in session "+c.id)
	}
	code, enhanced := smtpCode(err)
	c.server.metrics.message(code, took)
	c.logRefusal(err, code)
	return c.reply(code, enhanced, fault.Message(err))
}

// accept hands the message over. A panic in there is an error of ours.
func (c *session) accept(env Envelope, data []byte) (err error) {
	defer func() {
		if v := recover(); v != nil {
			c.logPanic(v)
			err = errors.New("mailin: Accept panicked")
		}
	}()
	ctx, cancel := context.WithTimeout(c.server.ctx, c.server.limits.AcceptTimeout)
	defer cancel()
	return c.server.opt.Accept(ctx, env, data)
}

// logRefusal logs a message that was not taken. The cause stands there only
// when it is our own trouble: others may quote the message.
func (c *session) logRefusal(err error, code int) {
	kind := fault.KindOf(err)
	switch kind {
	case fault.Internal, fault.Busy:
		c.server.log.Error("smtp: message not taken", "session", c.id, "code", code, "kind", kind.String(), "error", err)
	default:
		c.server.log.Info("smtp: message refused", "session", c.id, "code", code, "kind", kind.String())
	}
}

// body is a message being read.
type body struct {
	server *Server
	from   netip.Prefix // the client
	size   int64        // declared
	bytes  bytes.Buffer
	held   int64 // counted in server.buffered
	fault  error // why it will be refused when it has ended
}

// read reads up to the end of the message: CR LF dot CR LF and nothing else
// (RFC 5321, sections 2.3.8 and 4.5.2). Dots are unstuffed only where a line
// began after CR LF; bare CR and LF are data. After a fault it goes on
// reading without keeping, so that the client gets to hear of it.
func (b *body) read(r *bufio.Reader) error {
	limits := b.server.limits
	begin := true // a line begins here
	cr := false   // the byte before was CR
	line := 0
	total := int64(0)
	for {
		part, err := r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if begin && part[0] == '.' {
			if string(part) == ".\r\n" {
				return nil
			}
			part = part[1:]
		}
		n := len(part)
		total += int64(n)
		if n > 0 {
			begin = part[n-1] == '\n' && (n > 1 && part[n-2] == '\r' || n == 1 && cr)
			cr = part[n-1] == '\r'
			line += n
		} else {
			begin, cr = false, false
		}
		if total > 4*limits.MessageBytes {
			return errHuge
		}
		switch {
		case b.fault != nil:
		case total > limits.MessageBytes:
			b.refuse(fault.Errorf(fault.TooLarge, "The message is larger than %d bytes.", limits.MessageBytes))
		case line > limits.LineBytes:
			b.refuse(fault.Errorf(fault.TooLarge, "The message has a line longer than %d bytes.", limits.LineBytes))
		default:
			b.keep(part)
		}
		if cr || n == 0 || part[n-1] != '\n' {
			continue
		}
		line = 0
	}
}

// keep adds to the message, within what all messages together may hold.
func (b *body) keep(part []byte) {
	if b.bytes.Available() < len(part) {
		// Grow at least doubles; a declared size is believed up to 1 MiB.
		grow := max(int64(len(part)), min(b.size+512-int64(b.bytes.Len()), 1<<20), 8<<10, int64(b.bytes.Cap()))
		if !b.server.hold(b.from, grow) {
			b.refuse(fault.New(fault.Busy, "Too many messages at once; please try again later."))
			return
		}
		b.held += grow
		b.bytes.Grow(int(grow))
	}
	b.bytes.Write(part)
}

// refuse forgets what was read and remembers why.
func (b *body) refuse(err error) {
	b.fault = err
	b.free()
	b.bytes = bytes.Buffer{}
}

// free gives back the share of the memory that messages may hold.
func (b *body) free() {
	b.server.release(b.from, b.held)
	b.held = 0
}
