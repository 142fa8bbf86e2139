package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/belfry-centre/belfry/internal/app"
	"github.com/belfry-centre/belfry/internal/platform/fault"
)

type importCmd struct {
	storeFlags
	Desk  string   `help:"Desk address that the reports are for; the first one if not given." placeholder:"ADDRESS"`
	Paths []string `arg:"" name:"path" help:"Files (.eml, .msg, mbox) and folders of them."`
}

func (c *importCmd) Run(ctx context.Context, s streams) (err error) {
	a, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer closing(ctx, a, &err)
	desk := a.Parts().Centre.Desks[0]
	if c.Desk != "" {
		ours := false
		if desk, ours = a.Parts().Centre.Desk(c.Desk); !ours {
			return fault.Errorf(fault.Invalid, "%s is not a desk of this centre.", c.Desk)
		}
	}
	bar := progressLine{w: s.err, began: time.Now()}
	n, err := a.Import(ctx, desk, c.Paths, func(path string, n app.Imported, err error) {
		if err != nil {
			bar.interrupt("%s: %s", path, fault.Message(err))
		}
		bar.show(n)
	})
	bar.end()
	if err != nil {
		return fmt.Errorf("%w (run it again to go on: what is in is recognised)", err)
	}
	fmt.Fprintf(s.out, "%d imported, %d were here already, %d failed\n", n.New, n.Before, n.Failed)
	if n.Failed > 0 {
		err = exitError(fault.Internal.ExitCode())
	}
	return err
}

// progressLine is a line that is rewritten in place.
type progressLine struct {
	w            io.Writer
	began, shown time.Time
}

func (b *progressLine) show(n app.Imported) {
	if time.Since(b.shown) < 200*time.Millisecond {
		return
	}
	b.shown = time.Now()
	done := n.New + n.Before + n.Failed
	rate := float64(done) / max(time.Since(b.began).Seconds(), 0.001)
	fmt.Fprintf(b.w, "\r\x1b[K%d read, %d new, %d were here, %d failed, %.0f a second", done, n.New, n.Before, n.Failed, rate)
}

// interrupt prints a line of its own.
func (b *progressLine) interrupt(format string, args ...any) {
	fmt.Fprintf(b.w, "\r\x1b[K"+format+"\n", args...)
}

func (b *progressLine) end() { fmt.Fprint(b.w, "\r\x1b[K") }
