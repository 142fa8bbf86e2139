package main

import (
	"fmt"

	"github.com/belfry-centre/belfry/internal/app"
	"github.com/belfry-centre/belfry/internal/platform/config"
)

type configCmd struct {
	Example configExampleCmd `cmd:"" help:"Print a configuration file to start from."`
	Check   configCheckCmd   `cmd:"" help:"Check the configuration and print what is in force, without secrets."`
}

type configExampleCmd struct{}

func (configExampleCmd) Run(s streams) error {
	text, err := config.Example(new(app.Settings))
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(s.out, text)
	return err
}

type configCheckCmd struct{ storeFlags }

func (c *configCheckCmd) Run(s streams) error {
	settings, err := c.settings(s, nil)
	if err != nil {
		return err
	}
	text, err := config.Print(&settings)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(s.out, text)
	return err
}
