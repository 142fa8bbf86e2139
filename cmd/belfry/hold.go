package main

import (
	"context"
	"fmt"

	"github.com/belfry-centre/belfry/internal/platform/database"
)

type holdCmd struct {
	storeFlags
	Release bool     `help:"Let them go again."`
	ID      []string `arg:"" help:"Ids of reports." placeholder:"ID"`
}

func (c *holdCmd) Run(ctx context.Context, s streams) (err error) {
	var ids []database.ID
	for _, text := range c.ID {
		id, err := database.ParseID(text)
		if err != nil {
			return fmt.Errorf("report %s: %w", text, err)
		}
		ids = append(ids, id)
	}
	a, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer closing(ctx, a, &err)
	for _, id := range ids {
		if err := a.Report().Hold(ctx, commandLine, id, !c.Release); err != nil {
			return fmt.Errorf("report %v: %w", id, err)
		}
	}
	if c.Release {
		fmt.Fprintf(s.out, "%d let go; retention goes back for them\n", len(ids))
	} else {
		fmt.Fprintf(s.out, "%d under legal hold: retention, purges and erasures pass them by\n", len(ids))
	}
	return nil
}

type reassessCmd struct{ storeFlags }

func (c *reassessCmd) Run(ctx context.Context, s streams) (err error) {
	a, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer closing(ctx, a, &err)
	if err := a.Report().ReassessOpen(ctx, commandLine); err != nil {
		return err
	}
	fmt.Fprintln(s.out, "reports that wait for a person, or failed, are assessed again by a running server; what was answered stays as it is")
	return nil
}
