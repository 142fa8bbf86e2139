package mailfetch

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/config"
)

// Options describe one mailbox and what becomes of its messages.
type Options struct {
	// Server is imaps://host[:993], TLS from the first byte, or
	// imap://host[:143], which is upgraded by STARTTLS before anything is
	// said. To this very machine imap:// stays unprotected; ?tls=required and
	// ?tls=none say it outright, and none is refused for any other machine.
	Server string
	Roots  *x509.CertPool // who may sign the server's certificate; nil is the system's list
	Login  Login

	// Name names the mailbox in Fetched, logs and metrics; empty is
	// user@host/folder. It has to be the same in every process that watches it.
	Name      string
	Folder    string // empty is INBOX
	Processed string // created when missing; empty is Processed
	Failed    string // created when missing; empty is Failed

	Poll   time.Duration // how often the folder is looked at in any case; 0 is a minute
	MaxAge time.Duration // messages that are in the mailbox for longer are left alone; 0 takes all
	Limits Limits

	// Accept makes a message its own; only when it returned nil, the message
	// is moved. It is called by several goroutines at a time, and ends soon
	// after its context does.
	Accept func(context.Context, Fetched) error

	Metrics *Metrics // nil counts nothing
	Log     *slog.Logger
}

// Login says who we are to the server: with a password, or with a token.
type Login struct {
	User     string
	Password config.Secret
	OAuth    *OAuth // XOAUTH2 with its tokens, in place of Password
}

// Limits bound what a mailbox may cost. Zero fields take the default.
type Limits struct {
	MessageBytes int64         // a bigger message goes to Failed unread; 25 MiB
	BatchBytes   int64         // messages are handed on when they come to this together; 8 MiB
	Batch        int           // messages at a time; 16
	Deferred     int           // messages that wait for another try before no new one is taken; 1000
	Patience     time.Duration // for one short answer of the server; a minute
	Transfer     time.Duration // for one message; five minutes
	RetryMin     time.Duration // the first wait after a failure; a second
	RetryMax     time.Duration // the longest; five minutes
}

// Fetched is one message as it lies in the mailbox. Mailbox, UIDValidity and
// UID name it for ever (RFC 9051, section 2.3.1.1).
type Fetched struct {
	Mailbox      string
	UIDValidity  uint32
	UID          uint32
	Raw          []byte    // not kept by the Watcher once Accept returned
	InternalDate time.Time // when it came into the mailbox, if the server tells the truth
	Size         int64     // as the server says; len(Raw) is what it is
}

// Watcher watches one mailbox. It is made by New, started and stopped once.
type Watcher struct {
	o      Options
	at     target
	tokens *tokens
	log    *slog.Logger
	count  counters

	// closing ends when Stop is called: nothing more is begun. killed ends
	// when its patience does: what was begun is left.
	closing, killed context.Context
	close, kill     context.CancelFunc
	done            chan struct{}

	memory // of the folder, from one connection to the next

	mu     sync.Mutex
	status Status
}

// Status says how a mailbox does.
type Status struct {
	Connected   bool
	LastSuccess time.Time // when all that was there had last been looked at; zero: never
	Failures    int       // connections in a row that failed
	Deferred    int       // messages that Accept could not take yet
}

// New checks the options. Nothing is connected before Start.
func New(o Options) (*Watcher, error) {
	at, err := parseServer(o.Server)
	if err != nil {
		return nil, err
	}
	if o.Accept == nil {
		return nil, errors.New("mailfetch: no Accept")
	}
	if o.Login.User == "" || strings.ContainsAny(o.Login.User, "\x00\x01\r\n") {
		return nil, errors.New("mailfetch: the mailbox needs a user")
	}
	o.Folder, o.Processed, o.Failed = or(o.Folder, "INBOX"), or(o.Processed, "Processed"), or(o.Failed, "Failed")
	if err := CheckFolders(o.Folder, o.Processed, o.Failed); err != nil {
		return nil, err
	}
	o.Name = or(o.Name, o.Login.User+"@"+at.host+"/"+o.Folder)
	o.Poll = min(or(o.Poll, time.Minute), 20*time.Minute) // servers hang up after 30 (RFC 9051, section 5.4)
	l := &o.Limits
	l.MessageBytes, l.BatchBytes = or(l.MessageBytes, 25<<20), or(l.BatchBytes, 8<<20)
	l.Batch, l.Deferred = or(l.Batch, 16), or(l.Deferred, 1000)
	l.Patience, l.Transfer = or(l.Patience, time.Minute), or(l.Transfer, 5*time.Minute)
	l.RetryMin, l.RetryMax = or(l.RetryMin, time.Second), or(l.RetryMax, 5*time.Minute)
	w := &Watcher{o: o, at: at, log: o.Log, done: make(chan struct{})}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	w.log = w.log.With("mailbox", o.Name)
	if o.Login.OAuth != nil {
		if w.tokens, err = newTokens(*o.Login.OAuth); err != nil {
			return nil, err
		}
	} else if o.Login.Password.IsZero() {
		return nil, errors.New("mailfetch: the mailbox needs a password, or the settings of its tokens")
	}
	w.count = o.Metrics.of(o.Name)
	w.forget(0)
	w.closing, w.close = context.WithCancel(context.Background())
	w.killed, w.kill = context.WithCancel(context.Background())
	return w, nil
}

