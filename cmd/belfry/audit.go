package main

import "context"

type auditCmd struct{ storeFlags }

// Run prints the whole log, with all that somebody else needs to check it.
func (c *auditCmd) Run(ctx context.Context, s streams) (err error) {
	a, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer closing(ctx, a, &err)
	return a.Parts().Audit.Export(ctx, s.out)
}
