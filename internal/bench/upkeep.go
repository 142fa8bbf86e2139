package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/belfry-centre/belfry/internal/bench/corpus"
	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/account"
)

// UpkeepOptions say how backup and purge are measured.
type UpkeepOptions struct {
	Place                 // the embedded database only
	Reports int           // old reports to fill in, and to purge
	Mails   int           // old mails with their raw bytes, besides
	Rate    int           // mails a second that come in during the backup
	Least   time.Duration // a backup that is over earlier is made again
	Seed    uint64
	Out     io.Writer
}

// Upkeep is what was measured.
type Upkeep struct {
	Backups    int
	BackedUp   time.Duration // all backups together
	Came       Sending       // what came in meanwhile
	LargestWAL int64         // bytes of all write-ahead logs together, at the most
	Before     int64         // bytes on the disk before the purge
	After      int64         // and after it
	Purged     int64         // reports
	Purging    time.Duration
}

// UpkeepTarget is what the write-ahead logs are to stay under during a backup.
const UpkeepTarget = 1 << 30

// old is how long ago the purged reports came: longer than any rule of
// retention keeps anything.
const old = 400 * 24 * time.Hour

// MeasureUpkeep fills a store with old reports, backs it up while new ones
// come in, and purges the old ones.
func MeasureUpkeep(ctx context.Context, o UpkeepOptions) (_ *Upkeep, err error) {
	if o.Database != "" || o.Reports < 1 || o.Rate < 1 {
		return nil, errors.New("wants the embedded database, a report to purge and a rate")
	}
	g, err := o.prepare(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.end(ctx)) }()
	u := &upkeep{o: o}
	if u.dir, _, err = g.room(ctx, "centre"); err != nil {
		return nil, err
	}
	if u.copies, _, err = g.room(ctx, "backups"); err != nil {
		return nil, err
	}
	if u.writer, err = corpus.New(o.Seed); err != nil {
		return nil, err
	}
	if err := u.past(ctx); err != nil {
		return nil, fmt.Errorf("filling: %w", err)
	}
	// The bulk lane rests, or retention would purge before we do.
	c, err := openCentre(ctx, opening{dir: u.dir, paused: []string{parts.LaneBulk}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.stop(ctx)) }()
	if err := u.backup(ctx, c); err != nil {
		return nil, fmt.Errorf("backing up: %w", err)
	}
	if err := u.purge(ctx, c); err != nil {
		return nil, fmt.Errorf("purging: %w", err)
	}
	return &u.result, nil
}

type upkeep struct {
	o           UpkeepOptions
	dir, copies string
	writer      *corpus.Writer
	result      Upkeep
}

// past fills the store as if it were long ago.
func (u *upkeep) past(ctx context.Context) (err error) {
	c, err := openCentre(ctx, opening{dir: u.dir, clock: ago(old)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop(ctx)) }()
	if u.o.Mails > 0 {
		if _, err := send(ctx, c.SMTP(), write(u.writer, u.o.Mails), min(u.o.Mails, 20), 0); err != nil {
			return err
		}
		if err := await(ctx, u.o.Mails, c.assessed); err != nil {
			return err
		}
	}
	began := time.Now()
	if err := c.Report().Fill(ctx, account.System("bench"), u.o.Reports, nil); err != nil {
		return err
	}
	fmt.Fprintf(u.o.Out, "%d old reports filled in %v, and %d mails with their bytes\n", u.o.Reports, time.Since(began).Round(time.Second), u.o.Mails)
	return nil
}

// backup copies everything, from a second opening of the store as "belfry
// backup" does it from a second process, while mails come in.
func (u *upkeep) backup(ctx context.Context, c *centre) (err error) {
	second, err := openCentre(ctx, opening{dir: u.dir, idle: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, second.stop(ctx)) }()
	stop, done := context.WithCancel(ctx)
	defer done()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		u.result.Came, err = u.trickle(stop, c.SMTP())
		return err
	})
	group.Go(func() error { return u.watch(stop) })
	group.Go(func() error {
		defer done()
		began := time.Now()
		for u.result.Backups == 0 || time.Since(began) < u.o.Least {
			if _, err := second.Backup(ctx, filepath.Join(u.copies, fmt.Sprint(u.result.Backups)), nil); err != nil {
				return err
			}
			u.result.Backups++
		}
		u.result.BackedUp = time.Since(began)
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	r := &u.result
	word := "reached"
	if r.LargestWAL >= UpkeepTarget {
		word = "MISSED"
	}
	fmt.Fprintf(u.o.Out, "%d backups in %v, %d mails came in meanwhile, %.0f a second, 250 after %v\n",
		r.Backups, r.BackedUp.Round(time.Millisecond), r.Came.Sent, r.Came.Rate(), r.Came.Replies)
	fmt.Fprintf(u.o.Out, "write-ahead logs, all together, at the most: %d MiB (target under %d MiB: %s)\n", r.LargestWAL>>20, UpkeepTarget>>20, word)
	return nil
}

// trickle sends mails at the rate until ctx ends.
func (u *upkeep) trickle(ctx context.Context, addr string) (Sending, error) {
	var all Sending
	began := time.Now()
	for ctx.Err() == nil {
		// A fifth of a second's mails at a time, from a few senders.
		letters := write(u.writer, max(u.o.Rate/5, 1))
		s, err := send(context.WithoutCancel(ctx), addr, letters, min(8, len(letters)), 0)
		if err != nil {
			return all, err
		}
		all.Sent += s.Sent
		all.Replies = append(all.Replies, s.Replies...)
		next := began.Add(time.Duration(all.Sent) * time.Second / time.Duration(u.o.Rate))
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(next)):
		}
	}
	all.Took = time.Since(began)
	all.Replies.sort()
	return all, nil
}

// watch remembers how large the write-ahead logs became.
func (u *upkeep) watch(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := sizeOf(u.dir, func(name string) bool { return strings.HasSuffix(name, "-wal") })
		if err != nil {
			return err
		}
		u.result.LargestWAL = max(u.result.LargestWAL, n)
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// purge removes everything old.
func (u *upkeep) purge(ctx context.Context, c *centre) error {
	// Logs are used again and bounded; what they hold is in the files by then.
	kept := func(name string) bool { return !strings.HasSuffix(name, "-wal") && !strings.HasSuffix(name, "-shm") }
	r := &u.result
	if err := c.Parts().DB.Checkpoint(ctx); err != nil {
		return err
	}
	var err error
	if r.Before, err = sizeOf(u.dir, kept); err != nil {
		return err
	}
	began := time.Now()
	p, err := c.Report().Purge(ctx, account.System("bench"), time.Now().Add(-old/2))
	if err != nil {
		return err
	}
	r.Purging, r.Purged = time.Since(began), p.Reports
	if r.After, err = sizeOf(u.dir, kept); err != nil {
		return err
	}
	fmt.Fprintf(u.o.Out, "%d reports purged in %v, %d months of raw bytes dropped: %d MiB on the disk before, %d MiB after\n",
		r.Purged, r.Purging.Round(time.Millisecond), p.Months, r.Before>>20, r.After>>20)
	return nil
}

// sizeOf adds up the files below dir that are wanted.
func sizeOf(dir string, wanted func(name string) bool) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !wanted(d.Name()) {
			return ignoreGone(err)
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return ignoreGone(err)
	})
	return total, err
}

// ignoreGone forgives that a file went while we looked.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
