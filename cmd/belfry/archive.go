package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/belfry-centre/belfry/internal/app"
	"github.com/belfry-centre/belfry/internal/platform/archive"
)

type backupCmd struct {
	storeFlags
	To string `arg:"" help:"Folder in which the copy gets a folder of its own." type:"path" placeholder:"DIR"`
}

func (c *backupCmd) Run(ctx context.Context, s streams) (err error) {
	a, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer closing(ctx, a, &err)
	bar := newProgressLine(s.err)
	made, err := a.Backup(ctx, c.To, showArchive(bar))
	bar.end()
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s: %d files, %s in %v (%s were there already)\n",
		made.Path, made.Files, bytesText(made.Bytes), time.Since(bar.began).Round(time.Millisecond), bytesText(made.Linked))
	return nil
}

type restoreCmd struct {
	storeFlags
	From string `arg:"" help:"Folder that a backup made." type:"existingdir" placeholder:"DIR"`
}

func (c *restoreCmd) Run(ctx context.Context, s streams) error {
	settings, err := c.settings(s, nil)
	if err != nil {
		return err
	}
	bar := newProgressLine(s.err)
	err = app.Restore(ctx, settings, c.From, showArchive(bar))
	bar.end()
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "restored into %s; check it with: belfry verify --data %s\n", settings.Data, settings.Data)
	return nil
}

type verifyCmd struct {
	storeFlags
	JSON bool `name:"json" help:"Print the whole report as JSON."`
}

func (c *verifyCmd) Run(ctx context.Context, s streams) (err error) {
	a, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer closing(ctx, a, &err)
	bar := newProgressLine(s.err)
	r, err := a.Verify(ctx, showArchive(bar))
	bar.end()
	if err != nil {
		return err
	}
	if c.JSON {
		e := json.NewEncoder(s.out)
		e.SetIndent("", "  ")
		err = e.Encode(r)
	} else {
		err = printVerified(s.out, r)
	}
	if err == nil && !r.Sound() {
		err = exitError(1)
	}
	return err
}

func printVerified(w io.Writer, r *archive.Report) error {
	fmt.Fprintf(w, "raw contents    %d read (%s), %d damaged\n", r.Contents, bytesText(r.Bytes), r.Damaged)
	fmt.Fprintf(w, "references      %d, %d without their bytes\n", r.References, r.Missing)
	fmt.Fprintf(w, "unnamed bytes   %d (swept after an hour)\n", r.Orphans)
	fmt.Fprintf(w, "audit log       %d entries\n", r.AuditEntries)
	for _, f := range r.Faults {
		fmt.Fprintf(w, "FAULT %s: %s: %s\n", f.Step, f.What, f.Detail)
	}
	if more := r.FaultCount - int64(len(r.Faults)); more > 0 {
		fmt.Fprintf(w, "FAULT and %d more\n", more)
	}
	verdict := "sound"
	if !r.Sound() {
		verdict = fmt.Sprintf("NOT SOUND: %d faults", r.FaultCount)
	}
	_, err := fmt.Fprintln(w, verdict)
	return err
}

// showArchive returns what shows on the line how far a long act is.
func showArchive(l *progressLine) func(archive.Progress) {
	return func(p archive.Progress) {
		l.show(func() string {
			text := fmt.Sprintf("%s %s %d", p.Step, p.Item, p.Done)
			if p.Total > 0 {
				text += fmt.Sprintf(" of %d", p.Total)
			}
			return text
		})
	}
}

func bytesText(n int64) string {
	const k = 1024
	switch {
	case n < k:
		return fmt.Sprintf("%d B", n)
	case n < k*k:
		return fmt.Sprintf("%.1f KiB", float64(n)/k)
	case n < k*k*k:
		return fmt.Sprintf("%.1f MiB", float64(n)/k/k)
	default:
		return fmt.Sprintf("%.1f GiB", float64(n)/k/k/k)
	}
}
