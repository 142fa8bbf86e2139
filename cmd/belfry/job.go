package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/database"
)

type jobCmd struct {
	Dead  jobDeadCmd  `cmd:"" help:"List the jobs that were given up, with their errors."`
	Rerun jobRerunCmd `cmd:"" help:"Run a job again that was given up."`
}

type jobDeadCmd struct {
	storeFlags
	Limit int `help:"How many, the oldest first." default:"100"`
}

func (c *jobDeadCmd) Run(ctx context.Context, s streams) (err error) {
	a, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer closing(ctx, a, &err)
	all, err := a.Parts().Jobs.DeadLetters(ctx, 0, c.Limit)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tKIND\tATTEMPTS\tGIVEN UP\tERROR")
	for _, d := range all {
		fmt.Fprintf(w, "%v\t%s\t%d\t%s\t%q\n", d.ID, d.Kind, d.Attempt, d.DiedAt.Format(time.DateTime), d.Error)
	}
	return w.Flush()
}

type jobRerunCmd struct {
	storeFlags
	ID []string `arg:"" help:"Ids, see \"belfry job dead\"."`
}

func (c *jobRerunCmd) Run(ctx context.Context, s streams) (err error) {
	a, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer closing(ctx, a, &err)
	for _, text := range c.ID {
		id, err := database.ParseID(text)
		if err == nil {
			err = a.Parts().Jobs.Rerun(ctx, id)
		}
		if err != nil {
			return fmt.Errorf("job %s: %w", text, err)
		}
	}
	fmt.Fprintf(s.out, "%d back in their lanes; a running server takes them up within a second\n", len(c.ID))
	return nil
}
