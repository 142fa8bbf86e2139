package main

import (
	"context"
	"fmt"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/platform/fault"
	"github.com/belfry-centre/belfry/internal/report/keep"
)

type eraseCmd struct {
	storeFlags
	Address string `help:"The address of the person who reported." xor:"who" placeholder:"ADDRESS"`
	Report  string `help:"The id of one report of that person." xor:"who" placeholder:"ID"`
}

func (c *eraseCmd) Run(ctx context.Context, s streams) (err error) {
	who := keep.Person{Address: c.Address}
	if c.Report != "" {
		if who.Report, err = database.ParseID(c.Report); err != nil {
			return err
		}
	}
	if who == (keep.Person{}) {
		return fault.New(fault.Invalid, "Say whom: --address or --report.")
	}
	a, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer closing(ctx, a, &err)
	e, err := a.Report().Erase(ctx, commandLine, who)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%d reports lost who sent them: %d addresses, %d texts of the reporter, %d raw messages removed\n",
		e.Reports, e.Addresses, e.Words, e.Raw)
	for _, more := range []struct {
		n    int
		what string
	}{
		{e.Held, "reports are under legal hold and stay as they are"},
		{e.Shared, "raw messages stay, for other people sent the very same bytes"},
		{e.Later, "raw messages came within the hour; the next sweep takes them"},
	} {
		if more.n > 0 {
			fmt.Fprintf(s.out, "%d %s\n", more.n, more.what)
		}
	}
	return nil
}

type purgeCmd struct {
	storeFlags
	Days int  `help:"Remove reports that are older than this many days." required:"" placeholder:"N"`
	Yes  bool `help:"Do it; without this it only says what it would do."`
}

func (c *purgeCmd) Run(ctx context.Context, s streams) (err error) {
	if c.Days < 1 {
		return fault.New(fault.Invalid, "--days wants at least 1.")
	}
	a, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer closing(ctx, a, &err)
	before := a.Parts().DB.Now().Add(-time.Duration(c.Days) * 24 * time.Hour)
	if !c.Yes {
		fmt.Fprintf(s.out, "would remove all reports accepted before %s, but those under legal hold; repeat with --yes\n", before.Format(time.RFC3339))
		return nil
	}
	p, err := a.Report().Purge(ctx, commandLine, before)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%d reports removed, %d months of raw messages dropped, %d raw messages deleted\n", p.Reports, p.Months, p.Raw)
	return nil
}
