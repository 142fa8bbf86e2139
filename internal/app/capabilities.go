package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/belfry-centre/belfry/internal/analysis/verdict"
	"github.com/belfry-centre/belfry/internal/answer"
	"github.com/belfry-centre/belfry/internal/parts"
	"github.com/belfry-centre/belfry/internal/platform/database"
	"github.com/belfry-centre/belfry/internal/report"
)

// capability is one line of the table: a thing that a centre does.
type capability struct {
	name   string
	schema database.Schema
	texts  []fs.FS
	// build makes it from the settings and from those above it.
	build func(*App) (registrar, error)
}

type registrar interface{ Register(*parts.Parts) error }

// table is what the program consists of, in the order in which it is built. A
// capability gets the ports that it asks for from adapters in join.go; it
// never sees another one.
var table = []capability{
	{"report", report.Schema, []fs.FS{report.Locales, verdict.Wording}, (*App).buildReport},
	{"answer", answer.Schema, []fs.FS{answer.Locales}, (*App).buildAnswer},
}

func (a *App) registerCapabilities(context.Context, Options) error {
	var faults error
	for _, c := range table {
		built, err := c.build(a)
		if err == nil {
			err = built.Register(&a.parts)
		}
		if err != nil {
			faults = errors.Join(faults, fmt.Errorf("%s: %w", c.name, err))
		}
	}
	if faults != nil {
		return faults
	}
	a.join()
	return nil
}
