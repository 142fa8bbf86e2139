package mailout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Relay sends messages through one SMTP server over a pool of connections. It
// is safe for concurrent use.
type Relay struct {
	opt    Options
	target target
	signer *signer

	slots chan struct{} // one for each connection in use

	mu     sync.Mutex
	idle   []*client // the latest used last
	closed bool
}

// errClosed is the cause of a Send after Close.
var errClosed = errors.New("the relay is closed")

// checkAfter is how long a connection may lie before we ask whether it is
// still alive.
const checkAfter = 5 * time.Second

// New reads the URL and the key. It does not connect.
func New(opt Options) (*Relay, error) {
	t, err := parseURL(opt.URL)
	if err != nil {
		return nil, err
	}
	s, err := newSigner(opt.DKIM)
	if err != nil {
		return nil, err
	}
	opt.URL = "" // it may hold a password
	if opt.Connections <= 0 {
		opt.Connections = 4
	}
	if opt.Hostname == "" {
		opt.Hostname = "localhost"
	}
	if opt.Hostname != cleanLine(opt.Hostname, 255) || !plain(opt.Hostname) {
		return nil, errors.New("mailout: the host name cannot stand in EHLO")
	}
	if opt.Timeout <= 0 {
		opt.Timeout = time.Minute
	}
	if opt.DataTimeout <= 0 {
		opt.DataTimeout = 10 * time.Minute
	}
	if opt.IdleTimeout <= 0 {
		opt.IdleTimeout = 30 * time.Second
	}
	if opt.Messages <= 0 {
		opt.Messages = 100
	}
	if opt.MaxBytes <= 0 {
		opt.MaxBytes = 25 << 20
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	return &Relay{opt: opt, target: t, signer: s, slots: make(chan struct{}, opt.Connections)}, nil
}

// String names the relay without user and password.
func (r *Relay) String() string { return r.target.String() }

// Send signs the message and hands it to the relay for all recipients or, when
// it refuses one, for none. from may be empty: the null sender of an automatic
// answer (RFC 3834, section 3.3). It waits for a free connection as long as
// ctx lasts. The error is an *Error.
//
// When the connection breaks after the message and before the reply, the
// relay may have it: the error is temporary, and trying again may send it twice,
// with the same Message-ID.
func (r *Relay) Send(ctx context.Context, from string, to []string, msg []byte) error {
	err := r.send(ctx, from, to, msg)
	if err == nil {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Err: err}
	}
	if cause := context.Cause(ctx); cause != nil && e.Code == 0 && !e.Permanent {
		e.Err = cause // and not that the connection was closed for it
	}
	r.opt.Log.Warn("smtp: message not sent", "relay", r.String(), "permanent", e.Permanent, "code", e.Code, "enhanced", e.Enhanced, "error", e)
	return e
}

func (r *Relay) send(ctx context.Context, from string, to []string, msg []byte) error {
	permanent := func(format string, args ...any) error {
		return &Error{Permanent: true, Err: fmt.Errorf(format, args...)}
	}
	if len(to) == 0 {
		return permanent("there is no recipient")
	}
	if from != "" {
		if err := checkAddress(from); err != nil {
			return permanent("sender: %w", err)
		}
	}
	for _, t := range to {
		if err := checkAddress(t); err != nil {
			return permanent("recipient: %w", err)
		}
	}
	if len(msg) > r.opt.MaxBytes {
		return permanent("the message has %d bytes; %d are allowed", len(msg), r.opt.MaxBytes)
	}
	msg, err := r.signer.sign(normalise(msg))
	if err != nil {
		return permanent("cannot sign: %w", err)
	}

	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-r.slots }()
	for {
		c, err := r.take(ctx)
		if err != nil {
			return err
		}
		used := c.sent > 0
		told, err := c.send(ctx, from, to, msg)
		r.put(c, err)
		// A connection that the relay had given up meanwhile says nothing
		// about the message: try the next, in the end a fresh one.
		if err != nil && used && !told && stale(err) && ctx.Err() == nil {
			continue
		}
		return err
	}
}

// stale reports whether an error only tells that the connection is over.
func stale(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return !ok || e.Code == 421
}

// take returns an idle connection that still lives, or a new one.
func (r *Relay) take(ctx context.Context) (*client, error) {
	for {
		r.mu.Lock()
		if r.closed {
			r.mu.Unlock()
			return nil, errClosed
		}
		if len(r.idle) == 0 {
			r.mu.Unlock()
			return r.dial(ctx)
		}
		c := r.idle[len(r.idle)-1]
		r.idle = r.idle[:len(r.idle)-1]
		r.mu.Unlock()
		c.timer.Stop()
		if time.Since(c.since) < checkAfter {
			return c, nil
		}
		if _, err := c.command(250, "RSET"); err == nil {
			return c, nil
		}
		c.conn.Close()
	}
}

// put gives a connection back, or closes it when it is of no more use. After
// a refusal it is reset first.
func (r *Relay) put(c *client, err error) {
	if err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Code == 421 || e.Code == 0 {
			c.conn.Close()
			return
		}
		if _, err := c.command(250, "RSET"); err != nil {
			c.conn.Close()
			return
		}
	}
	r.mu.Lock()
	if r.closed || c.sent >= r.opt.Messages {
		r.mu.Unlock()
		c.quit()
		return
	}
	c.since = time.Now()
	c.timer = time.AfterFunc(r.opt.IdleTimeout, func() { r.expire(c) })
	r.idle = append(r.idle, c)
	r.mu.Unlock()
}

// expire closes a connection that nobody took in time.
func (r *Relay) expire(c *client) {
	r.mu.Lock()
	found := false
	for i := range r.idle {
		if r.idle[i] == c {
			r.idle = append(r.idle[:i], r.idle[i+1:]...)
			found = true
			break
		}
	}
	r.mu.Unlock()
	if found {
		c.quit()
	}
}

// quit says good-bye, and does not wait long for the same.
func (c *client) quit() {
	c.conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := c.w.WriteString("QUIT\r\n"); err == nil && c.w.Flush() == nil {
		c.limit.N = maxReply
		c.r.ReadString('\n')
	}
	c.conn.Close()
}

// Close waits for the messages under way and closes the connections. No Send
// works afterwards.
func (r *Relay) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	idle := r.idle
	r.idle = nil
	r.mu.Unlock()
	for _, c := range idle {
		c.timer.Stop()
		c.quit()
	}
	for range cap(r.slots) { // each one that is free is a message that ended
		r.slots <- struct{}{}
	}
	for range cap(r.slots) { // who still waits for one learns that it is over
		<-r.slots
	}
	return nil
}
