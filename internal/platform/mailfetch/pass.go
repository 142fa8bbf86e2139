package mailfetch

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
)

// memory is what is known of messages that lie in the folder for a reason. It
// is bounded: by a batch, and by Limits.Deferred.
type memory struct {
	validity uint32
	owed     map[imap.UID]string   // settled by Accept, and still to be moved: fateProcessed or fateFailed
	deferred map[imap.UID]deferral // Accept could not take it
}

type deferral struct {
	tries int
	due   time.Time
}

func (m *memory) forget(validity uint32) {
	*m = memory{validity: validity, owed: map[imap.UID]string{}, deferred: map[imap.UID]deferral{}}
}

// nextTry returns how long it is until the first deferred message is due.
func (m *memory) nextTry() time.Duration {
	wait := time.Duration(1<<63 - 1)
	for _, d := range m.deferred {
		wait = min(wait, time.Until(d.due))
	}
	return max(wait, 0)
}

// postpone lets a message wait for another try, longer each time.
func (w *Watcher) postpone(uid imap.UID) {
	d := w.deferred[uid]
	d.tries++
	d.due = time.Now().Add(w.pause(d.tries))
	w.deferred[uid] = d
	w.count.fate(fateDeferred, 1)
}

// item is what the server says of one message.
type item struct {
	uid     imap.UID
	size    int64
	date    time.Time
	deleted bool
}

const (
	window      = 50        // messages listed at a time
	rescanAfter = time.Hour // everything is looked at anew: a person may have unmarked or aged something
)

// errStalled is a pass that ended early because Accept takes nothing now.
var errStalled = errors.New("nothing can be accepted now")

// maxRestarts is how often a pass begins anew at a server whose numbers do not
// fit together.
const maxRestarts = 3

// pass takes everything that is to be taken, in the order of sequence numbers:
// so no answer is longer than a window, however many messages lie there.
// Numbers shift when messages go, and servers have told that wrongly; so each
// window begins with the last message that was seen, and after moving, the
// folder is selected again for a fresh count.
func (s *session) pass() error {
	select {
	case <-s.news:
	default:
	}
	if err := s.recall(); err != nil {
		return err
	}
	if time.Since(s.began) > rescanAfter {
		s.began = time.Now()
		s.restart()
	}
	full, old := false, 0
	defer func() {
		if old > 0 {
			s.w.count.fate(fateOld, old)
			s.w.log.Info("messages are too old to be taken and stay where they are", "messages", old)
		}
	}()
	for restarts := 0; s.w.closing.Err() == nil; {
		from, to := s.at(), s.exists()
		if from > to {
			if !s.moved {
				break
			}
			if err := s.choose(); err != nil {
				return err
			}
			switch n := s.exists() + 1; {
			case n == from:
				// All that is left lies there on purpose; moved is false now.
			case n < from:
				if restarts++; restarts > maxRestarts {
					return errors.New("the server does not know how many messages there are")
				}
				s.restart()
			}
			continue
		}
		if len(s.w.deferred) >= s.w.o.Limits.Deferred {
			full = true
			break
		}
		to = min(to, from+window-1)
		items, inStep, err := s.window(from, to)
		if err != nil {
			return err
		}
		if !inStep {
			if restarts++; restarts > maxRestarts {
				return errors.New("the server's numbers of messages do not fit together")
			}
			s.restart()
			continue
		}
		if len(items) == 0 {
			continue
		}
		items = slices.DeleteFunc(items, func(i item) bool {
			_, waits := s.w.deferred[i.uid]
			aged := s.w.o.MaxAge > 0 && !i.date.IsZero() && time.Since(i.date) > s.w.o.MaxAge
			if aged && !i.deleted {
				old++
			}
			return waits || aged || i.deleted
		})
		if err := s.take(items); err != nil {
			s.restart() // what was listed is not yet taken
			return err
		}
	}
	if err := s.again(); err != nil || !full {
		return err
	}
	return errStalled
}

// window lists the messages from one sequence number to another and goes on
// behind them. It is not in step when the message before them is one that has
// not been seen.
func (s *session) window(from, to uint32) (items []item, inStep bool, err error) {
	var seqs imap.SeqSet
	seqs.AddRange(max(from-1, 1), to)
	if items, err = s.list(seqs); err != nil {
		return nil, false, err
	}
	if from > 1 && len(items) > 0 && items[0].uid > s.high {
		return nil, false, nil
	}
	items = slices.DeleteFunc(items, func(i item) bool { return i.uid <= s.high })
	if len(items) > 0 {
		s.goTo(to + 1)
		s.high = items[len(items)-1].uid
		return items, true, nil
	}
	// Somebody else took them; the server has to say so.
	before := s.exists()
	if err := s.sync(); err != nil {
		return nil, false, err
	}
	return nil, s.exists() < before, nil
}

