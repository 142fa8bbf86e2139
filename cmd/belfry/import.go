package main

import (
	"context"
	"fmt"
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
	a, err := c.begin(ctx, s)
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
	bar := newProgressLine(s.err)
	n, err := a.Import(ctx, desk, c.Paths, func(path string, n app.Imported, err error) {
		if err != nil {
			bar.interrupt("%s: %s", path, fault.Message(err))
		}
		bar.show(func() string { return importText(n, bar.began) })
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

// importText says how far an import is.
func importText(n app.Imported, began time.Time) string {
	done := n.New + n.Before + n.Failed
	rate := float64(done) / max(time.Since(began).Seconds(), 0.001)
	return fmt.Sprintf("%d read, %d new, %d were here, %d failed, %.0f a second", done, n.New, n.Before, n.Failed, rate)
}
