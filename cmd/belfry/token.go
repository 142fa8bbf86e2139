package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/belfry-centre/belfry/internal/platform/account"
	"github.com/belfry-centre/belfry/internal/platform/database"
)

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a token and print it, once."`
	List   tokenListCmd   `cmd:"" help:"List the tokens."`
	Revoke tokenRevokeCmd `cmd:"" help:"End a token at once."`
}

type tokenCreateCmd struct {
	storeFlags
	Role  string `help:"What its holder may do: analyst, admin or intake." required:"" placeholder:"ROLE"`
	Label string `help:"What it is for, shown in lists." placeholder:"TEXT"`
	Days  int    `help:"Days for which it is valid; 0 is for ever." default:"365"`
}

func (c *tokenCreateCmd) Run(ctx context.Context, s streams) (err error) {
	a, err := c.begin(ctx, s)
	if err != nil {
		return err
	}
	defer closing(ctx, a, &err)
	n := account.NewToken{Role: account.Role(c.Role), Label: c.Label}
	if c.Days > 0 {
		n.Expires = a.Parts().DB.Now().Add(time.Duration(c.Days) * 24 * time.Hour)
	}
	secret, _, err := a.Parts().Accounts.Create(ctx, commandLine, n)
	if err != nil {
		return err
	}
	fmt.Fprintln(s.out, secret)
	return nil
}

// commandLine is who acts through a verb: whoever may read the data directory
// may do everything. The audit log names it.
var commandLine = account.System("command-line")

type tokenListCmd struct{ storeFlags }

func (c *tokenListCmd) Run(ctx context.Context, s streams) (err error) {
	a, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer closing(ctx, a, &err)
	all, err := a.Parts().Accounts.List(ctx, commandLine)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tROLE\tLABEL\tCREATED\tEXPIRES\tLAST USED\tREVOKED")
	for _, t := range all {
		fmt.Fprintf(w, "%v\t%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Role, t.Label, day(t.Created), day(t.Expires), day(t.Used), day(t.Revoked))
	}
	return w.Flush()
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.DateOnly)
}

type tokenRevokeCmd struct {
	storeFlags
	ID string `arg:"" help:"The token's id, see \"belfry token list\"."`
}

func (c *tokenRevokeCmd) Run(ctx context.Context, s streams) (err error) {
	id, err := database.ParseID(c.ID)
	if err != nil {
		return err
	}
	a, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer closing(ctx, a, &err)
	return a.Parts().Accounts.Revoke(ctx, commandLine, id)
}