// CheckFolders checks the names of the three folders.
func CheckFolders(folder, processed, failed string) error {
	for _, name := range []string{folder, processed, failed} {
		if name == "" || len(name) > 200 || strings.ContainsAny(name, "*%\x00\r\n") {
			return errors.New("mailfetch: a folder's name has 1 to 200 characters, and neither * nor %")
		}
	}
	if strings.EqualFold(folder, processed) || strings.EqualFold(folder, failed) || strings.EqualFold(processed, failed) {
		return errors.New("mailfetch: the folder, the one of processed and the one of failed messages must be three")
	}
	return nil
}

func or[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

// Start begins to watch. It returns at once: a server that cannot be reached
// is tried again and again.
func (w *Watcher) Start() { go w.run() }

// stopGrace is how long Stop lets the batch that is being accepted be moved
// too. What is not is offered again after the next start.
const stopGrace = 5 * time.Second

// Stop ends the watching: nothing more is fetched, and what was accepted is
// moved, within five seconds or until ctx ends.
func (w *Watcher) Stop(ctx context.Context) error {
	w.close()
	defer w.kill()
	timer := time.NewTimer(stopGrace)
	defer timer.Stop()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
	case <-timer.C:
	}
	w.kill()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("mailfetch: Accept has not returned: %w", ctx.Err())
	}
}

// Status returns how it goes.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

func (w *Watcher) update(f func(*Status)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.status)
	w.count.show(w.status)
}

// run connects again and again until Stop.
func (w *Watcher) run() {
	defer close(w.done)
	for w.closing.Err() == nil {
		err := w.session()
		w.update(func(s *Status) { s.Connected = false })
		if w.closing.Err() != nil {
			return
		}
		var failures int
		w.update(func(s *Status) { s.Failures++; failures = s.Failures })
		w.count.failures.Inc()
		wait := w.pause(failures)
		if errors.Is(err, errLogin) {
			wait = max(wait, min(30*w.o.Limits.RetryMin, w.o.Limits.RetryMax)) // servers lock out who insists
		}
		w.log.Warn("the mailbox cannot be watched now", "error", clean(err.Error()), "failures", failures, "again_in", wait.Round(time.Millisecond))
		w.rest(wait)
	}
}

// pause returns how long to wait after so many failures: twice as long each
// time, up to RetryMax, and not in step with others.
func (w *Watcher) pause(failures int) time.Duration {
	d := w.o.Limits.RetryMin << min(max(failures-1, 0), 20)
	if d > w.o.Limits.RetryMax || d <= 0 {
		d = w.o.Limits.RetryMax
	}
	return d/2 + rand.N(d/2+1)
}

// rest waits, or until Stop.
func (w *Watcher) rest(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.closing.Done():
	}
}

// session is one connection: it connects, and takes what is there and what
// comes until the connection ends. The error is never nil, but for Stop.
func (w *Watcher) session() (err error) {
	defer func() {
		if p := recover(); p != nil {
			w.log.Error("watching a mailbox panicked", "panic", p, "stack", string(debug.Stack()))
			err = errors.New("it panicked")
		}
	}()
	s, err := w.connect()
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.open(); err != nil {
		return err
	}
	w.update(func(st *Status) { st.Connected = true })
	w.log.Info("watching a mailbox", "messages", s.exists(), "idle", s.idles())
	stalls := 0
	for w.closing.Err() == nil {
		wait := w.o.Poll
		err := s.pass()
		switch {
		case errors.Is(err, errStalled):
			stalls++
			wait = w.pause(stalls)
		case err != nil:
			return err
		default:
			stalls = 0
			w.update(func(st *Status) { st.LastSuccess, st.Failures = time.Now(), 0 })
		}
		w.update(func(st *Status) { st.Deferred = len(w.deferred) })
		if err := s.wait(min(wait, w.nextTry()), stalls > 0); err != nil {
			return err
		}
	}
	return nil
}
