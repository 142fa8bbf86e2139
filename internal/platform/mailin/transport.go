package mailin

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// errDraining ends a session that waits for a command when the server stops.
var errDraining = errors.New("mailin: the server is stopping")

// timedConn is a connection whose every read and write has a deadline of its
// own, and a last one for all. It lies below TLS.
type timedConn struct {
	net.Conn
	write time.Duration // for one write
	last  time.Time     // for everything

	mu       sync.Mutex
	read     time.Duration // for one read
	message  bool          // a message is under way: draining does not cut it
	draining bool
}

// expect says how long the next reads may each take, and whether they belong
// to a message.
func (c *timedConn) expect(read time.Duration, message bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read, c.message = read, message
}

// drain ends the waiting for commands, now and from now on.
func (c *timedConn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	if !c.message {
		c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
}

func (c *timedConn) stopping() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.draining
}

func (c *timedConn) Read(b []byte) (int, error) {
	c.mu.Lock()
	if c.draining && !c.message {
		c.mu.Unlock()
		return 0, errDraining
	}
	c.Conn.SetReadDeadline(c.deadline(c.read))
	c.mu.Unlock()
	return c.Conn.Read(b)
}

func (c *timedConn) Write(b []byte) (int, error) {
	c.Conn.SetWriteDeadline(c.deadline(c.write))
	return c.Conn.Write(b)
}

// deadline returns the end of a step of that length.
func (c *timedConn) deadline(step time.Duration) time.Time {
	t := time.Now().Add(step)
	if t.After(c.last) {
		return c.last
	}
	return t
}

// SetDeadline, SetReadDeadline and SetWriteDeadline do nothing: deadlines are
// this type's own business, and crypto/tls must not lift them.
func (c *timedConn) SetDeadline(time.Time) error      { return nil }
func (c *timedConn) SetReadDeadline(time.Time) error  { return nil }
func (c *timedConn) SetWriteDeadline(time.Time) error { return nil }

// certificate is a certificate in files that somebody renews.
type certificate struct {
	files TLS
	log   *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	seen    [2]stamp
	checked time.Time
}

// stamp tells one version of a file from another.
type stamp struct {
	modified time.Time
	size     int64
}

func newCertificate(files TLS, log *slog.Logger) (*certificate, error) {
	if files.Certificate == "" || files.Key == "" {
		return nil, errors.New("mailin: STARTTLS needs both a certificate file and a key file")
	}
	c := &certificate{files: files, log: log}
	if err := c.load(time.Now()); err != nil {
		return nil, err
	}
	return c, nil
}

// get is tls.Config's GetCertificate. It looks at the files at most once a
// second; when the new ones cannot be read it keeps the old certificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Sub(c.checked) >= time.Second {
		if err := c.load(now); err != nil {
			c.log.Error("smtp: cannot read the renewed certificate; the old one stays", "error", err)
		}
	}
	return c.current, nil
}

// load reads the files when they changed.
func (c *certificate) load(now time.Time) error {
	c.checked = now
	var seen [2]stamp
	for i, name := range []string{c.files.Certificate, c.files.Key} {
		info, err := os.Stat(name)
		if err != nil {
			return fmt.Errorf("mailin: certificate: %w", err)
		}
		seen[i] = stamp{info.ModTime(), info.Size()}
	}
	if c.current != nil && seen == c.seen {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.files.Certificate, c.files.Key)
	if err != nil {
		return fmt.Errorf("mailin: certificate: %w", err)
	}
	c.current, c.seen = &pair, seen
	return nil
}
