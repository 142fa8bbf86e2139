package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/belfry-centre/belfry/internal/bench/corpus"
)

// letter is a mail with all that can be made ready before the clock starts.
type letter struct {
	command []byte // MAIL, RCPT and DATA, pipelined
	body    []byte // dot-stuffed, with the end of the message
}

// write makes n letters.
func write(w *corpus.Writer, n int) []letter {
	all := make([]letter, n)
	for i := range all {
		m := w.Next()
		body := bytes.ReplaceAll(m.Content, []byte("\r\n."), []byte("\r\n.."))
		all[i] = letter{
			command: fmt.Appendf(nil, "MAIL FROM:<%s> SIZE=%d BODY=8BITMIME\r\nRCPT TO:<%s>\r\nDATA\r\n", m.From, len(m.Content), corpus.Desk),
			body:    append(body, ".\r\n"...),
		}
	}
	return all
}

// Sending is what became of a round of sending.
type Sending struct {
	Sent    int           // how many got 250
	Took    time.Duration // from the first command to the last reply
	Replies Times         // from the end of DATA to its reply
}

// Rate is how many a second got 250.
func (s Sending) Rate() float64 { return rate(s.Sent, s.Took) }

func rate(n int, d time.Duration) float64 { return float64(n) / max(d.Seconds(), 1e-9) }

// Times are durations, shortest first.
type Times []time.Duration

// At returns the duration under which p percent lie.
func (t Times) At(p int) time.Duration {
	if len(t) == 0 {
		return 0
	}
	return t[min(len(t)*p/100, len(t)-1)]
}

func (t Times) sort() { slices.Sort(t) }

func (t Times) String() string {
	round := func(p int) time.Duration { return t.At(p).Round(10 * time.Microsecond) }
	return fmt.Sprintf("p50 %v, p95 %v, p99 %v", round(50), round(95), round(99))
}

// send hands the letters to the server at addr, over that many connections,
// each of which waits for the reply to one letter before it sends the next. It
// ends when the letters do, or, unless the limit is 0, after that long. A
// letter that is not taken is an error.
func send(ctx context.Context, addr string, letters []letter, connections int, limit time.Duration) (Sending, error) {
	var clients []*client
	defer func() {
		for _, c := range clients {
			c.conn.Close()
		}
	}()
	for range connections {
		c, err := dial(ctx, addr)
		if err != nil {
			return Sending{}, err
		}
		clients = append(clients, c)
	}
	var next atomic.Int64
	var mu sync.Mutex
	var done Sending
	group, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for _, c := range clients {
		group.Go(func() error {
			var mine Times
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				done.Replies = append(done.Replies, mine...)
			}()
			for ctx.Err() == nil && (limit == 0 || time.Since(began) < limit) {
				i := int(next.Add(1)) - 1
				if i >= len(letters) {
					break
				}
				took, err := c.send(letters[i])
				if err != nil {
					return err
				}
				mine = append(mine, took)
			}
			return ctx.Err()
		})
	}
	err := group.Wait()
	done.Took, done.Sent = time.Since(began), len(done.Replies)
	done.Replies.sort()
	return done, err
}

// client is one sender's connection. It is as lean as can be, for it runs on
// the machine that is measured.
type client struct {
	conn net.Conn
	r    *bufio.Reader
}

// replyPatience is how long a sender waits for a reply.
const replyPatience = 2 * time.Minute

func dial(ctx context.Context, addr string) (*client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, r: bufio.NewReader(conn)}
	err = c.expect("220")
	if err == nil {
		_, err = conn.Write([]byte("EHLO out.citizens.example\r\n"))
	}
	if err == nil {
		err = c.expect("250")
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return c, nil
}

// expect reads one reply, of however many lines.
func (c *client) expect(code string) error {
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return err
		}
		if len(line) < 4 || !strings.HasPrefix(line, code) {
			return fmt.Errorf("the server said %q where %s was expected", strings.TrimSpace(line), code)
		}
		if line[3] == ' ' {
			return nil
		}
	}
}

// send hands one letter over and returns how long the server took from the
// end of the message to its reply.
func (c *client) send(l letter) (time.Duration, error) {
	if err := c.conn.SetDeadline(time.Now().Add(replyPatience)); err != nil {
		return 0, err
	}
	if _, err := c.conn.Write(l.command); err != nil {
		return 0, err
	}
	for _, code := range []string{"250", "250", "354"} {
		if err := c.expect(code); err != nil {
			return 0, err
		}
	}
	if _, err := c.conn.Write(l.body); err != nil {
		return 0, err
	}
	end := time.Now()
	err := c.expect("250")
	return time.Since(end), err
}