// recall moves what an earlier connection could not, as far as it is still
// there.
func (s *session) recall() error {
	for some := range slices.Chunk(slices.Sorted(maps.Keys(s.w.owed)), window) {
		there, err := s.list(imap.UIDSetNum(some...))
		if err != nil {
			return err
		}
		for _, uid := range some {
			if !slices.ContainsFunc(there, func(i item) bool { return i.uid == uid && !i.deleted }) {
				delete(s.w.owed, uid)
			}
		}
	}
	return s.settle()
}

// settle moves what Accept has settled.
func (s *session) settle() error {
	byFate := map[string][]imap.UID{}
	for uid, fate := range s.w.owed {
		byFate[fate] = append(byFate[fate], uid)
	}
	return errors.Join(s.move(byFate[fateProcessed], fateProcessed), s.move(byFate[fateFailed], fateFailed))
}

// again takes the deferred messages that are due, the longest waiting first.
func (s *session) again() error {
	var due []imap.UID
	for uid, d := range s.w.deferred {
		if time.Until(d.due) <= 0 {
			due = append(due, uid)
		}
	}
	slices.SortFunc(due, func(a, b imap.UID) int {
		return cmp.Or(s.w.deferred[a].due.Compare(s.w.deferred[b].due), cmp.Compare(a, b))
	})
	for some := range slices.Chunk(due, window) {
		items, err := s.list(imap.UIDSetNum(some...))
		if err != nil {
			return err
		}
		for _, uid := range some {
			i := slices.IndexFunc(items, func(i item) bool { return i.uid == uid })
			if i < 0 || items[i].deleted { // somebody else took it, or threw it away
				delete(s.w.deferred, uid)
			}
		}
		items = slices.DeleteFunc(items, func(i item) bool { return i.deleted })
		if err := s.take(items); err != nil {
			return err
		}
	}
	return nil
}

// list asks what the messages are. What is gone is left out.
func (s *session) list(which imap.NumSet) ([]item, error) {
	var items []item
	err := s.short("listing messages", func() error {
		cmd := s.client.Fetch(which, &imap.FetchOptions{UID: true, Flags: true, RFC822Size: true, InternalDate: true})
		for m := cmd.Next(); m != nil && len(items) <= window; m = cmd.Next() {
			b, err := m.Collect()
			if err != nil {
				return errors.Join(err, cmd.Close())
			}
			if b.UID != 0 {
				items = append(items, item{b.UID, b.RFC822Size, b.InternalDate, slices.Contains(b.Flags, imap.FlagDeleted)})
			}
		}
		return cmd.Close()
	})
	if no(err) { // some of them are gone (RFC 5530, EXPUNGEISSUED)
		err = nil
	}
	slices.SortFunc(items, func(a, b item) int { return cmp.Compare(a.uid, b.uid) })
	return items, err
}

// take fetches messages, hands them over in batches, and moves what was
// settled.
func (s *session) take(items []item) error {
	var batch []Fetched
	var bytes int64
	flush := func() error {
		if len(batch) == 0 || s.w.closing.Err() != nil {
			return nil
		}
		err := s.hand(batch)
		batch, bytes = nil, 0
		return err
	}
	for _, i := range items {
		if s.w.closing.Err() != nil {
			return nil
		}
		raw, err := s.fetch(i)
		switch {
		case errors.Is(err, errGone):
			delete(s.w.deferred, i.uid)
			continue
		case errors.Is(err, errUnreadable):
			s.w.log.Warn("the server does not give a message out", "uid", uint32(i.uid))
			s.w.postpone(i.uid)
			continue
		case errors.Is(err, errTooLarge):
			s.w.log.Warn("a message is too large", "uid", uint32(i.uid), "bytes", i.size)
			s.w.owed[i.uid] = fateFailed
			if err := s.move([]imap.UID{i.uid}, fateFailed); err != nil {
				return err
			}
			continue
		case err != nil:
			return errors.Join(flush(), err)
		}
		s.w.count.fate(fateFetched, 1)
		batch = append(batch, Fetched{
			Mailbox: s.w.o.Name, UIDValidity: s.validity, UID: uint32(i.uid), Raw: raw, InternalDate: i.date, Size: i.size,
		})
		bytes += int64(len(raw))
		if len(batch) >= s.w.o.Limits.Batch || bytes >= s.w.o.Limits.BatchBytes {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}
