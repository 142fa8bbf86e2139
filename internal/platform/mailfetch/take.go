package mailfetch

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/belfry-centre/belfry/internal/platform/fault"
)

var (
	errGone       = errors.New("the message is gone")
	errTooLarge   = errors.New("the message is too large")
	errUnreadable = errors.New("the server does not give the message out")
)

// fetch reads one message whole, and leaves its flags as they are (PEEK).
func (s *session) fetch(i item) (raw []byte, err error) {
	limit := s.w.o.Limits.MessageBytes
	if i.size > limit {
		return nil, errTooLarge
	}
	what := func() (err error) {
		cmd := s.client.Fetch(imap.UIDSetNum(i.uid), &imap.FetchOptions{
			UID: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}},
		})
		if m := cmd.Next(); m != nil {
			raw, err = body(m, limit)
		}
		if err != nil {
			s.wire.cut() // rather than read the rest
		}
		if err != nil && !errors.Is(err, errTooLarge) {
			// Close reads what is left, and who decodes must not do so too.
			<-s.client.Closed()
		}
		return errors.Join(err, cmd.Close())
	}
	err = s.ask(s.w.closing, "fetching a message", limit+limit/8+replyRoom, s.w.o.Limits.Transfer, what)
	switch {
	case errors.Is(err, errTooLarge) || errors.Is(err, errTooMuch):
		// More than the server had said. The rest was not worth reading, so
		// this connection is over; the next one moves the message.
		s.w.owed[i.uid] = fateFailed
		return nil, errors.New("the server understates the size of a message")
	case no(err) || err == nil && len(raw) == 0:
		there, broken := s.list(imap.UIDSetNum(i.uid))
		switch {
		case broken != nil:
			return nil, broken
		case len(there) == 0:
			return nil, errGone
		case err != nil || max(i.size, there[0].size) > 0:
			return nil, errUnreadable
		}
		return nil, nil // it is empty indeed
	}
	return raw, err
}

// body reads the one literal of an answer. A connection that ends early ends a
// literal early, and looks like the end of a shorter one: only the announced
// length is a message.
func body(m *imapclient.FetchMessageData, limit int64) ([]byte, error) {
	for data := m.Next(); data != nil; data = m.Next() {
		section, ok := data.(imapclient.FetchItemDataBodySection)
		if !ok || section.Literal == nil {
			continue
		}
		size := section.Literal.Size()
		if size < 0 || size > limit {
			return nil, errTooLarge
		}
		raw := make([]byte, size)
		if _, err := io.ReadFull(section.Literal, raw); err != nil {
			return nil, fmt.Errorf("the message ends early: %w", err)
		}
		return raw, nil
	}
	return nil, nil
}

// hand gives a batch to Accept, all at once so that they may share a commit,
// and moves what was settled. It is not hurried by Stop.
func (s *session) hand(batch []Fetched) error {
	results := make([]error, len(batch))
	var all sync.WaitGroup
	for i, f := range batch {
		all.Go(func() { results[i] = s.w.o.Accept(s.w.killed, f) })
	}
	all.Wait()
	var waiting []error
	for i, err := range results {
		uid := imap.UID(batch[i].UID)
		switch {
		case err == nil:
			s.w.owed[uid] = fateProcessed
		case forGood(err):
			s.w.log.Warn("a message was refused for good", "uid", batch[i].UID, "kind", fault.KindOf(err).String(), "error", err)
			s.w.owed[uid] = fateFailed
		case s.w.killed.Err() != nil:
			continue // it is offered again after the next start
		default:
			s.w.postpone(uid)
			waiting = append(waiting, err)
			continue
		}
		delete(s.w.deferred, uid)
	}
	if len(waiting) > 0 {
		s.w.log.Warn("messages could not be accepted now", "messages", len(waiting), "first_error", waiting[0])
	}
	if err := s.settle(); err != nil {
		return err
	}
	if len(waiting) == len(batch) {
		return errStalled // rather than fetch what cannot be accepted either
	}
	return nil
}

// forGood reports whether another try would fail too.
func forGood(err error) bool {
	return slices.Contains([]fault.Kind{fault.Invalid, fault.TooLarge, fault.Unsupported, fault.Conflict}, fault.KindOf(err))
}

// move moves messages to the folder of their fate. One that is gone is moved:
// somebody else did it.
func (s *session) move(uids []imap.UID, fate string) error {
	slices.Sort(uids)
	folder := s.processed
	if fate == fateFailed {
		folder = s.failed
	}
	for some := range slices.Chunk(uids, window) {
		left := some
		var err error
		for range 2 { // a server may refuse all for one that is gone
			if err = s.moveSet(imap.UIDSetNum(left...), folder); !no(err) {
				break
			}
			there, gone := s.list(imap.UIDSetNum(left...))
			if gone != nil {
				return gone
			}
			left = nil
			for _, i := range there {
				if !i.deleted {
					left = append(left, i.uid)
				}
			}
			if len(left) == 0 {
				err = nil
				break
			}
		}
		if err != nil {
			return err
		}
		for _, uid := range some {
			delete(s.w.owed, uid)
		}
		s.w.count.fate(fate, len(some))
	}
	return nil
}

func (s *session) moveSet(set imap.UIDSet, folder string) error {
	s.moved = true
	if s.can(imap.CapMove) {
		return s.finish("moving messages", func() error {
			_, err := s.client.Move(set, folder).Wait()
			return err
		})
	}
	// One after the other: what could not be copied must not be marked.
	if err := s.finish("copying messages", func() error { _, err := s.client.Copy(set, folder).Wait(); return err }); err != nil {
		return err
	}
	err := s.finish("marking messages as deleted", func() error {
		return s.client.Store(set, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close()
	})
	if err != nil || !s.can(imap.CapUIDPlus) {
		return err
	}
	return s.finish("expunging messages", func() error {
		gone, err := s.client.UIDExpunge(set).Collect()
		for _, seq := range gone {
			s.expunged(seq)
		}
		return err
	})
}
