package main

import (
	"context"
	"io"
	"log/slog"

	"github.com/belfry-centre/belfry/internal/demo"
)

type demoCmd struct {
	Exit    bool   `help:"End when the story is over; the exit code tells whether each step worked."`
	Data    string `help:"Folder in which it is kept; a new one if not given." type:"path" placeholder:"DIR"`
	HTTP    string `help:"Address of the pages." default:"127.0.0.1:0" placeholder:"ADDR"`
	SMTP    string `help:"Address on which mail comes in." default:"127.0.0.1:0" placeholder:"ADDR"`
	Verbose bool   `help:"Show the program's own log as well." short:"v"`
}

func (c *demoCmd) Run(ctx context.Context, s streams) error {
	log := io.Discard
	if c.Verbose {
		log = s.err
	}
	return demo.Run(ctx, demo.Options{
		Data: c.Data, Exit: c.Exit, HTTP: c.HTTP, SMTP: c.SMTP, Version: versionText(),
		Out: s.out, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
}
