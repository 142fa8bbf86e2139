package app

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/platform/mailfile"
	"github.com/belfry-centre/belfry/internal/report"
	"github.com/belfry-centre/belfry/internal/report/submission"
)

// Imported counts what became of the messages of an import.
type Imported struct {
	New    int64 // taken in
	Before int64 // were here already: an earlier run of the same import
	Failed int64 // could not be read or taken; each was told
}

// importAtOnce is how many messages are being taken in at a time, so that they
// share commits.
const importAtOnce = 16

// Import takes in the messages in files, mailboxes and folders as reports of
// the channel import, to which nobody is answered. An import that was cut short
// is simply run again: within seven days what is here already is recognised.
// told hears of every message, one at a time; err is nil for one that is in.
func (a *App) Import(ctx context.Context, desk parts.Desk, paths []string, told func(path string, n Imported, err error)) (Imported, error) {
	var n Imported
	var mu sync.Mutex
	tell := func(f mailfile.File, counter *int64, err error) {
		mu.Lock()
		defer mu.Unlock()
		*counter++
		told(f.Path, n, err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(importAtOnce)
	err := mailfile.Each(ctx, paths, mailfile.Options{MaxBytes: int64(a.settings.Intake.MaxSize)}, func(f mailfile.File) error {
		if f.Err != nil {
			tell(f, &n.Failed, f.Err)
			return nil
		}
		group.Go(func() error {
			accepted, err := a.importOne(ctx, desk, f)
			switch {
			case err != nil && ctx.Err() != nil:
				return ctx.Err()
			case err != nil:
				tell(f, &n.Failed, err)
			case accepted.Duplicate:
				tell(f, &n.Before, nil)
			default:
				tell(f, &n.New, nil)
			}
			return nil
		})
		return nil
	})
	return n, errors.Join(group.Wait(), err)
}

// importOne takes one message in, and waits for a store that is busy.
func (a *App) importOne(ctx context.Context, desk parts.Desk, f mailfile.File) (report.Accepted, error) {
	s := report.Submission{Channel: report.Import, Content: f.Raw, Desk: desk}
	if f.Outlook {
		form := submission.Form{Files: []submission.File{{Name: "message.msg", Type: submission.TypeOutlook, Content: f.Raw}}}
		s.Content = form.Compose()
	}
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		accepted, err := a.report.Accept(ctx, s)
		if !fault.Is(err, fault.Busy) {
			return accepted, err
		}
		select {
		case <-ctx.Done():
			return accepted, ctx.Err()
		case <-time.After(wait):
		}
	}
}
