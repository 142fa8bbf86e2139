package mailfetch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// session is one connection to the mailbox, and where it stands in it.
type session struct {
	w      *Watcher
	wire   *wire
	client *imapclient.Client

	caps              imap.CapSet // once we are in
	validity          uint32      // UIDVALIDITY of the folder
	processed, failed string      // the folders' names on this server
	began             time.Time

	// What is before next, in the order of sequence numbers, has been seen and
	// lies there on purpose. high is the highest UID among it.
	mu    sync.Mutex
	next  uint32
	count uint32 // messages in the folder, as told last
	told  bool   // since the folder was selected
	high  imap.UID
	moved bool          // something since the folder was selected
	news  chan struct{} // the server told of messages
}

// tell notes how many messages there are. It never waits: the client library
// reads nothing meanwhile.
func (s *session) tell(count uint32) {
	s.mu.Lock()
	s.count, s.told = count, true
	s.mu.Unlock()
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// expunged keeps next in place when a message before it is gone.
func (s *session) expunged(seq uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seq < s.next {
		s.next--
	}
	if s.count > 0 {
		s.count--
	}
}

func (s *session) at() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

// restart lets everything be looked at anew.
func (s *session) restart() {
	s.high = 0
	s.goTo(1)
}

func (s *session) goTo(seq uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = seq
}

// exists returns how many messages are in the folder. The client library keeps
// that too, but sets it after it has told that the folder is selected.
func (s *session) exists() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

func (s *session) can(c imap.Cap) bool { return s.caps.Has(c) }

func (s *session) idles() bool { return s.can(imap.CapIdle) }

// short is ask for a short answer, until Stop.
func (s *session) short(what string, f func() error) error {
	return s.ask(s.w.closing, what, shortReply, s.w.o.Limits.Patience, f)
}

// finish is ask for what must be done also while we stop: moving what was
// accepted.
func (s *session) finish(what string, f func() error) error {
	return s.ask(s.w.killed, what, shortReply, s.w.o.Limits.Patience, f)
}

// close says goodbye where that is possible within a second, and ends the
// connection.
func (s *session) close() {
	if s.client != nil && s.client.State() != imap.ConnStateLogout {
		_ = s.ask(context.Background(), "goodbye", shortReply, time.Second, func() error { return s.client.Logout().Wait() })
	}
	s.wire.cut()
	if s.client != nil {
		_ = s.client.Close() // waits for its reader; its error is that of the cut
	}
}

// open finds or makes the folders and selects the one to watch.
func (s *session) open() (err error) {
	// The library's own list may still be the one from before the login.
	err = s.short("asking what the server can do", func() (err error) { s.caps, err = s.client.Capability().Wait(); return err })
	if err != nil {
		return err
	}
	prefix, delim, err := s.namespace()
	if err != nil {
		return err
	}
	if s.processed, err = s.folder(s.w.o.Processed, prefix, delim); err != nil {
		return err
	}
	if s.failed, err = s.folder(s.w.o.Failed, prefix, delim); err != nil {
		return err
	}
	s.began = time.Now()
	s.restart()
	return s.choose()
}

// choose selects the folder that is watched. Where it is another one under the
// same name, nothing that is remembered counts any more.
func (s *session) choose() error {
	s.mu.Lock()
	s.told = false
	s.mu.Unlock()
	err := s.short("selecting the folder", func() error {
		data, err := s.client.Select(s.w.o.Folder, nil).Wait()
		if err != nil {
			return err
		}
		s.validity = data.UIDValidity
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.told {
			s.count = data.NumMessages
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.moved = false
	if s.w.validity != s.validity {
		if s.w.validity != 0 {
			s.w.log.Warn("the mailbox has a new UIDVALIDITY: all its messages are new to us")
		}
		s.w.forget(s.validity)
		s.restart()
	}
	return nil
}

// namespace asks how names of folders of our own begin (RFC 2342).
func (s *session) namespace() (prefix string, delim rune, err error) {
	delim = '/'
	if !s.can(imap.CapNamespace) {
		return "", delim, nil
	}
	err = s.short("asking for the namespace", func() error {
		data, err := s.client.Namespace().Wait()
		if err == nil && len(data.Personal) > 0 {
			prefix = data.Personal[0].Prefix
			if d := data.Personal[0].Delim; d != 0 {
				delim = d
			}
		}
		return err
	})
	if no(err) || len(prefix) > 200 || strings.ContainsAny(prefix, "*%\x00\r\n") {
		return "", delim, nil
	}
	return prefix, delim, err
}

// folder returns the name of a folder on this server, and makes it where it is
// missing: as it is written, or under the prefix of our own folders. In a
// written name / stands for whatever the server puts between levels.
func (s *session) folder(name, prefix string, delim rune) (string, error) {
	names := []string{name}
	if full := strings.ReplaceAll(name, "/", string(delim)); prefix != "" && !strings.HasPrefix(full, prefix) {
		names = append(names, prefix+full)
	} else if full != name {
		names = []string{full}
	}
	for _, n := range names {
		if found, err := s.has(n); found || err != nil {
			return n, err
		}
	}
	n := names[len(names)-1]
	if err := s.short("creating a folder", func() error { return s.client.Create(n, nil).Wait() }); err != nil {
		// Another process may have been faster.
		if found, again := s.has(n); !found {
			return n, errors.Join(err, again)
		}
		return n, nil
	}
	s.w.log.Info("created a folder in the mailbox", "folder", n)
	// So that people see it in their programs; not every server wants that.
	if err := s.short("subscribing", func() error { return s.client.Subscribe(n).Wait() }); err != nil && !no(err) {
		return n, err
	}
	return n, nil
}

// has reports whether there is a folder into which messages can be put.
func (s *session) has(name string) (found bool, err error) {
	selectable := true
	err = s.short("looking for a folder", func() error {
		all, err := s.client.List("", name, nil).Collect()
		for _, l := range all {
			if l.Mailbox != name {
				continue
			}
			found = true
			for _, a := range l.Attrs {
				if a == imap.MailboxAttrNoSelect {
					selectable = false
				}
				if a == imap.MailboxAttrNonExistent {
					found = false
				}
			}
		}
		return err
	})
	if err == nil && found && !selectable {
		err = fmt.Errorf("the folder %q cannot hold messages on this server", name)
	}
	return found, err
}

// wait waits for new messages, or that long; it ends early on Stop. A stalled
// session does not listen for news: there is enough to do already.
func (s *session) wait(d time.Duration, stalled bool) error {
	// Whatever the server tells, it is not asked more often than this.
	s.w.rest(min(d, s.w.o.Limits.RetryMin/4))
	if s.w.closing.Err() != nil {
		return nil
	}
	news := s.news
	if stalled {
		news = nil
	}
	if !s.idles() || stalled {
		if err := s.sleep(d, news); err != nil || s.w.closing.Err() != nil {
			return err
		}
		return s.sync()
	}
	var idle *imapclient.IdleCommand
	if err := s.short("beginning to idle", func() (err error) { idle, err = s.client.Idle(); return err }); err != nil {
		return err
	}
	slept := s.sleep(d, news)
	return errors.Join(slept, s.finish("ending to idle", func() error {
		if err := idle.Close(); err != nil {
			return err
		}
		return idle.Wait()
	}))
}

// sleep waits for the time, for news, for Stop or for the connection's end.
func (s *session) sleep(d time.Duration, news <-chan struct{}) error {
	s.wire.allow(shortReply)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-news:
	case <-s.w.closing.Done():
	case <-s.client.Closed():
		return errors.New("the server ended the connection")
	}
	return nil
}

// sync lets the server tell what it has not told yet.
func (s *session) sync() error {
	return s.short("NOOP", func() error { return s.client.Noop().Wait() })
}
